"""`talknow doctor` on several nodes: what it says of PostgreSQL, Redis and the way between nodes."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from benchmarks.services import free_port
from server.__main__ import main
from tests.conftest import Shared


def doctor(shared: Shared, tmp_path: Path, *extra: str) -> int:
    where = ("--database", shared.database_url, "--redis", shared.redis_url)
    return main(["doctor", "--data", str(tmp_path), "--port", str(free_port()), *where, *extra])


def test_what_nodes_share_answers(shared: Shared, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    doctor(shared, tmp_path)
    said = capsys.readouterr().out
    for words in (
        "PostgreSQL 1",
        "connections for",
        "no tables yet",
        "Redis: answers, 0 nodes",
        "has its own",
    ):
        assert words in said
    assert "only this machine reaches" in said
    assert "WRONG  PostgreSQL" not in said and "WRONG  Redis" not in said


def test_what_would_lose_an_acked_message_is_wrong(
    shared: Shared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = shared.database_url.rpartition("/")[2]
    with psycopg.connect(shared.database_url, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    assert doctor(shared, tmp_path) == 1
    assert "synchronous_commit is off" in capsys.readouterr().out


def test_who_does_not_answer_is_named_without_a_password(
    shared: Shared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shared.database_url = f"postgresql://talknow:not-told@127.0.0.1:{free_port()}/talknow"
    shared.redis_url = f"redis://:not-told@127.0.0.1:{free_port()}/0"
    assert doctor(shared, tmp_path, "--keys", str(tmp_path)) == 1
    said = capsys.readouterr().out
    assert "WRONG  PostgreSQL: OperationalError" in said and "WRONG  Redis: ConnectionError" in said
    assert "not-told" not in said
