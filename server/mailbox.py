"""What lies in a mailbox and what comes of it: mail, a turn, the live actor as it is read, one event folded.

The parts of `hub.py` that need no other actor, and no other node.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from server.backend import Log, Ownership
from server.machines import Machine
from signaling.effects import AnyEffect
from signaling.errors import NotFound, OwnershipLost, PeerError, TalkError
from signaling.events import AnyEvent, Opened, SiteOpened
from signaling.protocol import ActorId, PathOffer

MAX_INBOX = 2_000
CHECKPOINT_EVERY = 500
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
        self.doubted = False  # the lease was away: another node may have gone on
        self.unheard = False  # something that nobody says again could not be stored
        self.stopped = False

    def queued(self) -> Iterator[Mail]:
        """What lies in the inbox, taken out."""
        while not self.inbox.empty():
            yield self.inbox.get_nowait()


class Runner(Protocol):
    """Executes effects (server/effects.py); must not wait. With `mail.wait_effects` it resolves the turn."""

    def run(self, live: Live, turn: Turn) -> None: ...
    def resume(self, live: Live, effects: Sequence[AnyEffect]) -> None: ...
    def dropped(self, live: Live) -> None: ...
    def missed(self, live: Live) -> None: ...


async def read(log: Log, live: Live) -> None:
    """Fold the actor's log from its checkpoint (queues) or its beginning (engagements)."""
    loaded = await log.load(live.actor)
    live.state = None if loaded.checkpoint is None else live.machine.restore(loaded.checkpoint.state)
    live.checkpointed = 0 if loaded.checkpoint is None else loaded.checkpoint.seq
    live.extras.pop("drafts", None)
    _fold_records(live, loaded.records)


async def read_on(log: Log, live: Live) -> None:
    """What was appended since `read`."""
    loaded = None if live.state is None else await log.load(live.actor, live.state.seq)
    if loaded is None or loaded.checkpoint is not None:
        await read(log, live)
    else:
        _fold_records(live, loaded.records)


async def checkpoint(log: Log, live: Live) -> None:
    """Where the machine has checkpoints, every so many events."""
    if live.machine.checkpoints and live.state is not None:
        if live.state.seq - live.checkpointed >= CHECKPOINT_EVERY:
            assert live.ownership is not None
            blob = msgspec.msgpack.encode(live.state)
            await log.checkpoint(live.actor, live.ownership.epoch, live.state.seq, blob)
            live.checkpointed = live.state.seq


def _fold_records(live: Live, records: Sequence[bytes]) -> None:
    for record in records:
        event = decode(record)
        before = live.state
        live.state, _ = live.machine.step(live.state, event)
        live.machine.witness(live.extras, before, event, live.state)


def fold(live: Live, state: Any, event: AnyEvent, mail: Mail) -> Turn:
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


def may_sleep(live: Live) -> bool:
    """Nobody follows it, and nothing is to come of it by itself."""
    return (
        live.inbox.empty()
        and not live.extras.get("outlets")
        and live.state is not None
        and not live.machine.must_recover(live.state)
        and not live.machine.outstanding(live.state)
    )


def refuse(live: Live, mails: Iterable[Mail], error: TalkError) -> None:
    """Their senders know that it was not done; where nobody will say it again, the actor does."""
    for mail in mails:
        live.unheard |= mail.event is not None and mail.event.said_once
        if not mail.future.done():
            mail.future.set_exception(error)


def ask_again(live: Live, mails: Sequence[Mail]) -> None:
    """What the state says may be old: whoever asked is told nothing but that."""
    for mail in mails:
        if not mail.future.done():
            mail.future.set_exception(OwnershipLost(live.actor, retry_after_ms=500))


def answer_look(live: Live, mail: Mail) -> None:
    assert mail.look is not None
    if mail.future.done():
        return
    try:
        if live.state is None:
            raise NotFound(live.actor)
        mail.future.set_result(mail.look(live))
    except PeerError as error:
        mail.future.set_exception(error)
