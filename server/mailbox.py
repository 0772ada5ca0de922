"""What lies in a mailbox and what comes of it: mail, a turn, the live actor, and one event folded.

The parts of `hub.py` that wait for nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from server.backend import Ownership
from server.machines import Machine
from signaling.effects import AnyEffect
from signaling.errors import NotFound, OwnershipLost, PeerError, TalkError
from signaling.events import AnyEvent, Opened, SiteOpened
from signaling.protocol import ActorId, PathOffer

MAX_INBOX = 2_000


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
        self.stopped = False


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
