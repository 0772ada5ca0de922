"""Whether a page may be looked at now, and what else was granted: read at receive and again at every send.

The engagement's state machine decides; the gate only holds its last word, so that closing it stops frames at
once, before anything is written anywhere. Epochs grow with each closing: an old opening cannot open it
again. Source: docs/architecture.md, "cobrowse"; docs/protocol.md, "consent".
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from signaling.protocol import Capability, ParticipantId, SharedGrant

GateName = Literal["closed", "live", "paused"]


class GateState(Struct, frozen=True):
    epoch: int = 0
    state: GateName = "closed"
    grants: tuple[SharedGrant, ...] = ()
    staff: tuple[ParticipantId, ...] = ()
    origin: str = ""


class Gate:
    """The gate of one engagement."""

    def __init__(self) -> None:
        self._state = GateState()
        self._closed_epoch = -1
        # how often it was said that nothing passes any more
        self.closings = 0

    @property
    def open(self) -> bool:
        """Recorders and viewers may be connected."""
        return self._state.state != "closed"

    @property
    def shows(self) -> bool:
        """A frame may pass."""
        return self._state.state == "live"

    def passes(self, closings: int) -> bool:
        """Whether what was begun after so many closings may still pass: none came since, no pause either."""
        return self.shows and self.closings == closings

    @property
    def state(self) -> GateState:
        return self._state

    def set(self, state: GateState) -> None:
        """Take the engagement's word; one of a closed or older epoch changes nothing."""
        if state.epoch > self._closed_epoch and state.epoch >= self._state.epoch:
            self.closings += self.shows and state.state != "live"
            self._state = state

    def close(self) -> None:
        """At once, whatever was said before."""
        self._closed_epoch = max(self._closed_epoch, self._state.epoch)
        self.closings += 1
        self._state = GateState(self._state.epoch)

    def admits(self, participant: ParticipantId) -> bool:
        """Whether this one may look: it takes part now."""
        return self.open and participant in self._state.staff

    def grant(
        self, capability: Capability, now_ms: int, *, grant_id: str = "", kind: str = ""
    ) -> SharedGrant | None:
        """The grant that allows this now. `grant_id`, `kind` for control."""
        for grant in self._state.grants:
            if grant.capability != capability or (grant_id and grant.id != grant_id):
                continue
            if (not kind or kind in grant.kinds) and (not grant.expires_ms or now_ms < grant.expires_ms):
                return grant
        return None
