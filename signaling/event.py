"""What every event of the machines has: time, and for counted commands who, where and which.

Source: docs/architecture.md, section "log".
"""

from __future__ import annotations

from typing import ClassVar, Literal, NewType

from msgspec import Struct

from signaling.protocol import DeviceId, ParticipantId

Sealed = NewType("Sealed", bytes)
Wants = Literal["chat", "voice", "video"]


class Event(Struct, frozen=True, tag_field="t", kw_only=True, omit_defaults=True):
    """Base. at_ms: server epoch time when the shell took it in. durable: appended before effects.

    said_once: nobody says it again, nor does it come out of what is stored: where it is lost, the actor is
    loaded anew.
    """

    durable: ClassVar[bool] = True
    said_once: ClassVar[bool] = False
    at_ms: int


class CommandEvent(Event, frozen=True):
    """An event that answers a counted command: remembered per device, retried safely.

    body_hash: keyed hash of the command's body, so that same counter + other body is a conflict.
    """

    by: ParticipantId
    device: DeviceId
    counter: int
    body_hash: bytes


class Ephemeral(Event, frozen=True):
    """Never appended; state must come out unchanged."""

    durable: ClassVar[bool] = False
