"""A secret that several nodes make at once is one secret, and never half of one."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from server.secret_file import secret_file

NODES = 8


def test_of_several_who_make_it_at_once_the_first_ones_stays(tmp_path: Path) -> None:
    path, all_found_none = tmp_path / "keys" / "content.key", Barrier(NODES, timeout=10)

    def make() -> bytes:
        all_found_none.wait()
        return os.urandom(32)

    with ThreadPoolExecutor(NODES) as nodes:
        found = set(nodes.map(lambda _: secret_file(path, make), range(NODES)))
    assert found == {path.read_bytes()}
    assert os.listdir(path.parent) == [path.name]
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_is_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "content.key"
    path.write_bytes(b"mine")
    assert secret_file(path, lambda: b"another") == b"mine"
