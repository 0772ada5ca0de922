"""A real coturn with the sample of deploy/coturn, on private ports with private files."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aioice.ice import get_host_addresses

from media.guard import Address
from media.ice import ice_servers
from server.config import Config
from tests.browser.conftest import agent_browser, browsers, camera, opened, playwright, visitor_browser
from tests.server_process import ROOT, free_block
from tests.turn.client import TurnClient

__all__ = ["agent_browser", "browsers", "camera", "opened", "playwright", "visitor_browser"]

SECRET = "a secret of the tests, thirty-two bytes"


@dataclass(frozen=True)
class Turn:
    """The running TURN server; `media` is the one address it may relay to."""

    address: Address
    media: str
    log: Path

    @property
    def url(self) -> str:
        return f"turn:{self.address[0]}:{self.address[1]}?transport=udp"

    def client(self, participant: str = "l_1", *, now_s: float | None = None, ttl_s: int = 300) -> TurnClient:
        """A client with the credentials our server gives to `participant`."""
        config = Config(turn_urls=(self.url,), turn_secret=SECRET, turn_ttl_s=ttl_s)
        server = ice_servers(config, participant, now_s)[0]
        return TurnClient(self.address, server.username, server.credential)


@pytest.fixture(scope="session")
def turn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Turn]:
    """Listens on the machine's own address, because no browser relays from loopback; relays IPv6 too."""
    assert shutil.which("turnserver"), "no coturn: run `make setup-test`"
    directory = tmp_path_factory.mktemp("coturn")
    host = get_host_addresses(use_ipv4=True, use_ipv6=False)[0]
    address = (host, free_block())
    log = directory / "log"
    lines = [
        f"listening-ip={host}",
        f"listening-port={address[1]}",
        f"relay-ip={host}",
        "relay-ip=::1",
        f"allowed-peer-ip={host}",
        f"userdb={directory / 'turndb'}",
        "log-file=stdout",
    ]
    environment = {**os.environ, "TALKNOW_TURN_SECRET": SECRET, "RUNTIME_DIRECTORY": str(directory)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [ROOT / "deploy/coturn/start", *lines], env=environment, stdout=output, stderr=output
        )
    running = Turn(address, host, log)
    deadline = time.monotonic() + 10
    while not _answers(running):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    yield running
    process.terminate()
    process.wait(10)


def _answers(turn: Turn) -> bool:
    with TurnClient(turn.address) as client:
        try:
            return client.binding() == 200
        except (TimeoutError, ConnectionError):
            return False
