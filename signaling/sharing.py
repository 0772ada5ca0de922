"""Events of the shared page.

Asked, allowed, paused, ended; what else was granted; who looks; codes for the phone.

Each yes of the visitor is a record with the hash of the words shown, what it allows and until when: the
receipt. Source: docs/protocol.md, "the shared page".
"""

from __future__ import annotations

from typing import ClassVar

from signaling.event import CommandEvent, Event
from signaling.protocol import Capability, Consent, ControlKind, ParticipantId, RoleName, SiteId


class CobrowseRequested(CommandEvent, tag="cobrowse_requested", frozen=True):
    """An agent asks to see the page."""


class CobrowseStarted(CommandEvent, tag="cobrowse_started", frozen=True):
    """The visitor shows its pages. consent: capability `view`. origin: where it was given, "" if unknown."""

    consent: Consent
    origin: str = ""


class CobrowseDeclined(CommandEvent, tag="cobrowse_declined", frozen=True):
    """The visitor says no to what was asked, or the agent takes it back."""

    capability: Capability = "view"


class CobrowsePaused(CommandEvent, tag="cobrowse_paused", frozen=True):
    pass


class CobrowseResumed(CommandEvent, tag="cobrowse_resumed", frozen=True):
    pass


class CobrowseStopped(CommandEvent, tag="cobrowse_stopped", frozen=True):
    pass


class CapabilityAsked(CommandEvent, tag="capability_asked", frozen=True):
    capability: Capability
    kinds: tuple[ControlKind, ...] = ()


class CapabilityGranted(CommandEvent, tag="capability_granted", frozen=True):
    """grant: its id, minted by the shell.

    origin: where control holds. expires_ms: server epoch, 0: while shared.
    """

    grant: str
    consent: Consent
    kinds: tuple[ControlKind, ...] = ()
    origin: str = ""
    expires_ms: int = 0


class CapabilityRevoked(CommandEvent, tag="capability_revoked", frozen=True):
    capability: Capability


class ViewerJoined(Event, tag="viewer_joined", frozen=True):
    """The first window of the participant that shows the page."""

    said_once: ClassVar[bool] = True

    participant: ParticipantId


class ViewerLeft(Event, tag="viewer_left", frozen=True):
    said_once: ClassVar[bool] = True

    participant: ParticipantId


class SecretsMasked(Event, tag="secrets_masked", frozen=True):
    """count: how many literals the server had to replace since the last such record."""

    count: int


class CodeIssued(CommandEvent, tag="code_issued", frozen=True):
    """The visitor shows its page to whoever tells this code. consent, origin: as of CobrowseStarted."""

    code: str
    expires_ms: int
    consent: Consent
    origin: str = ""


class CodeUsed(CommandEvent, tag="code_used", frozen=True):
    """An agent typed the code: it has the engagement from now on."""

    site: SiteId
    code: str
    role: RoleName


SharingEvent = (
    CobrowseRequested
    | CobrowseStarted
    | CobrowseDeclined
    | CobrowsePaused
    | CobrowseResumed
    | CobrowseStopped
    | CapabilityAsked
    | CapabilityGranted
    | CapabilityRevoked
    | ViewerJoined
    | ViewerLeft
    | SecretsMasked
    | CodeIssued
    | CodeUsed
)
