"""Sites change while the server runs; a wrong file changes nothing."""

from __future__ import annotations

import signal
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.server_process import Server, start

SITE = '[sites.{name}]\nname = "{name}"\norigins = ["https://{name}.example"]\n'


def status(server: Server, site: str) -> int:
    try:
        with urllib.request.urlopen(f"{server.url}/v1/sites/{site}/widget") as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def becomes(server: Server, site: str, wanted: int) -> bool:
    deadline = time.monotonic() + 5
    while status(server, site) != wanted:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_sites_are_reloaded_and_a_wrong_file_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "talknow.toml"
    file.write_text(SITE.format(name="bank"))
    server = start(tmp_path, "--config", str(file))
    assert (status(server, "bank"), status(server, "shop")) == (200, 404)
    file.write_text(SITE.format(name="bank") + SITE.format(name="shop"))
    server.process.send_signal(signal.SIGHUP)
    assert becomes(server, "shop", 200)
    file.write_text('[sites.bank]\norigins = ["*"]\n')
    server.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 5
    while "configuration not taken" not in server.log and time.monotonic() < deadline:
        time.sleep(0.02)
    assert (status(server, "bank"), status(server, "shop")) == (200, 200)
    assert "sites.bank.origins" in server.log
    assert server.stop() == 0
