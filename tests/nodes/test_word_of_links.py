"""Whose word about links counts (`RedisBus.linked`): nobody gives way to what is old news."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import cast

import pytest

from server.backend import EpochStore, NodeInfo, redis_bus
from server.backend.address_book import BEAT_S, AddressBook, Entry
from server.backend.links import Links
from server.backend.redis_bus import FRESH_S, JOIN_S, RedisBus
from signaling.protocol import NodeId

ME, OTHER = NodeId("n_me"), NodeId("n_other")


class Book:
    """The address book with one other node in it, that beats while it lives and says whom it reaches."""

    def __init__(self) -> None:
        self.beat_of_other = 0
        self.lives = True
        self.left = False
        self.reaches: tuple[NodeId, ...] = ()
        self.said: list[Entry] = []
        self.said_s: list[float] = []
        self.closed = False

    async def beat(self, entry: Entry, forget: Sequence[NodeId]) -> list[Entry]:
        self.said.append(entry)
        self.said_s.append(time.monotonic())
        self.beat_of_other += self.lives
        return [entry, Entry(NodeInfo(OTHER), self.beat_of_other, self.left, self.reaches)]

    async def close(self) -> None:
        self.closed = True


class NoLinks:
    """Joined, and not linked. once: but it was. refused: its machine says that nobody listens there."""

    users: object = None
    refused = False
    once = False

    def linked(self) -> frozenset[NodeId]:
        return frozenset()

    def had(self, node: NodeId) -> bool:
        return self.once

    def join(self, node: NodeInfo) -> None: ...
    def leave(self, node: NodeId) -> None: ...
    def refuses(self, node: NodeId) -> bool:
        return self.refused


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 1_000.0
        monkeypatch.setattr(redis_bus, "now_s", lambda: self.now_s)


async def beats(bus: RedisBus, clock: Clock, seconds: float) -> None:
    for _ in range(round(seconds / BEAT_S)):
        clock.now_s += BEAT_S
        await bus.start()
        await asyncio.sleep(0)


def made(book: Book, links: NoLinks | None = None) -> RedisBus:
    no_links = cast(Links, links or NoLinks())
    return RedisBus(NodeInfo(ME), cast(AddressBook, book), no_links, cast(EpochStore, None))


async def test_who_is_new_counts_as_linked_and_then_has_to_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    book, clock = Book(), Clock(monkeypatch)
    bus = made(book)
    await beats(bus, clock, 2 * BEAT_S)
    assert bus.linked() == {ME: {OTHER}, OTHER: {ME}}
    await beats(bus, clock, JOIN_S + BEAT_S)
    assert bus.linked() == {ME: set(), OTHER: frozenset()}
    book.reaches = (ME,)
    await beats(bus, clock, BEAT_S)
    assert set(bus.linked()[OTHER] or ()) == {ME}


async def test_a_link_that_has_been_there_is_not_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that has just come back and is cut off again."""
    book, clock, links = Book(), Clock(monkeypatch), NoLinks()
    bus = made(book, links)
    await beats(bus, clock, JOIN_S + 3 * BEAT_S)
    book.left = True
    await beats(bus, clock, BEAT_S)
    book.left = False
    await beats(bus, clock, BEAT_S)
    assert bus.linked() == {ME: {OTHER}, OTHER: {ME}}, "it is back, and its links are awaited"
    links.once, book.reaches = True, (ME,)
    await beats(bus, clock, BEAT_S)
    assert bus.linked() == {ME: set(), OTHER: {ME}}
    book.reaches = ()
    await beats(bus, clock, BEAT_S)
    assert bus.linked() == {ME: set(), OTHER: set()}


async def test_who_is_silent_has_no_word(monkeypatch: pytest.MonkeyPatch) -> None:
    book, clock = Book(), Clock(monkeypatch)
    bus = made(book)
    await beats(bus, clock, JOIN_S + 3 * BEAT_S)
    assert OTHER in bus.linked()
    book.lives = False
    await beats(bus, clock, FRESH_S + BEAT_S)
    assert set(bus.linked()) == {ME}


async def test_whose_process_is_gone_has_no_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was killed: nobody gives way to it in the moment until it counts as dead."""
    book, clock, links = Book(), Clock(monkeypatch), NoLinks()
    bus = made(book, links)
    await beats(bus, clock, JOIN_S + 3 * BEAT_S)
    assert OTHER in bus.linked()
    links.refused = True
    assert set(bus.linked()) == {ME}


async def test_beats_are_quick_while_somebody_is_not_reached() -> None:
    """Who gives way is read from beats."""
    book = Book()
    running = asyncio.get_running_loop().create_task(made(book).run())
    while len(book.said) < 6:
        await asyncio.sleep(0.01)
    running.cancel()
    assert book.said_s[5] - book.said_s[0] < 5 * BEAT_S / 2, "twice that where all are reached"


async def test_while_redis_does_not_answer_the_last_word_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    book, clock = Book(), Clock(monkeypatch)
    bus = made(book)
    await beats(bus, clock, JOIN_S + 3 * BEAT_S)
    clock.now_s += 10
    assert bus.linked() == {ME: set(), OTHER: frozenset()}


async def test_who_has_said_goodbye_says_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Links that end then are news; a beat for them would take the goodbye back."""
    book, clock = Book(), Clock(monkeypatch)
    bus = made(book)
    await beats(bus, clock, 2 * BEAT_S)
    running = asyncio.get_running_loop().create_task(bus.run())
    await asyncio.sleep(0.01)
    await bus.leave()
    bus.link_down(OTHER)
    await asyncio.wait_for(running, 5)
    assert book.said[-1].left and book.closed
