"""Who hears and sees whom, and who may do what: pure tables, default deny.

A role says to whom it speaks (TALKS_TO) and from whom it receives; routes follow from legs and
roles alone, so hold, monitor, whisper and barge are rows of a table, not code paths.
Source: docs/architecture.md, "calls".
"""

from __future__ import annotations

from collections.abc import Mapping

from signaling.effects import HOLD_MUSIC, Route
from signaling.protocol import LegId, ParticipantId, RoleName
from signaling.state import Call, Leg, Participant

# role that speaks -> roles that receive it while the call is connected
TALKS_TO: dict[RoleName, frozenset[RoleName]] = {
    "visitor": frozenset({"visitor", "agent", "supervisor"}),
    "agent": frozenset({"visitor", "agent", "supervisor"}),
    "supervisor": frozenset({"visitor", "agent", "supervisor"}),
}

# roles that hear music instead while the call waits or is on hold
HEARS_MUSIC: dict[Call, frozenset[RoleName]] = {
    Call.REQUESTED: frozenset({"visitor"}),
    Call.ON_HOLD: frozenset({"visitor"}),
}


def routes(
    call: Call, legs: Mapping[LegId, Leg], participants: Mapping[ParticipantId, Participant]
) -> tuple[Route, ...]:
    """The whole route table of a call: sorted, without duplicates; a leg never receives itself."""
    table: set[Route] = set()
    roles = {leg.id: participants[leg.participant].role for leg in legs.values()}
    for leg_id, role in roles.items():
        if role in HEARS_MUSIC.get(call, frozenset()):
            table.add(Route(HOLD_MUSIC, leg_id, "audio"))
    if call in (Call.NEGOTIATING, Call.CONNECTED):
        for source in legs.values():
            for sink in legs.values():
                if source.id == sink.id or roles[sink.id] not in TALKS_TO[roles[source.id]]:
                    continue
                if not source.muted:
                    table.add(Route(source.id, sink.id, "audio"))
                if source.video:
                    table.add(Route(source.id, sink.id, "video"))
    return tuple(sorted(table))
