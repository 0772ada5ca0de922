"""Who hears and sees whom, and who may do what: pure tables, default deny.

A leg's mode and side say who receives it (AUDIENCE); routes follow from legs and tables alone, so hold,
consult, conference, monitor, whisper and barge are rows, not code paths. Where a source arrives at a sink
follows from their seats, which stay, so a change touches nobody's description.
Source: docs/architecture.md, "calls".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from signaling.effects import HOLD_MUSIC, Route
from signaling.protocol import LegId, LegMode, ParticipantId, RoleName
from signaling.state import Call, Leg, Participant

Side = Literal["visitor", "staff"]
Listener = tuple[Side, LegMode]

_LISTENING: frozenset[LegMode] = frozenset({"talk", "monitor", "whisper", "barge"})
_STAFF: frozenset[Listener] = frozenset({("staff", mode) for mode in _LISTENING})
_ALL: frozenset[Listener] = _STAFF | {("visitor", "talk")}

# mode of who speaks -> (side, mode) of who receives it. A conference is several who talk.
AUDIENCE: dict[LegMode, frozenset[Listener]] = {
    "talk": _ALL,
    "barge": _ALL,
    "whisper": _STAFF,
    "consult": frozenset({("staff", "consult")}),
    "monitor": frozenset(),
    "hold": frozenset(),
}

# who hears music instead of anybody
HEARS_MUSIC: frozenset[LegMode] = frozenset({"hold"})

# modes that the visitor does not learn of
SILENT: frozenset[LegMode] = frozenset({"monitor", "whisper"})

# modes that only a supervisor may take, and only for itself
SUPERVISORS: frozenset[LegMode] = frozenset({"monitor", "whisper", "barge"})

# while the call waits or is on hold, the visitor is on hold whatever its mode
_WAITING = frozenset({Call.REQUESTED, Call.ON_HOLD})


def side(role: RoleName) -> Side:
    return "visitor" if role == "visitor" else "staff"


def routes(
    call: Call, legs: Mapping[LegId, Leg], participants: Mapping[ParticipantId, Participant]
) -> tuple[Route, ...]:
    """The whole route table of a call: sorted, without duplicates; a leg never receives itself."""
    if call is Call.NONE:
        return ()
    listeners = {leg.id: _listener(call, leg, participants[leg.participant].role) for leg in legs.values()}
    table: set[Route] = set()
    for sink in legs.values():
        if listeners[sink.id][1] in HEARS_MUSIC:
            table.add(Route(HOLD_MUSIC, sink.id, "audio"))
        sources = [
            source
            for source in legs.values()
            if source.id != sink.id and listeners[sink.id] in AUDIENCE[listeners[source.id][1]]
        ]
        table |= _to(sink, sources)
    return tuple(sorted(table))


def _to(sink: Leg, sources: list[Leg]) -> set[Route]:
    """What a sink receives: voices and cameras by seat, and the screen that was shared last."""
    found: set[Route] = set()
    for source in sources:
        slot = slot_of(sink.seat, source.seat)
        if not source.muted:
            found.add(Route(source.id, sink.id, "audio", slot))
        if source.video:
            found.add(Route(source.id, sink.id, "video", slot))
    shared = max(sources, key=lambda source: source.screen, default=None)
    if shared is not None and shared.screen:
        found.add(Route(shared.id, sink.id, "screen"))
    return found


def slot_of(mine: int, theirs: int) -> int:
    """In which of my places a leg with seat `theirs` arrives: my own seat needs none."""
    return theirs if theirs < mine else theirs - 1


def _listener(call: Call, leg: Leg, role: RoleName) -> Listener:
    on_hold = role == "visitor" and call in _WAITING
    return side(role), "hold" if on_hold else leg.mode
