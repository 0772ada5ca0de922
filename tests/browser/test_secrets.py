"""Secrets in generated forms: no byte of them in frames, store, logs, uploads or recordings.

More forms: `TALKNOW_FORMS=10000 python -m pytest --timeout 0 tests/browser/test_secrets.py`, or in pieces
from another one on (`TALKNOW_FORMS_FROM=1000`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Request, WebSocket

from tests.browser.conftest import Browsers, eventually
from tests.browser.test_cobrowse import shared
from tests.server_process import Server

FORMS = int(os.environ.get("TALKNOW_FORMS", "200"))
FROM = int(os.environ.get("TALKNOW_FORMS_FROM", "0"))
PER_ROUND = 10
PIECE = 8
PROGRAM = (Path(__file__).parent / "programs" / "secrets.js").read_text()
WORD = re.compile(rb"[A-Za-z0-9]{%d,}" % PIECE)


class Wire:
    """Everything that goes over a page's WebSockets, and all that it asks for or uploads."""

    def __init__(self, page: Page) -> None:
        self.frames: list[bytes] = []
        self.requests = 0
        page.on("websocket", self._opened)
        page.on("request", self._asked)

    def _opened(self, socket: WebSocket) -> None:
        socket.on("framesent", self._take)
        socket.on("framereceived", self._take)

    def _asked(self, request: Request) -> None:
        self.requests += 1
        self.frames += [request.url.encode(), request.post_data_buffer or b""]

    def _take(self, payload: bytes | str) -> None:
        self.frames.append(payload.encode() if isinstance(payload, str) else payload)

    def take(self) -> bytes:
        taken = b"\n".join(self.frames)
        self.frames.clear()
        return taken


def pieces(texts: Iterable[str]) -> dict[bytes, str]:
    """Every run of PIECE characters, lower case, and where it is from."""
    found = {}
    for text in texts:
        low = text.lower().encode()
        for at in range(len(low) - PIECE + 1):
            found[low[at : at + PIECE]] = text
    return found


def leaks(data: bytes, secrets: dict[bytes, str]) -> set[str]:
    found = set()
    for word in set(WORD.findall(data)):
        low = word.lower()
        for at in range(len(low) - PIECE + 1):
            if low[at : at + PIECE] in secrets:
                found.add(secrets[low[at : at + PIECE]])
    return found


def around(data: bytes, found: set[str]) -> list[bytes]:
    """Where it was found, with what is before and after it."""
    low = data.lower()
    heads = {text.lower().encode()[at : at + PIECE] for text in found for at in range(len(text) - PIECE + 1)}
    places = sorted(low.find(head) for head in heads if head in low)
    return [data[max(0, place - 300) : place + 60] for place in places[:2]]


@pytest.mark.timeout(180)
def test_no_secret_of_a_form_leaves_the_browser(server: Server, browsers: Browsers) -> None:
    customer, agent = browsers.chat(server)
    wires = [Wire(customer.page), Wire(agent.page)]
    seen = shared(customer, agent)
    agent.button("Ask to record").click()
    customer.button("Allow").click()
    everything: list[str] = []
    total = 0
    for begin in range(FROM, FROM + FORMS, PER_ROUND):
        secrets: list[str] = []
        for seed in range(begin, begin + PER_ROUND):
            secrets += customer.page.evaluate(PROGRAM, seed)
        customer.page.evaluate(f"document.getElementById('forms').className = 'r{begin}'")
        eventually(
            lambda begin=begin: bool(seen.locator(f"#forms.r{begin}").count()),  # type: ignore[misc]
            what="the last form is seen",
        )
        for name, wire in zip(("customer", "agent"), wires, strict=True):
            data = wire.take()
            total += len(data)
            found = leaks(data, pieces(secrets))
            assert not found, f"on the {name}'s side after form {begin}: {around(data, found)}"
        everything += secrets
    known = pieces(everything)
    asked = sum(wire.requests for wire in wires)
    print(
        f"\n{FORMS} forms from {FROM}, {len(everything)} secrets, {total} bytes looked at, {asked} requests"
    )
    kept = [path for path in server.data.rglob("*") if path.is_file()]
    assert kept
    for path in kept:
        assert not leaks(path.read_bytes(), known), path
    assert not leaks(server.log.encode(), known)


def test_the_search_itself_finds_what_leaks() -> None:
    known = pieces(["Abcdefghij"])
    assert leaks(b"\x93\x01\xaaxxBCDEFGHIJyy", known) == {"Abcdefghij"}
    assert not leaks(b"abcdefg hij", known)
