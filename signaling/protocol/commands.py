"""What a client may ask for: one Struct per command, with the roles that may send it.

The permission row is default deny: a command without roles is refused for everybody.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct

from signaling.protocol.ids import (
    MAX_TEXT_CHARS,
    ControlKind,
    Counter,
    Id,
    LegMode,
    MediaKind,
    Seq,
)
from signaling.protocol.parts import (
    Consent,
    Page,
)


class Command(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    """Base of all commands; `roles` is the default-deny permission row the gateway checks."""

    roles: ClassVar[frozenset[str]] = frozenset()


_BOTH = frozenset({"visitor", "agent", "supervisor"})
_AGENT = frozenset({"agent", "supervisor"})
_VISITOR = frozenset({"visitor"})


class ChatSend(Command, tag="chat.send", frozen=True):
    """Say something, or send an uploaded file. A visitor without an engagement opens one by it."""

    roles: ClassVar[frozenset[str]] = _BOTH
    counter: Counter
    text: str = ""
    engagement: Id | None = None
    file: Id | None = None


class ChatMark(Command, tag="chat.mark", frozen=True):
    """Highest seq of a message this participant received and read; never goes back."""

    roles: ClassVar[frozenset[str]] = _BOTH
    engagement: Id
    delivered: Seq
    read: Seq


class ChatTyping(Command, tag="chat.typing", frozen=True):
    roles: ClassVar[frozenset[str]] = _BOTH
    engagement: Id
    typing: bool


class CallSuggest(Command, tag="call.suggest", frozen=True):
    """Propose voice (agent to visitor), video or a shared screen (either way); the other side decides."""

    roles: ClassVar[frozenset[str]] = _BOTH
    counter: Counter
    engagement: Id
    media: MediaKind


class CallDecline(Command, tag="call.decline", frozen=True):
    """Say no to the other side's suggestion; an agent also by it declines a requested call."""

    roles: ClassVar[frozenset[str]] = _BOTH
    counter: Counter
    engagement: Id


class CallStart(Command, tag="call.start", frozen=True):
    """The visitor's **talk now**. Without an engagement it opens one and waits in the queue."""

    roles: ClassVar[frozenset[str]] = _VISITOR
    counter: Counter
    consent: Consent
    engagement: Id | None = None
    video: bool = False


class CallJoin(Command, tag="call.join", frozen=True):
    """The agent takes part in a call that the visitor started."""

    roles: ClassVar[frozenset[str]] = _AGENT
    counter: Counter
    engagement: Id


class CallRequestChange(Command, tag="call.request_change", frozen=True):
    """What I send from now on: microphone, camera, screen (no renegotiation).

    A visitor's camera and screen need a consent when they go on.
    """

    roles: ClassVar[frozenset[str]] = _BOTH
    counter: Counter
    engagement: Id
    muted: bool
    video: bool
    consent: Consent | None = None
    screen: bool = False


class CallHold(Command, tag="call.hold", frozen=True):
    roles: ClassVar[frozenset[str]] = _AGENT
    counter: Counter
    engagement: Id


class CallUnhold(Command, tag="call.unhold", frozen=True):
    roles: ClassVar[frozenset[str]] = _AGENT
    counter: Counter
    engagement: Id


class CallHangUp(Command, tag="call.hang_up", frozen=True):
    roles: ClassVar[frozenset[str]] = _BOTH
    counter: Counter
    engagement: Id


class CallBringHere(Command, tag="call.bring_here", frozen=True):
    """Move my leg to the tab that says so; the tab that held it lets go."""

    roles: ClassVar[frozenset[str]] = _BOTH
    counter: Counter
    engagement: Id


class CallSetMode(Command, tag="call.set_mode", frozen=True):
    """Whom a participant's leg talks to and hears from now on: `signaling/roles.py`.

    monitor, whisper and barge are a supervisor's own; hold and talk of others are any agent's.
    """

    roles: ClassVar[frozenset[str]] = _AGENT
    counter: Counter
    engagement: Id
    participant: Id
    mode: LegMode


class CallSignalDirect(Command, tag="call.signal_direct", frozen=True):
    """For the other leg of a direct call, unread: a description or a candidate, in JSON as browsers make it.

    Possible while the view's `call.direct` is true. `attempt` numbers the connection it belongs to.
    """

    roles: ClassVar[frozenset[str]] = _BOTH
    engagement: Id
    attempt: Annotated[str, Meta(max_length=64)]
    kind: Literal["offer", "answer", "candidate", "close"]
    body: str = ""


class CallOpenPath(Command, tag="call.open_path", frozen=True):
    """Ask for a fresh path of my leg. The ack carries `offer`. Same as `POST /v1/paths`."""

    roles: ClassVar[frozenset[str]] = _BOTH
    engagement: Id


class CallAnswer(Command, tag="call.answer", frozen=True):
    """My description for a path. The ack carries the next-path `ticket`. Same as the POST."""

    roles: ClassVar[frozenset[str]] = _BOTH
    engagement: Id
    path: Id
    revision: Annotated[int, Meta(ge=0, le=2**31)]
    sdp: str


class CobrowseRequest(Command, tag="cobrowse.request", frozen=True):
    """Ask the visitor to show the page."""

    roles: ClassVar[frozenset[str]] = _AGENT
    counter: Counter
    engagement: Id


class CobrowseStart(Command, tag="cobrowse.start", frozen=True):
    """The visitor shows its pages to the agents of the engagement. consent: capability `view`."""

    roles: ClassVar[frozenset[str]] = _VISITOR
    counter: Counter
    engagement: Id
    consent: Consent


class CobrowseDecline(Command, tag="cobrowse.decline", frozen=True):
    """No to what was asked; an agent takes its own question back by it."""

    roles: ClassVar[frozenset[str]] = _BOTH
    counter: Counter
    engagement: Id
    capability: Literal["view", "point", "control", "record"] = "view"


class CobrowsePause(Command, tag="cobrowse.pause", frozen=True):
    roles: ClassVar[frozenset[str]] = _VISITOR
    counter: Counter
    engagement: Id


class CobrowseResume(Command, tag="cobrowse.resume", frozen=True):
    roles: ClassVar[frozenset[str]] = _VISITOR
    counter: Counter
    engagement: Id


class CobrowseStop(Command, tag="cobrowse.stop", frozen=True):
    roles: ClassVar[frozenset[str]] = _BOTH
    counter: Counter
    engagement: Id


class CobrowseAsk(Command, tag="cobrowse.ask", frozen=True):
    """Ask for more than to look: to point, to control (kinds), to keep the frames."""

    roles: ClassVar[frozenset[str]] = _AGENT
    counter: Counter
    engagement: Id
    capability: Literal["point", "control", "record"]
    kinds: Annotated[list[ControlKind], Meta(max_length=4)] = []


class CobrowseGrant(Command, tag="cobrowse.grant", frozen=True):
    """The visitor's yes to a capability. kinds, origin (the page's own) and ttl_s count for control."""

    roles: ClassVar[frozenset[str]] = _VISITOR
    counter: Counter
    engagement: Id
    consent: Consent
    kinds: Annotated[list[ControlKind], Meta(max_length=4)] = []
    origin: Annotated[str, Meta(max_length=300)] = ""
    ttl_s: Annotated[int, Meta(ge=0, le=86_400)] = 0


class CobrowseRevoke(Command, tag="cobrowse.revoke", frozen=True):
    """Take a grant back (visitor), or give it back (agent)."""

    roles: ClassVar[frozenset[str]] = _BOTH
    counter: Counter
    engagement: Id
    capability: Literal["point", "control", "record"]


class CobrowseOpen(Command, tag="cobrowse.open", frozen=True):
    """What opens my cobrowse socket while the page is shared; the ack carries `cobrowse`."""

    roles: ClassVar[frozenset[str]] = _BOTH
    engagement: Id


class CobrowseCode(Command, tag="cobrowse.code", frozen=True):
    """Show my page to somebody I talk to elsewhere: the view then has a code of six digits to tell them.

    Without an engagement it opens one that waits for the code, not in the queue.
    """

    roles: ClassVar[frozenset[str]] = _VISITOR
    counter: Counter
    consent: Consent
    engagement: Id | None = None


class CobrowseJoinCode(Command, tag="cobrowse.join_code", frozen=True):
    """The agent has the visitor who tells this code; the ack carries its `engagement`."""

    roles: ClassVar[frozenset[str]] = _AGENT
    counter: Counter
    code: Annotated[str, Meta(pattern=r"^[0-9]{6}$")]


class PageVisit(Command, tag="page.visit", frozen=True):
    roles: ClassVar[frozenset[str]] = _VISITOR
    engagement: Id
    page: Page


class SessionCheck(Command, tag="session.check", frozen=True):
    """Are you still there? Answered at once, whatever else waits."""

    roles: ClassVar[frozenset[str]] = _BOTH


class PageLeave(Command, tag="page.leave", frozen=True):
    """Sent in `pagehide`: what follows is a page change, not a hang-up."""

    roles: ClassVar[frozenset[str]] = _BOTH
    engagement: Id


class EngagementInvite(Command, tag="engagement.invite", frozen=True):
    """Ask a colleague (by login) into the engagement: to consult with me alone, or to talk with all."""

    roles: ClassVar[frozenset[str]] = _AGENT
    counter: Counter
    engagement: Id
    login: Annotated[str, Meta(min_length=1, max_length=120)]
    mode: Literal["talk", "consult"] = "talk"


class EngagementJoin(Command, tag="engagement.join", frozen=True):
    """Come in: who was invited as it was invited; a supervisor also uninvited, to monitor by default."""

    roles: ClassVar[frozenset[str]] = _AGENT
    counter: Counter
    engagement: Id
    mode: LegMode | None = None


class EngagementLeave(Command, tag="engagement.leave", frozen=True):
    """The visitor ends the engagement; a colleague leaves it to the others."""

    roles: ClassVar[frozenset[str]] = _BOTH
    counter: Counter
    engagement: Id


class EngagementEnd(Command, tag="engagement.end", frozen=True):
    """The agent ends the engagement and goes to wrap-up."""

    roles: ClassVar[frozenset[str]] = _AGENT
    counter: Counter
    engagement: Id


class EngagementWrapUp(Command, tag="engagement.wrap_up", frozen=True):
    """After-work is done: outcome code and note; the engagement is ended, capacity is free."""

    roles: ClassVar[frozenset[str]] = _AGENT
    counter: Counter
    engagement: Id
    code: Annotated[str, Meta(max_length=40)] = ""
    note: Annotated[str, Meta(max_length=MAX_TEXT_CHARS)] = ""


class EngagementSync(Command, tag="engagement.sync", frozen=True):
    """Give me what I missed: the ack's `snapshot` has all items after `after_seq`."""

    roles: ClassVar[frozenset[str]] = _BOTH
    engagement: Id
    after_seq: Annotated[int, Meta(ge=-(2**53), le=2**53)] = 0


class AgentSetAvailability(Command, tag="agent.set_availability", frozen=True):
    roles: ClassVar[frozenset[str]] = _AGENT
    availability: Literal["ready", "busy", "break"]


class OfferAccept(Command, tag="offer.accept", frozen=True):
    roles: ClassVar[frozenset[str]] = _AGENT
    engagement: Id
    offer: Id


class OfferDecline(Command, tag="offer.decline", frozen=True):
    roles: ClassVar[frozenset[str]] = _AGENT
    engagement: Id
    offer: Id


AnyCommand = (
    SessionCheck
    | ChatSend
    | ChatMark
    | ChatTyping
    | CallSuggest
    | CallDecline
    | CallStart
    | CallJoin
    | CallRequestChange
    | CallHold
    | CallUnhold
    | CallHangUp
    | CallBringHere
    | CallSetMode
    | CallSignalDirect
    | CallOpenPath
    | CallAnswer
    | CobrowseRequest
    | CobrowseStart
    | CobrowseDecline
    | CobrowsePause
    | CobrowseResume
    | CobrowseStop
    | CobrowseAsk
    | CobrowseGrant
    | CobrowseRevoke
    | CobrowseOpen
    | CobrowseCode
    | CobrowseJoinCode
    | PageVisit
    | PageLeave
    | EngagementInvite
    | EngagementJoin
    | EngagementLeave
    | EngagementEnd
    | EngagementWrapUp
    | EngagementSync
    | AgentSetAvailability
    | OfferAccept
    | OfferDecline
)
