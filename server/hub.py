"""Mailboxes: every actor's events one after the other; append, commit, answer, then effects.

One task per live actor. It takes what is queued, folds it (`signaling`), appends the durable events
in one transaction, answers the senders (ack = committed), and only then lets the effects run. If the
append fails nothing has happened: the state is loaded again and the senders get a typed error.
Must not: know what an event means, or wait for anything but the log while it holds the turn.
Source: docs/architecture.md, "log"; README, "One message, four stops".
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

import msgspec
from msgspec import Struct

from server.backend import Bus, Log, Ownership
from server.machines import Machine, machine_of
from server.timers import Clock, Timers
from signaling.effects import AnyEffect
from signaling.errors import BackendError, BackendUnavailable, NotFound, Overloaded, PeerError, TalkError
from signaling.events import (
    AnyEvent,
    Opened,
    PostConfirmed,
    PostedEvent,
    Recovered,
    SiteOpened,
)
from signaling.protocol import ActorId, PathOffer

logger = logging.getLogger(__name__)
T = TypeVar("T")

MAX_INBOX = 2_000
MAX_BATCH = 128
CHECKPOINT_EVERY = 500
IDLE_S = 60.0

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(AnyEvent).decode


class Posted(Struct):
    """The answer to a post: the event's seq and time in the log; offer/ticket filled by media effects."""

    seq: int
    at_ms: int
    offer: PathOffer | None = None
    ticket: PathOffer | None = None


class Mail(Struct):
    """What lies in an inbox: an event, or a look at the state between events."""

    event: AnyEvent | None
    look: Callable[[Live], Any] | None
    future: asyncio.Future[Any]
    wait_effects: bool = False


class Turn(Struct, frozen=True):
    """One committed event with the states around it, as effects and renderers see it."""

    actor: ActorId
    event: AnyEvent
    before: Any
    after: Any
    effects: tuple[AnyEffect, ...]
    answer: Posted
    mail: Mail
    stored: bool = False

    def resolve(self) -> None:
        """Answer the sender; a media effect may have filled `answer` meanwhile."""
        if not self.mail.future.done():
            self.mail.future.set_result(self.answer)

    def fail(self, error: TalkError) -> None:
        if not self.mail.future.done():
            self.mail.future.set_exception(error)


class Runner(Protocol):
    """Executes effects (server/effects.py); must not wait. With `mail.wait_effects` it resolves the turn."""

    def run(self, live: Live, turn: Turn) -> None: ...
    def resume(self, live: Live, effects: Sequence[AnyEffect]) -> None: ...


class Live:
    """An actor in memory: its state, its inbox, and what the shell hangs on it (outlets, drafts)."""

    def __init__(self, actor: ActorId, machine: Machine) -> None:
        self.actor = actor
        self.machine = machine
        self.state: Any = None
        self.ownership: Ownership | None = None
        self.inbox: asyncio.Queue[Mail] = asyncio.Queue(MAX_INBOX)
        self.extras: dict[str, Any] = {}
        self.checkpointed = 0
        self.stopped = False


class Hub:
    """Owner of all mailboxes of this node; their tasks live on the given TaskGroup."""

    def __init__(self, log: Log, bus: Bus, tasks: asyncio.TaskGroup, clock: Clock) -> None:
        self._log = log
        self._bus = bus
        self._tasks = tasks
        self.clock = clock
        self.timers = Timers(clock, self._timer_fired)
        self.live: dict[ActorId, Live] = {}
        self._waking: dict[ActorId, asyncio.Future[Live]] = {}
        self.runner: Runner | None = None
        self.prepare: Callable[[Live], Awaitable[None]] | None = None
        self._draining = False

    # --- for everybody ------------------------------------------------------------------------

    async def post(self, actor: ActorId, event: AnyEvent, *, wait_effects: bool = False) -> Posted:
        """Give an event to an actor; returns after its commit (and media effects, if asked).

        Raises: TalkError of any kind; for BackendError nothing was stored and a retry may help.
        """
        if self._draining:
            raise BackendUnavailable("draining", retry_after_ms=1_000)
        live = await self._wake(actor, event)
        posted: Posted = await self._put(live, Mail(event, None, self._future(), wait_effects))
        return posted

    async def inspect(self, actor: ActorId, look: Callable[[Live], T]) -> T:
        """Run `look` inside the mailbox's order: nothing changes while it runs. Raises: NotFound."""
        live = await self._wake(actor, None)
        result: T = await self._put(live, Mail(None, look, self._future()))
        return result

    def tell(self, actor: ActorId, event: AnyEvent) -> None:
        """Post without waiting; a failed post is logged (and repeated by whoever keeps it).

        Who drains takes nothing more: sockets that end then, and timers that fire, tell nobody.
        """
        if self._draining:
            return
        self._tasks.create_task(self._tell(actor, event), name=f"tell-{actor}")

    async def recover(self, actors: Sequence[ActorId]) -> None:
        """Load actors that were at work when the last process ended, and let their effects run."""
        for actor in actors:
            await self._wake(actor, None)

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

    async def _settled(self, actor: ActorId) -> None:
        """Wait until everything queued at the actor before now is committed."""
        if (live := self.live.get(actor)) is not None:
            with contextlib.suppress(TalkError):
                await self._put(live, Mail(None, lambda _: None, self._future()))

    # --- waking -------------------------------------------------------------------------------

    async def _wake(self, actor: ActorId, event: AnyEvent | None) -> Live:
        """The live actor, loaded from its log first if need be. Raises: NotFound for an unknown one."""
        if (live := self.live.get(actor)) is not None:
            return live
        if (waking := self._waking.get(actor)) is not None:
            return await asyncio.shield(waking)
        waking = self._waking[actor] = self._ignored()
        try:
            live = await self._load(actor, creates=isinstance(event, Opened | SiteOpened))
        except BaseException as error:
            known = isinstance(error, TalkError)
            waking.set_exception(error if known else BackendUnavailable("not loaded", actor))
            raise
        finally:
            del self._waking[actor]
        waking.set_result(live)
        return live

    async def _load(self, actor: ActorId, *, creates: bool) -> Live:
        live = Live(actor, machine_of(actor))
        await self._read(live)
        if live.state is None and not creates:
            raise NotFound(actor)
        live.ownership = await self._bus.claim(actor)
        if self.prepare is not None:
            await self.prepare(live)
        self.live[actor] = live
        if live.state is not None and live.machine.must_recover(live.state):
            recovered = Recovered(at_ms=self.clock.now_ms())
            live.inbox.put_nowait(Mail(recovered, None, self._ignored()))
        self._tasks.create_task(self._mailbox(live), name=f"mailbox-{actor}")
        if live.state is not None and self.runner is not None:
            self.runner.resume(live, live.machine.outstanding(live.state))
        return live

    async def _read(self, live: Live) -> None:
        """Fold the actor's log from its checkpoint (queues) or its beginning (engagements)."""
        loaded = await self._log.load(live.actor)
        live.state = None if loaded.checkpoint is None else live.machine.restore(loaded.checkpoint.state)
        live.checkpointed = 0 if loaded.checkpoint is None else loaded.checkpoint.seq
        live.extras.pop("drafts", None)
        for record in loaded.records:
            event = decode(record)
            before = live.state
            live.state, _ = live.machine.step(live.state, event)
            live.machine.witness(live.extras, before, event, live.state)

    # --- the mailbox --------------------------------------------------------------------------

    async def _mailbox(self, live: Live) -> None:
        while not live.stopped:
            try:
                async with asyncio.timeout(IDLE_S):
                    first = await live.inbox.get()
            except TimeoutError:
                if self._may_sleep(live):
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
                _answer_look(live, mail)
                begin = index + 1
        await self._commit(live, batch[begin:])

    async def _commit(self, live: Live, mails: list[Mail]) -> None:
        state = live.state
        start_seq = 0 if state is None else state.seq
        turns: list[Turn] = []
        records: list[bytes] = []
        for mail in mails:
            event = mail.event
            assert event is not None
            try:
                turn = _fold(live, state, event, mail)
            except PeerError as error:
                self._refused(live, mail, error)
                continue
            state = turn.after
            turns.append(turn)
            if turn.stored:
                records.append(encode(event))
        if records:
            assert live.ownership is not None
            projections = live.machine.projections(state)
            await self._log.append(live.actor, live.ownership.epoch, start_seq, records, projections)
        live.state = state
        for turn in turns:
            self._committed(live, turn)
        await self._maybe_checkpoint(live)

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
        logger.error("mailbox failed", extra={"actor": live.actor}, exc_info=error)
        typed = error if isinstance(error, TalkError) else BackendUnavailable(type(error).__name__)
        for mail in batch:
            if not mail.future.done():
                mail.future.set_exception(typed)
        try:
            live.ownership = await self._bus.claim(live.actor)
            await self._read(live)
            if live.state is not None and self.runner is not None:
                self.runner.resume(live, live.machine.outstanding(live.state))
        except BackendError:
            logger.exception("actor lost until its next event", extra={"actor": live.actor})
            live.stopped = True
            self.live.pop(live.actor, None)

    async def _maybe_checkpoint(self, live: Live) -> None:
        if live.machine.checkpoints and live.state is not None:
            if live.state.seq - live.checkpointed >= CHECKPOINT_EVERY:
                assert live.ownership is not None
                blob = msgspec.msgpack.encode(live.state)
                await self._log.checkpoint(live.actor, live.ownership.epoch, live.state.seq, blob)
                live.checkpointed = live.state.seq

    # --- small things -------------------------------------------------------------------------

    def _may_sleep(self, live: Live) -> bool:
        return (
            live.inbox.empty()
            and not live.extras.get("outlets")
            and live.state is not None
            and not live.machine.must_recover(live.state)
            and not live.machine.outstanding(live.state)
        )

    async def _put(self, live: Live, mail: Mail) -> Any:
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

    def _timer_fired(self, actor: ActorId, event: AnyEvent) -> None:
        self.tell(actor, event)

    def _future(self) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().create_future()

    def _ignored(self) -> asyncio.Future[Any]:
        future = self._future()
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        return future


def _fold(live: Live, state: Any, event: AnyEvent, mail: Mail) -> Turn:
    """One event through the machine. A known retry gets its old ack and changes nothing."""
    actor = live.actor
    if (remembered := live.machine.recall(state, event)) is not None:
        answer = Posted(remembered.seq, remembered.at_ms)
        return Turn(actor, event, state, state, (), answer, mail)
    opened_twice = state is not None and isinstance(event, Opened | SiteOpened)
    if opened_twice or live.machine.is_noop(state, event):
        return Turn(actor, event, state, state, (), Posted(state.seq, event.at_ms), mail)
    after, effects = live.machine.step(state, event)
    answer = Posted(after.seq, event.at_ms)
    return Turn(actor, event, state, after, effects, answer, mail, stored=type(event).durable)


def _answer_look(live: Live, mail: Mail) -> None:
    assert mail.look is not None
    if mail.future.done():
        return
    try:
        if live.state is None:
            raise NotFound(live.actor)
        mail.future.set_result(mail.look(live))
    except PeerError as error:
        mail.future.set_exception(error)
