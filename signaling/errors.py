"""Every fault Talk Now can name, with its stable wire code and whether a retry can help.

    TalkError
    |- PeerError     the sender did wrong; it alone is answered, the engagement lives on
    |  |- Malformed(code)        row 1-16 of the bad-input table: bytes, JSON, numbers, fields
    |  |- NotPermitted           the role may not do this (`forbidden`)
    |  |- NotFound               unknown id, or of another site: same answer (`not_found`)
    |  |- InvalidTransition      not in this state (`invalid_state`)
    |  |- EngagementClosed       after the engagement ended (`engagement_closed`)
    |  |- IdempotencyConflict    same counter, other body (`idempotency_conflict`)
    |  |- AlreadyAssigned        the offer was taken (`already_assigned`)
    |  |- ControlHeld            another tab holds the call (`control_held`)
    |  |- StaleRevision          an answer to an older offer (`stale_revision`)
    |  |- InvalidDescription     SDP that breaks the grammar (`invalid_sdp`)
    |  |- InvalidCursor          (`invalid_cursor`)
    |  |- Unauthenticated        (`unauthenticated`), InvalidToken, TokenReplayed
    |  `- LimitExceeded(code)    rate and size limits (`rate_limited`, `text_too_long`, ...)
    |- BackendError  we cannot persist or route (retryable): SeqConflict, StaleEpoch,
    |                OwnershipLost, BackendUnavailable, Overloaded
    `- MediaError    a leg's fault; the engagement falls back to chat: NegotiationFailed, LegLost

Messages to peers are `public` only; the values seen stay in the exception for our own eyes.
Source: reliability rows in docs/protocol.md, section "errors".
"""

from __future__ import annotations

from typing import ClassVar


class TalkError(Exception):
    """Base of all named faults. `code` is stable on the wire; `public` is safe to show a peer."""

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False
    public: ClassVar[str] = "Something went wrong on our side."

    def __init__(self, *seen: object, code: str | None = None, retry_after_ms: int = 0) -> None:
        super().__init__(*seen)
        self.wire_code = code or self.code
        self.retry_after_ms = retry_after_ms


class PeerError(TalkError):
    code = "bad_request"
    public = "The request could not be used."


class Malformed(PeerError):
    """`Malformed(code="too_deep")`: the code says which rule of the decoder was broken."""

    code = "malformed_event"
    public = "The message could not be read."


class NotPermitted(PeerError):
    code = "forbidden"
    public = "This role may not do that."


class NotFound(PeerError):
    code = "not_found"
    public = "There is no such thing here."


class InvalidTransition(PeerError):
    code = "invalid_state"
    public = "That is not possible now."


class EngagementClosed(PeerError):
    code = "engagement_closed"
    public = "This engagement has ended."


class IdempotencyConflict(PeerError):
    code = "idempotency_conflict"
    public = "This counter was used for something else."


class AlreadyAssigned(PeerError):
    code = "already_assigned"
    public = "Somebody else has taken this offer, or it ran out."


class ControlHeld(PeerError):
    code = "control_held"
    public = "Another tab holds the call."


class StaleRevision(PeerError):
    code = "stale_revision"
    public = "This answers an older offer."


class InvalidDescription(PeerError):
    code = "invalid_sdp"
    public = "The session description is not one we accept."


class InvalidCursor(PeerError):
    code = "invalid_cursor"
    public = "That position does not exist."


class Unauthenticated(PeerError):
    code = "unauthenticated"
    public = "Sign in first."


class InvalidToken(PeerError):
    code = "invalid_token"
    public = "The identity token was not accepted."


class TokenReplayed(PeerError):
    code = "token_replayed"
    public = "This identity token was already used in another browser."


class LimitExceeded(PeerError):
    code = "rate_limited"
    public = "A limit was reached."


class BackendError(TalkError):
    code = "unavailable"
    retryable = True
    public = "The service cannot store this now; try again."


class SeqConflict(BackendError):
    """The log has other records after `after_seq`: somebody else wrote."""


class StaleEpoch(BackendError):
    """The actor's ownership is of a later epoch: we are no longer the owner."""


class OwnershipLost(BackendError):
    """The node's lease ran out; all effects stop."""


class BackendUnavailable(BackendError):
    """Disk, database or bus refused or timed out."""


class Overloaded(BackendError):
    code = "overloaded"
    public = "Too busy just now; try again shortly."


class MediaError(TalkError):
    code = "media_failed"
    public = "The call could not be set up; the chat goes on."


class NegotiationFailed(MediaError):
    code = "negotiation_failed"


class LegLost(MediaError):
    code = "leg_lost"
