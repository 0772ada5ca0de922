"""Mailboxes: every actor's events one after the other; append, commit, answer, then effects.

One task per live actor, on the node that owns it (what is for another node's actor goes to its owner). It
takes what is queued, folds it (`signaling`), appends the durable events in one transaction, answers the
senders (ack = committed), and only then lets the effects run. If the append fails nothing has happened: the
state is loaded again and the senders get a typed error.
Must not: know what an event means, or wait for anything but the log while it holds the turn.
Source: docs/architecture.md, "log"; README, "One message, four stops".
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from server.backend import Bus, Log
from server.machines import machine_of
from server.mailbox import (
    Live,
    Mail,
    Posted,
    Runner,
    Turn,
    answer_look,
    ask_again,
    checkpoint,
    decode,
    encode,
    fold,
    may_sleep,
    read,
    read_on,
    refuse,
)
from server.nodes.messages import Put, Stored
from server.nodes.peers import Peers
from server.timers import Clock, Timers
from signaling.errors import (
    BackendError,
    BackendUnavailable,
    NotFound,
    Overloaded,
    OwnershipLost,
    PeerError,
    StaleEpoch,
    TalkError,
)
from signaling.events import (
    AnyEvent,
    Opened,
    PostConfirmed,
    PostedEvent,
    Recovered,
    SiteOpened,
)
from signaling.protocol import ActorId, NodeId

logger = logging.getLogger(__name__)
T = TypeVar("T")

MAX_BATCH = 128
IDLE_S = 60.0
ADOPT_AT_ONCE = 500
ADOPTING = 6
AWAY_S, AWAY_MOST_S = 0.2, 0.8
REACHED_S = 0.5
WAKE_AGAIN_S = 0.5


class Hub:
    """Owner of all mailboxes of this node; their tasks live on the given TaskGroup."""

    def __init__(self, log: Log, bus: Bus, peers: Peers, tasks: asyncio.TaskGroup, clock: Clock) -> None:
        self._log = log
        self._bus = bus
        self._peers = peers
        self.tasks = tasks
        self.clock = clock
        self.timers = Timers(clock, self._timer_fired)
        self.live: dict[ActorId, Live] = {}
        self._waking: dict[ActorId, asyncio.Future[NodeId | None]] = {}
        self._adopting = asyncio.Semaphore(ADOPTING)
        self.runner: Runner | None = None
        self.prepare: Callable[[Live], Awaitable[None]] | None = None
        self._draining = False
        self._doubts = 0
        self.settled = True  # others know that this node lives, or there are none
        peers.asks[Put] = self._put_here

    @property
    def holds(self) -> bool:
        """May this node act at all?"""
        return self._bus.holds

    # --- for everybody ------------------------------------------------------------------------

    async def post(self, actor: ActorId, event: AnyEvent, *, wait_effects: bool = False) -> Posted:
        """Give an event to an actor; returns after its commit (and media effects, if asked and it is ours).

        Raises: TalkError of any kind; for BackendError nothing was stored and a retry may help.
        """
        if self._draining:
            raise BackendUnavailable("draining", retry_after_ms=1_000)
        node = await self.locate(actor, event)
        if node is None:
            return await self._post_here(actor, event, wait_effects)
        try:
            stored: Stored = await self._peers.ask(node, Put(actor, encode(event)))
        except BackendError:
            self._bus.forget(actor)
            raise
        return Posted(stored.seq, stored.at_ms)

    async def _post_here(self, actor: ActorId, event: AnyEvent, wait_effects: bool = False) -> Posted:
        mail = Mail(event, None, self._future(), wait_effects)
        posted: Posted = await self._put(self._mine(actor), mail)
        return posted

    async def _put_here(self, _: NodeId, asked: Put) -> Stored:
        """Another node's post. Raises: OwnershipLost when the actor is not ours."""
        event = decode(asked.event)
        if await self.locate(asked.actor, event) is not None:
            raise OwnershipLost(asked.actor)
        posted = await self._post_here(asked.actor, event)
        return Stored(posted.seq, posted.at_ms)

    async def inspect(self, actor: ActorId, look: Callable[[Live], T]) -> T:
        """Run `look` inside the mailbox's order: nothing changes while it runs.

        Raises: NotFound; OwnershipLost when the actor is not ours.
        """
        if await self.locate(actor) is not None:
            raise OwnershipLost(actor)
        result: T = await self._put(self._mine(actor), Mail(None, look, self._future()))
        return result

    # --- where an actor lives -----------------------------------------------------------------

    async def locate(self, actor: ActorId, event: AnyEvent | None = None) -> NodeId | None:
        """The node that owns the actor; None for this one, where it is live then. Raises: NotFound."""
        if self._draining:
            raise OwnershipLost(actor, retry_after_ms=500)
        if actor in self.live:
            return None
        if (node := self._bus.owner(actor)) is None:
            node = await self._wake(actor, event)
        return node

    def elsewhere(self, actor: ActorId) -> NodeId | None:
        """The other node that is known to own it, without asking anybody."""
        return None if actor in self.live else self._bus.owner(actor)

    def forget(self, actor: ActorId) -> None:
        """Whoever was believed to own it does not answer, or does not own it any more."""
        self._bus.forget(actor)

    def _mine(self, actor: ActorId) -> Live:
        if (live := self.live.get(actor)) is None:
            raise OwnershipLost(actor)
        return live

    def tell(self, actor: ActorId, event: AnyEvent) -> None:
        """Post without waiting; a failed post is logged (and repeated by whoever keeps it).

        Who drains takes nothing more: sockets that end then, and timers that fire, tell nobody.
        """
        if self._draining:
            return
        self.tasks.create_task(self._tell(actor, event), name=f"tell-{actor}")

    async def adopt(self, living: Sequence[NodeId]) -> int:
        """Wake what has work to do and no owner that lives (at the start: everything). How many it were."""
        taken = 0
        while True:
            orphans = list(await self._log.orphans([*living, self._bus.node_id], ADOPT_AT_ONCE))
            random.shuffle(orphans)  # another node does the same
            mine = await asyncio.gather(*(self._adopt(actor) for actor in orphans))
            taken += sum(mine)
            if len(orphans) < ADOPT_AT_ONCE or not any(mine):
                return taken

    async def _adopt(self, actor: ActorId) -> bool:
        async with self._adopting:
            try:
                return await self.locate(actor) is None
            except TalkError as error:
                logger.warning("not adopted", extra={"actor": actor, "code": error.wire_code})
                return False

    def doubt(self) -> None:
        """The lease was lost and is held again: until `verify` nobody is told what may be old."""
        self._doubts += 1
        self.settled = False
        for live in self.live.values():
            live.doubted = True

    async def verify(self) -> None:
        """What others took meanwhile is dropped; what was doubted and is ours goes on."""
        doubts = self._doubts
        owned = [(live, live.ownership) for live in self.live.values() if live.ownership is not None]
        kept = await self._log.kept([own for _, own in owned])
        if doubts != self._doubts:
            return  # there is reason to ask again, and somebody does
        for live, own in owned:
            if self.live.get(live.actor) is not live or live.ownership is not own:
                continue  # it was claimed anew meanwhile
            if live.actor not in kept:
                self.drop(live)
                continue
            if live.unheard:
                self._load_anew(live)
                continue
            doubted, live.doubted = live.doubted, False
            if doubted and live.state is not None and self.runner is not None:
                self.runner.resume(live, live.machine.outstanding(live.state))

    def _load_anew(self, live: Live) -> None:
        """Something that nobody says again was lost: as after a load, nobody is there until it says so."""
        self.drop(live)
        self.tasks.create_task(self._wake_again(live.actor), name=f"wake-{live.actor}")

    async def _wake_again(self, actor: ActorId) -> None:
        while not self._draining:
            try:
                await self.locate(actor)
                return
            except TalkError as error:
                logger.debug("not loaded yet", extra={"actor": actor, "code": error.wire_code})
            await asyncio.sleep(WAKE_AGAIN_S)

    def drop(self, live: Live) -> None:
        """Another node has it, or nobody can read it now: forget it and tell who followed it."""
        if self.live.get(live.actor) is live:
            del self.live[live.actor]
        live.stopped = True
        refuse(live, live.queued(), OwnershipLost(live.actor))
        live.inbox.put_nowait(Mail(None, lambda _: None, self._ignored()))
        self.timers.cancel_all(live.actor)
        if self.runner is not None:
            self.runner.dropped(live)

    async def drain(self, seconds: float) -> None:
        """No new events; what is queued is committed. Then every mailbox ends."""
        self._draining = True
        self.timers.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                for actor in list(self.live):
                    await self._settled(actor)
        for live in self.live.values():
            live.stopped = True
            with contextlib.suppress(asyncio.QueueFull):
                live.inbox.put_nowait(Mail(None, lambda _: None, self._ignored()))
        with contextlib.suppress(BackendError):
            await self._log.release(list(self.live), self._bus.node_id)

    async def _settled(self, actor: ActorId) -> None:
        """Wait until everything queued at the actor before now is committed."""
        if (live := self.live.get(actor)) is not None:
            with contextlib.suppress(TalkError):
                await self._put(live, Mail(None, lambda _: None, self._future()))

    # --- waking -------------------------------------------------------------------------------

    async def _wake(self, actor: ActorId, event: AnyEvent | None) -> NodeId | None:
        """Make it live here, loaded from its log, or say who has it. Raises: NotFound for an unknown one."""
        if (waking := self._waking.get(actor)) is not None:
            return await asyncio.shield(waking)
        waking = self._waking[actor] = self._ignored()
        try:
            node = await self._load(actor, creates=isinstance(event, Opened | SiteOpened))
        except TalkError as error:
            waking.set_exception(error)
            raise
        except Exception:
            # E.g. a record of a later version: this actor is for another node, everything else goes on here.
            logger.exception("not loaded", extra={"actor": actor})
            unavailable = BackendUnavailable("not loaded", actor)
            waking.set_exception(unavailable)
            raise unavailable from None
        except BaseException:
            waking.set_exception(BackendUnavailable("not loaded", actor))
            raise
        finally:
            del self._waking[actor]
        waking.set_result(node)
        return node

    async def _load(self, actor: ActorId, *, creates: bool) -> NodeId | None:
        """Read, claim, and read what came between: a claim ends what the owner before could append."""
        live = Live(actor, machine_of(actor))
        await read(self._log, live)
        if live.state is None and not creates:
            raise NotFound(actor)
        doubts = -1
        while doubts != self._doubts:
            doubts = self._doubts
            live.ownership = await self._bus.claim(actor)
            if live.ownership.node != self._bus.node_id:
                return live.ownership.node
            await read_on(self._log, live)
            if self.prepare is not None:
                await self.prepare(live)
        self.live[actor] = live
        if live.state is not None and live.machine.must_recover(live.state):
            recovered = Recovered(at_ms=self.clock.now_ms())
            live.inbox.put_nowait(Mail(recovered, None, self._ignored()))
        self.tasks.create_task(self._mailbox(live), name=f"mailbox-{actor}")
        if live.state is not None and self.runner is not None:
            self.runner.resume(live, live.machine.outstanding(live.state))
        return None

    # --- the mailbox --------------------------------------------------------------------------

    async def _mailbox(self, live: Live) -> None:
        while not live.stopped:
            try:
                async with asyncio.timeout(IDLE_S):
                    first = await live.inbox.get()
            except TimeoutError:
                if may_sleep(live):
                    del self.live[live.actor]
                    return
                continue
            batch = [first]
            while len(batch) < MAX_BATCH and not live.inbox.empty():
                batch.append(live.inbox.get_nowait())
            try:
                await self._take(live, batch)
            except Exception as error:
                await self._fail(live, batch, error)

    async def _take(self, live: Live, batch: list[Mail]) -> None:
        """Fold, append, answer, order effects. A look sees everything queued before it committed."""
        begin = 0
        for index, mail in enumerate(batch):
            if mail.look is not None:
                await self._commit(live, batch[begin:index])
                if await self._is_current(live):
                    answer_look(live, mail)
                else:
                    ask_again(live, [mail])
                begin = index + 1
        await self._commit(live, batch[begin:])

    async def _is_current(self, live: Live) -> bool:
        """What is told is what is stored: an append is judged by its epoch, all else by the lease.

        And by its epoch too, until all others know that we live: till then they take what is ours.
        """
        if not self.settled and live.ownership is not None:
            if live.actor not in await self._log.kept([live.ownership]):
                self.drop(live)
        return self._bus.holds and not live.doubted and not live.stopped

    async def _commit(self, live: Live, mails: list[Mail]) -> None:
        state = live.state
        start_seq = 0 if state is None else state.seq
        turns: list[Turn] = []
        records: list[bytes] = []
        refused: list[tuple[Mail, PeerError]] = []
        for mail in mails:
            event = mail.event
            assert event is not None
            try:
                turn = fold(live, state, event, mail)
            except PeerError as error:
                refused.append((mail, error))
                continue
            state = turn.after
            turns.append(turn)
            if turn.stored:
                records.append(encode(event))
        if records:
            assert live.ownership is not None
            projections = live.machine.projections(state)
            await self._log.append(live.actor, live.ownership.epoch, start_seq, records, projections)
        elif not await self._is_current(live):
            ask_again(live, mails)
            return
        for mail, why in refused:
            self._refused(live, mail, why)
        live.state = state
        for turn in turns:
            self._committed(live, turn)
        await checkpoint(self._log, live)

    def _committed(self, live: Live, turn: Turn) -> None:
        if turn.stored:
            live.machine.witness(live.extras, turn.before, turn.event, turn.after)
        if not (turn.mail.wait_effects and turn.effects):
            turn.resolve()
        if turn.effects and self.runner is not None:
            self.runner.run(live, turn)
        if isinstance(turn.event, PostedEvent):
            self._confirm(turn.event)

    def _confirm(self, event: PostedEvent) -> None:
        self.tell(event.origin, PostConfirmed(at_ms=self.clock.now_ms(), post=event.post))

    def _refused(self, live: Live, mail: Mail, error: PeerError) -> None:
        if isinstance(mail.event, PostedEvent):
            logger.warning("posted event refused", extra={"actor": live.actor, "code": error.wire_code})
            self._confirm(mail.event)
        if not mail.future.done():
            mail.future.set_exception(error)

    async def _fail(self, live: Live, batch: list[Mail], error: Exception) -> None:
        """The boundary: nothing of the batch was stored. Senders learn it, the state is read again."""
        if isinstance(error, BackendError):
            seen = {"actor": live.actor, "reason": type(error).__name__, "code": error.wire_code}
            logger.warning("not stored", extra=seen)
            stale = isinstance(error, StaleEpoch)
            typed: TalkError = OwnershipLost(live.actor, retry_after_ms=500) if stale else error
        else:
            logger.error("mailbox failed", extra={"actor": live.actor}, exc_info=error)
            typed = error if isinstance(error, TalkError) else BackendUnavailable(type(error).__name__)
        refuse(live, batch, typed)
        await self._read_again(live)

    async def _read_again(self, live: Live) -> None:
        """As it is stored. While nobody can say that, its call and shared page go on; who asks is refused."""
        seq = 0 if live.state is None else live.state.seq
        pause_s = AWAY_S
        while not live.stopped:
            try:
                if await self._log.reached(REACHED_S):
                    return await self._reclaim(live, seq)
                refuse(live, live.queued(), BackendUnavailable("log", "away", retry_after_ms=500))
            except BackendError as error:
                refuse(live, live.queued(), error)
                pause_s = min(2 * pause_s, AWAY_MOST_S)
            except Exception as lost:
                logger.warning("dropped", extra={"actor": live.actor, "reason": type(lost).__name__})
                return self.drop(live)
            await asyncio.sleep(pause_s)

    async def _reclaim(self, live: Live, seq: int) -> None:
        """seq: of the last event that is known to be stored."""
        doubts = self._doubts
        live.ownership = None  # nobody else judges it now
        async with self._adopting:
            owned = await self._bus.claim(live.actor)
            if owned.node == self._bus.node_id and not live.stopped:
                await read(self._log, live)
        if live.stopped:
            return
        live.ownership = owned
        if owned.node != self._bus.node_id:
            return self.drop(live)
        live.doubted = live.doubted and doubts != self._doubts
        if live.unheard:
            return self._load_anew(live)
        if live.state is not None and self.runner is not None:
            self.runner.resume(live, live.machine.outstanding(live.state))
            if live.state.seq > seq:  # it was stored, only its answer was lost
                self.runner.missed(live)

    # --- small things -------------------------------------------------------------------------

    async def _put(self, live: Live, mail: Mail) -> Any:
        if live.stopped or not self._bus.holds:
            raise OwnershipLost(live.actor, retry_after_ms=500)
        try:
            live.inbox.put_nowait(mail)
        except asyncio.QueueFull:
            raise Overloaded(live.actor, retry_after_ms=1_000) from None
        return await mail.future

    async def _tell(self, actor: ActorId, event: AnyEvent) -> None:
        try:
            await self.post(actor, event)
        except PeerError as error:
            logger.debug("told event refused", extra={"actor": actor, "code": error.wire_code})
        except TalkError as error:
            logger.warning("told event lost", extra={"actor": actor, "code": error.wire_code})
            if event.said_once and (live := self.live.get(actor)) is not None:
                live.unheard = True

    def _timer_fired(self, actor: ActorId, event: AnyEvent) -> None:
        self.tell(actor, event)

    def _future(self) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().create_future()

    def _ignored(self) -> asyncio.Future[Any]:
        future = self._future()
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        return future
