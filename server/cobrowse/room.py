"""A frame's way: from the tab that recorded it, through gate, check and mirror, to everybody who looks.

One room per engagement whose page is shared; one stream per tab; viewers follow the visible tab or choose
one. Same bytes for every viewer. The gate is read when a frame is taken and again when each one is written.
Source: docs/cobrowse_wire.md; docs/architecture.md, "the shared page".
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any

from cobrowse.errors import InvalidDiff, PageTooBig, ResyncRequired
from cobrowse.frames import Items, encode
from cobrowse.gate import Gate
from cobrowse.ops import CODES, NOTES, SIDE
from cobrowse.policy import CobrowsePolicy
from cobrowse.stream import Pushed, Stream
from cobrowse.viewers import Verdict
from server.cobrowse.keeper import Keeper
from server.cobrowse.line import Line
from server.cobrowse.members import BIG_MIRROR, CHANGING_S, TOO_BIG_S, Counts, Tab, Viewer, Watcher
from server.cobrowse.websocket import TOO_BIG, Page, Refused
from signaling.protocol import EngagementId, ParticipantId

STALE_S = 60.0
# A loop's timer may fire a little before its time by the clock that is then asked.
TIMER_EARLY_S = 0.05
# The last picture, while there is no other.
LAST_S = 300.0
MAX_TABS = 8
MAX_VIEWERS = 64
MAX_REQUESTS = 256
# so long a recorder's HELLO waits for what is at work on its stream; then it is to come again
HELLO_WAIT_S = 5.0
# more than that is told by a keyframe
RESUME_BYTES = 1024 * 1024
_ACK = SIDE["ACK"]
_SEND, _KEYFRAME = Verdict.SEND, Verdict.KEYFRAME


class Room:
    """listener methods may be called while frames are on their way; they must not wait."""

    def __init__(
        self,
        engagement: EngagementId,
        policy: CobrowsePolicy,
        executor: Executor,
        counts: Counts,
    ) -> None:
        self.engagement = engagement
        self.policy = policy
        self.gate = Gate()
        self.tabs: dict[str, Tab] = {}
        self.viewers: dict[int, Viewer] = {}
        self.hello_wait_s = HELLO_WAIT_S
        self.keeper = Keeper(self.gate, self._beside)
        self.on_masked: Callable[[int], None] = lambda count: None
        self._executor = executor
        self._counts = counts
        self._closed = 4403, "nothing is shared"
        self._next_viewer = 1
        self._next_request = 0
        self._requests: dict[int, tuple[int, int]] = {}
        self._waits: set[asyncio.TimerHandle] = set()

    # --- the tab that records ---------------------------------------------------------------------

    async def attach(self, stream_id: str, doc: str, line: Line, device: str) -> tuple[Tab, int]:
        """A recorder said HELLO. Returns its tab and the last seq of this document that is here.

        The stream begins when nothing is at work on it; what the socket before this one still had waiting is
        not taken. Raises: Refused when it ended meanwhile, another HELLO came, or it took HELLO_WAIT_S.
        """
        tab = self.tabs.get(stream_id)
        if tab is None:
            self._forget_stale(room_for=1)
            tab = self.tabs[stream_id] = Tab(stream_id, Stream(self.policy))
        elif tab.line is not None:
            tab.line.close(4409, "another socket of this tab")
        tab.turn += 1
        turn = tab.turn
        try:
            async with asyncio.timeout(self.hello_wait_s), tab.lock:
                self._may_begin(tab, turn)
                if tab.stream.doc != doc:
                    tab.too_big = False
                last = tab.stream.begin(doc)
        except TimeoutError:
            raise Refused(1013, "busy") from None
        tab.line = line
        tab.edition = -1
        tab.device = device
        self._changed(tab)
        return tab, last

    def _may_begin(self, tab: Tab, turn: int) -> None:
        """Raises: Refused."""
        if not self.gate.open:
            raise Refused(*self._closed)
        if tab.turn != turn:
            raise Refused(4409, "another socket of this tab")
        if self.tabs.get(tab.id) is not tab:
            raise Refused(1013, "too many tabs")

    def continues_on(self, origin: str) -> bool:
        """Consent is for the origin where it was given and those the site lists. "": no page of a browser."""
        home = self.gate.state.origin
        return not home or origin in ("", home, *self.policy.continue_on_origins)

    def detach(self, tab: Tab, line: Line) -> None:
        if tab.line is line:
            tab.line = None
            tab.edition = -1
            tab.lost_at = time.monotonic()
            # one message of it is more than a socket takes
            tab.too_big = line.closing is not None and line.closing[0] == TOO_BIG
            self._changed(tab)
            self._look_again()

    def _changed(self, tab: Tab) -> None:
        """Its state is another one, also when the next page says the same of itself."""
        tab.news, tab.edition = tab.news[:3], -1
        self.tell_streams()

    def _look_again(self) -> None:
        """When a lost tab can no longer be between two pages, those who look are told."""

        def look() -> None:
            self._waits.discard(wait)
            self.tell_streams()

        wait = asyncio.get_running_loop().call_later(CHANGING_S + TIMER_EARLY_S, look)
        self._waits.add(wait)

    def push(self, tab: Tab, frame: bytes, items: Items) -> Coroutine[Any, Any, None] | None:
        """Take one frame, decoded already. What cannot be used is answered by NEED.

        Returns what is to be awaited before the next frame, if this one cannot be taken at once.
        """
        if not self.gate.shows:
            return None
        if tab.lock.locked():
            return self.push_large(tab, frame)
        at_ms = _clock_ms()
        try:
            pushed = tab.stream.take(items, frame, at_ms)
        except (InvalidDiff, ResyncRequired) as fault:
            self._refuse(tab, fault, items)
            return None
        return self._pushed(tab, pushed, Page(pushed.frame), at_ms) if pushed.frame else None

    def push_large(self, tab: Tab, frame: bytes) -> Coroutine[Any, Any, None]:
        """As push, decoded, applied and compressed beside the event loop."""
        return self._push_large(tab, frame, tab.turn)

    async def _push_large(self, tab: Tab, frame: bytes, turn: int) -> None:
        def work() -> tuple[Pushed, Page]:
            pushed = tab.stream.push(frame, _clock_ms())
            return pushed, self._packed(pushed.frame)

        async with tab.lock:
            if not self.gate.shows or tab.turn != turn:
                return
            closings = self.gate.closings
            try:
                pushed, page = await self._beside(work)
            except (InvalidDiff, ResyncRequired) as fault:
                self._refuse(tab, fault, None)
                return
            if not self.gate.passes(closings):
                tab.stream.lapse()
                return
        if pushed.frame and (more := self._pushed(tab, pushed, page, _clock_ms())) is not None:
            await more

    def _refuse(self, tab: Tab, fault: InvalidDiff | ResyncRequired, items: Items | None) -> None:
        """The frame's number goes with it: no frame before a snapshot on its way needs another one."""
        self._counts.refused += 1
        now = time.monotonic()
        if isinstance(fault, PageTooBig):
            self._too_big(tab)
            if now - tab.big_at < TOO_BIG_S:
                tab.quiet_until = now + TOO_BIG_S
            tab.big_at = now
        if now < tab.quiet_until:
            return
        self._counts.resyncs += 1
        if tab.line is not None:
            tab.line.say(SIDE["NEED"], fault.wire_code, *(items or [])[:1])

    def _too_big(self, tab: Tab) -> None:
        """Those who look are told."""
        page = Page(encode([max(1, tab.stream.seq), CODES["NOTE"], NOTES.index("too_big"), 0]))
        for viewer in self.viewers.values():
            if viewer.tab is tab:
                viewer.line.frame(page)
        tab.too_big = True
        self._changed(tab)

    def _pushed(self, tab: Tab, pushed: Pushed, page: Page, at_ms: int) -> Coroutine[Any, Any, None] | None:
        counts = self._counts
        counts.frames += 1
        counts.bytes += len(pushed.frame)
        if pushed.masked:
            self._masked(tab, pushed)
        if pushed.mismatch and tab.line is not None:
            counts.resyncs += 1
            counts.drifts += 1
            tab.line.say(SIDE["NEED"], "hash", pushed.seq)
        self._acknowledge(tab, pushed.seq, at_ms)
        edition = tab.stream.mirror.scenery.edition
        if pushed.snapshot:
            tab.too_big = False
        if pushed.snapshot or edition != tab.edition:
            tab.edition = edition
            self._tell_news(tab)
        for viewer in self.viewers.values():
            if viewer.tab is tab:
                self._offer(viewer, pushed, page)
        return self.keeper.keep(tab, pushed)

    def _tell_news(self, tab: Tab) -> None:
        scenery = tab.stream.mirror.scenery
        tab.page = (scenery.url, scenery.title)
        news = (scenery.url, scenery.title, scenery.visible, tab.state)
        if news != tab.news:
            if scenery.visible and not (tab.news and tab.news[2]):
                tab.shown_at = time.monotonic()
            tab.news = news
            self.tell_streams()

    def _masked(self, tab: Tab, pushed: Pushed) -> None:
        self._counts.masked += len(pushed.masked)
        if tab.line is not None:
            tab.line.say(SIDE["MASKED"], list(pushed.masked))
        total = sum(tab.stream.hidden.total() for tab in self.tabs.values())
        kind = next(iter(tab.stream.hidden))
        for viewer in self.viewers.values():
            viewer.line.say(SIDE["MASKED"], total, kind)
        self.on_masked(len(pushed.masked))

    def _acknowledge(self, tab: Tab, seq: int, at_ms: int) -> None:
        """Every 16 frames or 250 ms."""
        tab.unacked += 1
        if tab.unacked >= 16 or at_ms - tab.acked_ms > 250:
            tab.unacked, tab.acked_ms = 0, at_ms
            if tab.line is not None:
                tab.line.say(_ACK, seq)

    # --- those who look -------------------------------------------------------------------------------

    def join(self, who: Watcher, line: Line) -> Viewer:
        viewer = Viewer(self._next_viewer, who, line)
        self._next_viewer += 1
        self.viewers[viewer.number] = viewer
        return viewer

    def leave(self, viewer: Viewer) -> None:
        self.viewers.pop(viewer.number, None)
        self.tell_watchers()

    def dismiss(self) -> None:
        """Who takes part no longer sees nothing more."""
        for viewer in self.viewers.values():
            if not self.gate.admits(viewer.participant):
                viewer.line.purge()
                viewer.line.close(4403, "takes part no longer")

    def looks(self, participant: ParticipantId) -> bool:
        return any(viewer.participant == participant for viewer in self.viewers.values())

    def acked(self, viewer: Viewer, seq: int) -> None:
        if viewer.credit.acked(seq):
            viewer.catching_up = True
        elif viewer.owed:
            self._send_still(viewer)

    def _send_still(self, viewer: Viewer) -> None:
        """One of the pictures that the keyframe had no room for, with each ack."""
        tab = viewer.tab
        if tab is None or tab.lock.locked() or viewer.credit.stale or viewer.catching_up:
            return
        frame = tab.stream.still(viewer.owed.pop())
        if frame and viewer.credit.offer(tab.stream.seq, len(frame)) is _SEND:
            viewer.line.frame(Page(frame))

    def _offer(self, viewer: Viewer, pushed: Pushed, page: Page) -> None:
        if pushed.snapshot and not viewer.catching_up:
            viewer.owed.clear()
            viewer.credit.restart()
            viewer.credit.sent(pushed.seq, len(pushed.frame))
            self._switch(viewer)
            viewer.line.frame(page)
            return
        verdict = viewer.credit.offer(pushed.seq, len(pushed.frame))
        if verdict is _SEND:
            viewer.line.frame(page)
        elif verdict is _KEYFRAME:
            viewer.catching_up = True
            self.needs(viewer)

    def needs(self, viewer: Viewer) -> None:
        """The viewer's own task then calls `catch_up`."""
        viewer.late.set()

    async def catch_up(self, viewer: Viewer) -> None:
        """Give the viewer a keyframe of its tab; nothing is lost between it and the next frame."""
        tab = viewer.tab = self._wanted(viewer)
        viewer.catching_up = False
        if tab is None:
            return
        async with tab.lock:
            if not self.gate.shows or not tab.stream.live:
                return
            closings = self.gate.closings
            if len(tab.stream.mirror.nodes) > BIG_MIRROR:
                page = await self._beside(lambda: self._packed(tab.stream.keyframe()))
            else:
                page = Page(tab.stream.keyframe())
            if not self.gate.passes(closings):
                return
            viewer.owed = tab.stream.left_out()
            viewer.credit.restart()
            viewer.credit.sent(tab.stream.seq, len(page.data))
            self._switch(viewer)
            viewer.line.frame(page)
            self._counts.keyframes += 1

    def resume(self, viewer: Viewer, has: list[Any]) -> None:
        """A viewer that was here says what it has: [stream, epoch, life, seq, chosen stream].

        It gets the frames after it, if the log reaches back so far; else a keyframe, as everybody.
        """
        if [type(value) for value in has] != [str, int, int, int, str]:
            return
        stream_id, epoch, life, seq, chosen = has
        viewer.selected = chosen[:64]
        tab = self._wanted(viewer)
        if tab is None or (tab.id, tab.stream.epoch, tab.life) != (stream_id, epoch, life):
            return
        if tab.lock.locked() or not (self.gate.shows and tab.stream.live):
            return
        frames = tab.stream.after(seq)
        size = sum(map(len, frames or ()))
        if frames is None or size > RESUME_BYTES:
            return
        viewer.tab = tab
        viewer.owed = tab.stream.left_out()
        viewer.credit.restart()
        viewer.credit.sent(tab.stream.seq, size)
        for frame in frames:
            viewer.line.frame(Page(frame))

    def _switch(self, viewer: Viewer) -> None:
        if viewer.tab is not None:
            viewer.line.say(SIDE["SWITCH"], viewer.tab.id, viewer.tab.stream.epoch, viewer.tab.life)

    def select(self, viewer: Viewer, stream_id: str) -> None:
        viewer.selected = stream_id
        self.needs(viewer)

    def _wanted(self, viewer: Viewer) -> Tab | None:
        """The chosen tab as long as it is there, else the one in front of the visitor."""
        chosen = self.tabs.get(viewer.selected)
        if chosen is not None and chosen.is_here:
            return chosen
        viewer.selected = ""
        return max(self.tabs.values(), key=_preference, default=None)

    # --- what everybody is told ---------------------------------------------------------------------

    def tell_streams(self) -> None:
        """STREAMS to the viewers; whoever follows the visible tab goes with it.

        Address and title are those of the last frame that passed, and none while nothing may.
        """
        self._forget_stale()
        shows = self.gate.shows
        told = [
            [
                *(tab.id, *(tab.page if shows else ("", "")), tab.stream.mirror.scenery.visible),
                *(tab.state if shows else "held", tab.stream.hidden.total(), tab.device),
            ]
            for tab in self._present()
        ]
        for viewer in self.viewers.values():
            viewer.line.say(SIDE["STREAMS"], told)
            if self._wanted(viewer) is not viewer.tab:
                self.needs(viewer)

    def _present(self) -> list[Tab]:
        """The tabs that are there; when none is, the last one."""
        here = [tab for tab in self.tabs.values() if tab.is_here]
        return here or sorted(self.tabs.values(), key=_preference)[-1:]

    def tell_watchers(self) -> None:
        """WATCH: who looks, to those who are looked at and to those who look."""
        told = [[v.number, v.name, v.since_ms, v.role] for v in self.viewers.values()]
        for line in self.lines():
            line.say(SIDE["WATCH"], told)

    def relay(self, sender: Viewer, code: int, values: list[Any]) -> None:
        """POINT, MARK, DRAW of a viewer: to the tab it looks at and to the other viewers."""
        said = (code, sender.number, *values)
        if sender.tab is not None and sender.tab.line is not None:
            sender.tab.line.say(*said)
        for viewer in self.viewers.values():
            if viewer is not sender and viewer.tab is sender.tab:
                viewer.line.say(*said)

    def asked(self, viewer: Viewer, request: int) -> int:
        """A number of the room's for what a viewer asks of the page: each counts for itself."""
        self._next_request += 1
        self._requests[self._next_request] = (viewer.number, request)
        if len(self._requests) > MAX_REQUESTS:
            del self._requests[next(iter(self._requests))]
        return self._next_request

    def answered(self, number: object, verdict: str) -> None:
        """DID: to whom it was asked by, and nobody else."""
        number, request = self._requests.pop(number, (0, 0)) if type(number) is int else (0, 0)
        viewer = self.viewers.get(number)
        if viewer is not None:
            viewer.line.say(SIDE["DID"], request, verdict)

    def lines(self) -> list[Line]:
        recorders = [tab.line for tab in self.tabs.values() if tab.line is not None]
        return [*recorders, *(viewer.line for viewer in self.viewers.values())]

    def close(self, code: int = 4403, reason: str = "consent ended") -> None:
        """From this moment nothing passes, and nothing is kept for later."""
        self._closed = code, reason
        self.gate.close()
        for line in self.lines():
            line.purge()
            line.close(code, reason)
        self.tabs.clear()
        for wait in self._waits:
            wait.cancel()
        self._waits.clear()

    def hold(self) -> None:
        """Paused: what is on its way does not arrive."""
        for viewer in self.viewers.values():
            viewer.line.purge()
            viewer.credit.restart()
        self.tell_streams()

    def _forget_stale(self, room_for: int = 0) -> None:
        now = time.monotonic()
        stale = [tab for tab in self.tabs.values() if tab.line is None]
        stale.sort(key=lambda tab: tab.lost_at)
        kept_s = LAST_S if len(stale) == len(self.tabs) else STALE_S
        for tab in stale:
            if now - tab.lost_at > kept_s or len(self.tabs) + room_for > MAX_TABS:
                del self.tabs[tab.id]

    @staticmethod
    def _packed(frame: bytes) -> Page:
        """Compressed here, that is beside the event loop: nearly everybody takes it so."""
        page = Page(frame)
        page.wire(deflated=True)
        return page

    async def _beside(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)


def _preference(tab: Tab) -> tuple[bool, bool, float]:
    """There, and in front of the visitor since the latest; else the one that was lost last."""
    if not tab.is_here:
        return False, False, tab.lost_at
    return True, bool(tab.stream.mirror.scenery.visible), tab.shown_at


def _clock_ms() -> int:
    """For what lies between two frames."""
    return int(time.monotonic() * 1_000)
