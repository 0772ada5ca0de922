"""From a command to the event it means: checks of content, sealing, ids minted. Decides nothing else.

A visitor's first durable command opens an engagement. Its id is an HMAC of site, visitor, device and
counter, so the retry of an un-acked first command finds the engagement it has already opened.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
import unicodedata
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from media.sdp import check_direct
from server.sealing import Box, Content
from server.sessions import Session
from signaling import events as ev
from signaling import protocol as p
from signaling import sharing as sh
from signaling.errors import InvalidDescription, LimitExceeded, Malformed

MAX_CANDIDATE_CHARS = 1_024
_INVISIBLE = re.compile(r"[\s\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff\u00ad]+")
_BIDI = re.compile(r"[\u202a-\u202e\u2066-\u2069]")


class Files(Protocol):
    """Uploads (server/records/files.py). info raises NotFound unless the session uploaded the file."""

    async def info(self, file: p.FileId, session: Session) -> p.FileInfo: ...
    async def share(self, file: p.FileId, engagement: p.EngagementId) -> None: ...


def engagement_id(secret: bytes, session: Session, counter: int) -> p.EngagementId:
    """The id of the engagement that this very command opens; the same for every retry of it."""
    text = f"{session.site}|{session.participant}|{session.device}|{counter}"
    digest = hmac.digest(secret, text.encode(), "sha256")[:16]
    return p.EngagementId("e_" + base64.urlsafe_b64encode(digest).decode().rstrip("="))


def mint(prefix: str) -> str:
    return f"{prefix}_{secrets.token_urlsafe(16)}"


def clean_text(text: str, *, may_be_empty: bool) -> str:
    """NFC, no direction overrides. Raises: Malformed text_empty, LimitExceeded text_too_long."""
    if len(text) > p.MAX_TEXT_CHARS:
        raise LimitExceeded(len(text), code="text_too_long")
    cleaned = _BIDI.sub("", unicodedata.normalize("NFC", text))
    if not may_be_empty and not _INVISIBLE.sub("", cleaned):
        raise Malformed(code="text_empty")
    return cleaned


class Translator:
    """Makes events of commands for one session and one engagement."""

    def __init__(self, session: Session, box: Box, at_ms: int) -> None:
        self._session = session
        self._box = box
        self._at_ms = at_ms

    def event(self, command: p.Command, file: p.FileInfo | None = None) -> Any:
        """Raises: Malformed, LimitExceeded for content that breaks a rule."""
        if isinstance(command, p.ChatSend):
            text = clean_text(command.text, may_be_empty=file is not None)
            return self._counted(command, ev.MessageSent, content=self._box.seal(Content(text, file)))
        return _MAKERS[type(command)](self, command)

    def _counted(self, command: Any, kind: Callable[..., Any], /, **fields: Any) -> Any:
        body = msgspec.msgpack.encode(command)
        return kind(
            at_ms=self._at_ms,
            by=self._session.participant,
            device=self._session.device,
            counter=command.counter,
            body_hash=self._box.digest(type(command).__name__.encode() + body),
            **fields,
        )

    @property
    def origin(self) -> str:
        """Of the page that says it."""
        return self._session.origin

    def _plain(self, kind: Callable[..., Any], /, **fields: Any) -> Any:
        return kind(at_ms=self._at_ms, by=self._session.participant, **fields)

    def _answer(self, c: p.CallAnswer) -> ev.AnswerReceived:
        if len(c.sdp.encode()) > p.MAX_SDP_BYTES:
            raise InvalidDescription("too long")
        answer: ev.AnswerReceived = self._plain(
            ev.AnswerReceived,
            device=self._session.device,
            path=p.PathId(c.path),
            revision=c.revision,
            sdp=c.sdp,
        )
        return answer

    def _direct(self, c: p.CallSignalDirect) -> ev.DirectSignalled:
        if c.kind in ("offer", "answer"):
            check_direct(c.body)
        elif len(c.body) > MAX_CANDIDATE_CHARS:
            raise InvalidDescription("too long")
        signal: ev.DirectSignalled = self._plain(
            ev.DirectSignalled, device=self._session.device, attempt=c.attempt, kind=c.kind, body=c.body
        )
        return signal

    def invitation(self, c: p.EngagementInvite, agent: p.ParticipantId) -> ev.ColleagueInvited:
        """`login` looked up by the caller."""
        event: ev.ColleagueInvited = self._counted(c, ev.ColleagueInvited, agent=agent, mode=c.mode)
        return event

    def code(self, c: p.CobrowseCode, code: str, life_ms: int) -> sh.CodeIssued:
        """`code` chosen by the caller, who knows which are taken."""
        event: sh.CodeIssued = self._counted(
            c,
            sh.CodeIssued,
            code=code,
            expires_ms=self._at_ms + life_ms,
            consent=c.consent,
            origin=self.origin,
        )
        return event

    def _wrap_up(self, c: p.EngagementWrapUp) -> Any:
        note = clean_text(c.note, may_be_empty=True)
        return self._counted(c, ev.WrappedUp, code=c.code, note=self._box.seal(note) if note else None)


_MAKERS: dict[type[p.Command], Callable[[Translator, Any], Any]] = {
    p.ChatMark: lambda t, c: t._plain(ev.Marked, delivered=c.delivered, read=c.read),
    p.ChatTyping: lambda t, c: t._plain(ev.TypingChanged, typing=c.typing),
    p.CallSuggest: lambda t, c: t._counted(c, ev.CallSuggested, media=c.media),
    p.CallDecline: lambda t, c: t._counted(c, ev.CallDeclined),
    p.CallStart: lambda t, c: t._counted(
        c, ev.CallStarted, leg=p.LegId(mint("l")), video=c.video, consent=c.consent
    ),
    p.CallJoin: lambda t, c: t._counted(c, ev.CallJoined, leg=p.LegId(mint("l"))),
    p.CallRequestChange: lambda t, c: t._counted(
        c, ev.CallChanged, muted=c.muted, video=c.video, consent=c.consent, screen=c.screen
    ),
    p.CallHold: lambda t, c: t._counted(c, ev.CallHeld),
    p.CallUnhold: lambda t, c: t._counted(c, ev.CallResumed),
    p.CallHangUp: lambda t, c: t._counted(c, ev.CallHungUp),
    p.CallBringHere: lambda t, c: t._counted(c, ev.CallBroughtHere),
    p.CallSetMode: lambda t, c: t._counted(
        c, ev.LegModeSet, participant=p.ParticipantId(c.participant), mode=c.mode
    ),
    p.CallSignalDirect: lambda t, c: t._direct(c),
    p.EngagementJoin: lambda t, c: t._counted(
        c,
        ev.ColleagueJoined,
        site=t._session.site,
        role=t._session.role,
        leg=p.LegId(mint("l")),
        mode=c.mode,
    ),
    p.CallOpenPath: lambda t, c: t._plain(ev.PathRequested, device=t._session.device),
    p.CallAnswer: lambda t, c: t._answer(c),
    p.CobrowseRequest: lambda t, c: t._counted(c, sh.CobrowseRequested),
    p.CobrowseStart: lambda t, c: t._counted(c, sh.CobrowseStarted, consent=c.consent, origin=t.origin),
    p.CobrowseDecline: lambda t, c: t._counted(c, sh.CobrowseDeclined, capability=c.capability),
    p.CobrowsePause: lambda t, c: t._counted(c, sh.CobrowsePaused),
    p.CobrowseResume: lambda t, c: t._counted(c, sh.CobrowseResumed),
    p.CobrowseStop: lambda t, c: t._counted(c, sh.CobrowseStopped),
    p.CobrowseAsk: lambda t, c: t._counted(
        c, sh.CapabilityAsked, capability=c.capability, kinds=tuple(c.kinds)
    ),
    p.CobrowseGrant: lambda t, c: t._counted(
        c,
        sh.CapabilityGranted,
        grant=mint("g"),
        consent=c.consent,
        kinds=tuple(dict.fromkeys(c.kinds)),
        origin=c.origin,
        expires_ms=t._at_ms + c.ttl_s * 1_000 if c.ttl_s else 0,
    ),
    p.CobrowseRevoke: lambda t, c: t._counted(c, sh.CapabilityRevoked, capability=c.capability),
    p.CobrowseJoinCode: lambda t, c: t._counted(
        c, sh.CodeUsed, site=t._session.site, code=c.code, role=t._session.role
    ),
    p.PageVisit: lambda t, c: t._plain(ev.PageVisited, page=t._box.seal(c.page)),
    p.PageLeave: lambda t, c: t._plain(ev.ParticipantAway, reason="changing_page"),
    p.EngagementLeave: lambda t, c: t._counted(
        c, ev.VisitorLeft if t._session.role == "visitor" else ev.ColleagueLeft
    ),
    p.EngagementEnd: lambda t, c: t._counted(c, ev.AgentEnded),
    p.EngagementWrapUp: lambda t, c: t._wrap_up(c),
}
