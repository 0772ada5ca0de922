"""One room without sockets: its streams, viewers and recording while work is done beside the loop.

The executor does its work when the test says so; everything else is the real thing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

import msgspec
import pytest

from cobrowse.gate import GateName, GateState
from cobrowse.ops import CODES, ELEMENT, END, NOTES, SIDE, TEXT_NODE
from cobrowse.policy import CobrowsePolicy
from server.cobrowse.keeper import now_ms
from server.cobrowse.line import Line
from server.cobrowse.members import BIG_MIRROR, Counts, Tab, Viewer, Watcher
from server.cobrowse.room import Room
from server.cobrowse.websocket import TOO_BIG, Refused
from signaling.protocol import EngagementId, ParticipantId, SharedGrant

AGENT = ParticipantId("p_agent")
NODES = [ELEMENT, "html", 0, ELEMENT, "p", 0, TEXT_NODE, "hello", END, END, END]
# so many that a whole picture of it is written beside the loop
BIG = [*NODES[:-2], *[ELEMENT, "b", 0, END] * BIG_MIRROR, END, END]
TEXT = CODES["TEXT"]


class Held(Executor):
    """Does what it is given when `release` is called, in order."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.waiting.append((future, work))
        return future

    def release(self) -> None:
        future, work = self.waiting.pop(0)
        try:
            future.set_result(work())
        except Exception as error:
            future.set_exception(error)

    async def is_asked(self) -> None:
        for _ in range(100):
            if self.waiting:
                return
            await asyncio.sleep(0)
        raise AssertionError("no work")


class Kept:
    """A recording in memory."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.closed = False

    def begins(self, stream: str) -> bool:
        return not self.frames

    def take(self, stream: str, epoch: int, frame: bytes, at_ms: int) -> None:
        assert not self.closed
        self.frames.append(frame)

    def close(self) -> None:
        self.closed = True

    def text(self) -> bytes:
        return b"".join(self.frames)


def grant(expires_ms: int = 0) -> SharedGrant:
    return SharedGrant(id="g_1", capability="record", expires_ms=expires_ms)


class Setting:
    """A room that is live, with one viewer, one executor and a recording."""

    def __init__(self, policy: CobrowsePolicy | None = None) -> None:
        self.executor = Held()
        self.room = Room(EngagementId("e_1"), policy or CobrowsePolicy(), self.executor, Counts())
        self.kept = Kept()
        self.room.keeper.sink = self.kept
        self.gate("live", grant())
        self.viewer_line = Line(lambda: None, deflated=False)
        self.viewer: Viewer = self.room.join(Watcher(AGENT, "Tess", "agent"), self.viewer_line)

    def gate(self, state: GateName, *grants: SharedGrant) -> None:
        self.room.gate.set(GateState(1, state, grants, (AGENT,), ""))
        if state == "paused":
            self.room.hold()

    async def tab(self, doc: str = "doc") -> tuple[Tab, Line, int]:
        line = Line(lambda: None, deflated=False)
        tab, last = await self.room.attach("d_1", doc, line, "browser")
        return tab, line, last

    async def shown(self) -> tuple[Tab, Line]:
        """A page that the viewer sees."""
        tab, line, _ = await self.tab()
        self.small(tab, *snapshot(1, "http://bank.example/first", "First"))
        await self.room.catch_up(self.viewer)
        self.heard()
        told(line)
        return tab, line

    def small(self, tab: Tab, *items: Any) -> None:
        assert self.room.push(tab, encoded(*items), list(items)) is None

    def heard(self) -> list[list[Any]]:
        return told(self.viewer_line, shows=self.room.gate.shows)

    def addresses(self) -> list[tuple[str, str, str]]:
        """(address, title, state) of each STREAMS that came."""
        lists = [items[2] for items in self.heard() if items[:2] == [0, SIDE["STREAMS"]]]
        return [(one[1], one[2], one[4]) for streams in lists for one in streams]


def encoded(*items: Any) -> bytes:
    return msgspec.msgpack.encode(items)


def snapshot(seq: int, url: str, title: str, nodes: list[Any] = NODES) -> list[Any]:
    return [seq, CODES["SNAP"], 0, url, title, 800, 600, *nodes]


def told(line: Line, *, shows: bool = True) -> list[list[Any]]:
    """What waits for a socket, decoded."""
    data, found = line.take(shows=shows), []
    while data:
        wide = {126: 2, 127: 8}.get(data[1], 0)
        size = int.from_bytes(data[2 : 2 + wide]) if wide else data[1]
        found.append(msgspec.msgpack.decode(data[2 + wide : 2 + wide + size]))
        data = data[2 + wide + size :]
    return found


# --- HELLO while the stream is at work -----------------------------------------------------------------


async def test_a_stream_begins_anew_only_after_the_frame_that_is_at_work_on_it() -> None:
    setting = Setting()
    tab, before = await setting.shown()
    async with asyncio.TaskGroup() as tasks:
        large = tasks.create_task(setting.room.push_large(tab, encoded(2, TEXT, 4, "large")), name="large")
        await setting.executor.is_asked()
        hello = tasks.create_task(setting.tab("doc"), name="hello")
        await asyncio.sleep(0)
        assert before.closing == (4409, "another socket of this tab")
        assert not hello.done() and tab.line is before
        setting.executor.release()
    assert large.done()
    # the frame was taken, so the recorder need not send it again, and who looks has it
    _, line, last = hello.result()
    assert last == 2 and tab.line is line
    assert [2, TEXT, 4, "large"] in setting.heard()


async def test_what_an_older_socket_had_waiting_is_not_taken_into_the_next_document() -> None:
    setting = Setting()
    tab, _ = await setting.shown()
    waiting = setting.room.push_large(tab, encoded(*snapshot(2, "http://bank.example/old", "Old")))
    _, line, last = await setting.tab("next")
    assert last == 0
    await waiting
    assert setting.executor.waiting == [] and tab.stream.seq == 0
    setting.small(tab, *snapshot(1, "http://bank.example/next", "Next"))
    assert tab.stream.mirror.scenery.title == "Next" and tab.line is line


async def test_of_two_hellos_the_later_one_has_the_tab() -> None:
    setting = Setting()
    tab, _ = await setting.shown()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(setting.room.push_large(tab, encoded(2, TEXT, 4, "large")), name="large")
        await setting.executor.is_asked()
        first = tasks.create_task(refusal(setting.tab("a")), name="first")
        await asyncio.sleep(0)
        second = tasks.create_task(setting.tab("b"), name="second")
        await asyncio.sleep(0)
        setting.executor.release()
    assert first.result() == 4409
    assert tab.line is second.result()[1] and tab.stream.doc == "b"


async def test_a_hello_does_not_wait_for_ever() -> None:
    setting = Setting()
    setting.room.hello_wait_s = 0.01
    tab, _ = await setting.shown()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(setting.room.push_large(tab, encoded(2, TEXT, 4, "large")), name="large")
        await setting.executor.is_asked()
        assert await refusal(setting.tab("doc")) == 1013
        setting.executor.release()


async def test_a_hello_that_waited_past_the_end_is_turned_away() -> None:
    setting = Setting()
    tab, _ = await setting.shown()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(setting.room.push_large(tab, encoded(2, TEXT, 4, "large")), name="large")
        await setting.executor.is_asked()
        late = tasks.create_task(refusal(setting.tab("doc")), name="late")
        await asyncio.sleep(0)
        setting.room.close()
        setting.executor.release()
    assert late.result() == 4403


async def refusal(hello: Any) -> int:
    with pytest.raises(Refused) as refused:
        await hello
    return refused.value.code


# --- pause, revocation and expiry while a frame is at work -----------------------------------------------


@pytest.mark.parametrize("ending", ["pause", "pause and resume", "stop"])
async def test_a_frame_at_work_when_the_visitor_paused_is_neither_relayed_nor_kept(ending: str) -> None:
    setting = Setting()
    tab, line = await setting.shown()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(setting.room.push_large(tab, encoded(2, TEXT, 4, "unseen")), name="large")
        await setting.executor.is_asked()
        if ending == "stop":
            setting.room.close()
        else:
            setting.gate("paused", grant())
        if ending == "pause and resume":
            setting.gate("live", grant())
        setting.executor.release()
    assert b"unseen" not in setting.kept.text()
    assert all("unseen" not in items for items in setting.heard())
    if ending == "stop":
        return
    setting.gate("live", grant())
    # nor is it in what comes later: the page goes on with a snapshot
    await setting.room.catch_up(setting.viewer)
    setting.small(tab, 3, TEXT, 4, "after it")
    assert [0, SIDE["NEED"], "resync_required", 3] in told(line)
    setting.small(tab, *snapshot(4, "http://bank.example/first", "First"))
    assert b"unseen" not in setting.kept.text()
    assert [items[0] for items in setting.heard() if items[0] > 0] == [4]


async def test_a_keyframe_that_was_being_written_at_a_pause_is_not_sent() -> None:
    setting = Setting()
    tab, _, _ = await setting.tab()
    setting.small(tab, *snapshot(1, "http://bank.example/first", "First", BIG))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(setting.room.catch_up(setting.viewer), name="keyframe")
        await setting.executor.is_asked()
        setting.gate("paused", grant())
        setting.gate("live", grant())
        setting.executor.release()
    assert [items for items in setting.heard() if items[0] > 0] == []


async def test_after_its_grant_ran_out_no_frame_is_kept() -> None:
    setting = Setting()
    tab, _ = await setting.shown()
    setting.small(tab, 2, TEXT, 4, "kept")
    setting.gate("live", grant(expires_ms=now_ms() - 1))
    setting.small(tab, 3, TEXT, 4, "later")
    assert b"kept" in setting.kept.text() and b"later" not in setting.kept.text()
    assert setting.kept.closed and setting.room.keeper.sink is None
    # it is still shown
    assert [3, TEXT, 4, "later"] in setting.heard()


async def test_a_grant_that_ends_while_a_frame_is_at_work_keeps_it_no_more() -> None:
    setting = Setting()
    tab, _ = await setting.shown()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(setting.room.push_large(tab, encoded(2, TEXT, 4, "revoked")), name="large")
        await setting.executor.is_asked()
        setting.gate("live")
        setting.executor.release()
    assert b"revoked" not in setting.kept.text() and [2, TEXT, 4, "revoked"] in setting.heard()


async def test_a_whole_picture_that_was_being_written_when_the_grant_ended_is_not_kept() -> None:
    setting = Setting()
    tab, _ = await setting.shown()
    setting.small(tab, *snapshot(2, "http://bank.example/first", "First", BIG))
    setting.kept.frames.clear()
    work = setting.room.push(tab, encoded(3, TEXT, 4, "whole"), [3, TEXT, 4, "whole"])
    assert work is not None
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(work, name="whole")
        await setting.executor.is_asked()
        setting.gate("live", grant(expires_ms=now_ms() - 1))
        setting.executor.release()
    assert setting.kept.frames == []


# --- what is told beside the stream ------------------------------------------------------------------------


async def test_while_nothing_may_be_seen_no_address_and_no_title_is_told() -> None:
    setting = Setting()
    tab, _ = await setting.shown()
    setting.room.tell_streams()
    assert setting.addresses() == [("http://bank.example/first", "First", "live")]
    setting.gate("paused", grant())
    assert setting.addresses() == [("", "", "held")]
    setting.small(tab, 2, CODES["PAGE"], "http://bank.example/second", "Second")
    await setting.tab("next")
    setting.room.tell_streams()
    assert set(setting.addresses()) == {("", "", "held")}


async def test_an_address_at_work_when_the_visitor_paused_is_not_told_after_the_resume() -> None:
    setting = Setting()
    tab, _ = await setting.shown()
    moved = encoded(2, CODES["PAGE"], "http://bank.example/second", "Second")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(setting.room.push_large(tab, moved), name="large")
        await setting.executor.is_asked()
        setting.gate("paused", grant())
        setting.executor.release()
    setting.gate("live", grant())
    setting.room.tell_streams()
    assert {address for address, _, _ in setting.addresses()} == {"", "http://bank.example/first"}


# --- pages beyond a limit -------------------------------------------------------------------------------


DEEP = [*[ELEMENT, "b", 0] * 600, *[END] * 600, END]
LONG = [ELEMENT, "p", 0, TEXT_NODE, "x" * (2 * 1024 * 1024 + 1), END, END]


@pytest.mark.parametrize("nodes", [DEEP, LONG], ids=["deep", "long"])
async def test_a_page_beyond_a_limit_is_asked_for_once_and_those_who_look_are_told_why(
    nodes: list[Any],
) -> None:
    setting = Setting()
    tab, line = await setting.shown()
    for seq in range(2, 8):
        setting.small(tab, *snapshot(seq, "http://bank.example/first", "First", nodes))
        setting.small(tab, seq + 100, TEXT, 4, "more of it")
    needs = [items[2:] for items in told(line) if items[:2] == [0, SIDE["NEED"]]]
    assert needs == [["page_too_big", 2], ["resync_required", 102]]
    assert tab.state == "too_big"
    heard = setting.heard()
    assert [0, SIDE["STREAMS"]] in [items[:2] for items in heard]
    assert any(items[1:] == [CODES["NOTE"], NOTES.index("too_big"), 0] for items in heard if items[0] > 0)
    # who comes later is told too
    setting.room.tell_streams()
    assert [state for _, _, state in setting.addresses()] == ["too_big"]
    setting.small(tab, *snapshot(20, "http://bank.example/first", "Small"))
    assert tab.state == "live"


async def test_the_next_page_of_a_tab_is_not_called_too_big_before_it_came() -> None:
    setting = Setting()
    tab, line = await setting.shown()
    setting.small(tab, *snapshot(2, "http://bank.example/first", "First", DEEP))
    assert tab.state == "too_big"
    line.close(TOO_BIG, "too big")
    setting.room.detach(tab, line)
    assert tab.state == "too_big"
    await setting.tab("next")
    assert tab.state == "stale"
