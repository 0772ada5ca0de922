"""Which connections a participant has, and which engagement each of them follows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from server.sessions import Outlet
from signaling.protocol import DeviceId, ParticipantId, ServerEvent


class Outlets:
    """All connections of this node by participant."""

    def __init__(self) -> None:
        self._by_participant: dict[ParticipantId, list[Outlet]] = defaultdict(list)

    def add(self, outlet: Outlet) -> bool:
        """True when it is the participant's first."""
        outlets = self._by_participant[outlet.session.participant]
        outlets.append(outlet)
        return len(outlets) == 1

    def remove(self, outlet: Outlet) -> bool:
        """True when it was the participant's last."""
        outlets = self._by_participant.get(outlet.session.participant, [])
        if outlet in outlets:
            outlets.remove(outlet)
        if not outlets:
            self._by_participant.pop(outlet.session.participant, None)
        return not outlets

    def of(self, participant: ParticipantId) -> list[Outlet]:
        return list(self._by_participant.get(participant, ()))

    def everybody(self) -> list[Outlet]:
        return [outlet for outlets in self._by_participant.values() for outlet in outlets]

    def is_online(self, participant: ParticipantId) -> bool:
        return participant in self._by_participant

    def send(self, participant: ParticipantId, event: ServerEvent, device: DeviceId | None = None) -> bool:
        """To all connections of the participant, or those of one device. True when there was one."""
        return send(self.of(participant), event, device)


def send(outlets: Iterable[Outlet], event: ServerEvent, device: DeviceId | None = None) -> bool:
    found = False
    for outlet in outlets:
        if device is None or outlet.session.device == device:
            outlet.send(event)
            found = True
    return found
