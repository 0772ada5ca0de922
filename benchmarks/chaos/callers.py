"""Customers and agents in calls while nodes die: what they hear of each other, and how long they do not."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from benchmarks.chaos.people import LONG_S, Desk, taken
from benchmarks.chaos.roaming import FAULTS, Roaming
from benchmarks.chaos.story import SLOW_S, Slow, Story, slow
from benchmarks.media_source import tone_packets
from benchmarks.session_client import CONSENT, Person

GAP_S = 0.03  # packets come every 0.02 s
TAKEN_S = 20.0


class Caller:
    """A customer and an agent in a call.

    gaps: when somebody heard again, and the seconds between two packets; moves: when a new path was opened;
    slow: what happened in the silences that were longer than SLOW_S.
    """

    def __init__(self, customer: Roaming, tones: tuple[list[bytes], list[bytes]]) -> None:
        self.customer = customer
        self._tones = tones
        self.desk: Desk | None = None
        self.engagement = ""
        self.gaps: list[tuple[float, float]] = []
        self.moves: list[float] = []
        self.slow: list[Slow] = []
        self._story = Story()

    @property
    def silences(self) -> list[tuple[float, float]]:
        return [(at_s, seconds) for at_s, seconds in self.gaps if seconds > LONG_S]

    async def begin(self, desks: list[Desk]) -> None:
        """One of them takes it. Raises: TimeoutError when they do not hear each other."""
        await self.customer.come_back()
        customer = self.customer.person
        ack = await customer.durable("call.start", consent=CONSENT)
        self.engagement = str(ack["engagement"])
        async with asyncio.timeout(TAKEN_S):
            self.desk = await taken(self.engagement, desks)
            theirs, ours = customer.leg(self.engagement), self.desk.person.leg(self.engagement)
            theirs.speak(self._tones[0], frozenset(self._tones[1]))
            ours.speak(self._tones[1], frozenset(self._tones[0]))
            await asyncio.gather(theirs.heard.wait(), ours.heard.wait())

    async def work(self) -> None:
        assert self.desk is not None
        async with asyncio.TaskGroup() as tasks:
            for side in (self.customer, self.desk):
                tasks.create_task(self._keep(side))
                tasks.create_task(self._listen(side.person))
            tasks.create_task(self.customer.watch())

    async def _keep(self, side: Roaming) -> None:
        """Come back, and open a new path where the leg awaits one."""
        seen: dict[str, Any] = {}
        while True:
            if side is self.customer and not side.connected:
                await side.come_back()
            if side.ready is not seen and side.ready:
                ready = side.ready
                if await self._while_newest(side, ready):
                    seen = ready
            await asyncio.sleep(0.01)

    async def _while_newest(self, side: Roaming, ready: dict[str, Any]) -> bool:
        """A new path; not when the connection that it was asked for over has ended: all begins anew then."""
        async with asyncio.TaskGroup() as tasks:
            opening = tasks.create_task(self._new_path(side, ready))
            while side.ready is ready and not opening.done():
                await asyncio.wait([opening], timeout=0.01)
            opening.cancel()
        return not opening.cancelled() and opening.result()

    async def _new_path(self, side: Roaming, ready: dict[str, Any]) -> bool:
        """False when it did not come about and is to be tried again."""
        legs = [
            leg
            for shot in ready["engagements"]
            if shot["view"]["id"] == self.engagement and shot["view"]["call"]
            for leg in shot["view"]["call"]["legs"]
        ]
        mine = [leg for leg in legs if leg["participant"] == ready["participant"]]
        if not mine or mine[0]["state"] == "connected":
            return True
        leg = side.person.leg(self.engagement)
        body = {"engagement": self.engagement, "device": side.person.device}
        self.moves.append(time.monotonic())
        who = "customer" if side is self.customer else "agent"
        self._story.note(f"{who} asks for a path at {side.person.base_url}")
        try:
            offer = await side.person.post("/v1/paths", body)
            self._story.note(f"{who} has an offer")
            await leg.take(offer)
        except FAULTS as fault:
            self._story.note(f"{who} has none: {fault!r}")
            await asyncio.sleep(0.1)
            return False
        self._story.note(f"{who} has a path")
        return True

    async def _listen(self, person: Person) -> None:
        leg = person.leg(self.engagement)
        leg.arrivals_ns = []
        last_ns = time.perf_counter_ns()
        while True:
            await asyncio.sleep(0.05)
            arrived, leg.arrivals_ns = leg.arrivals_ns, []
            for at_ns in arrived:
                if at_ns - last_ns > GAP_S * 1e9:
                    self._silent(person, last_ns / 1e9, at_ns / 1e9)
                last_ns = max(last_ns, at_ns)

    def _silent(self, person: Person, since_s: float, until_s: float) -> None:
        self.gaps.append((until_s, until_s - since_s))
        if until_s - since_s > SLOW_S and self.desk is not None:
            who = "customer" if person is self.customer.person else "agent"
            stories = {"customer": self.customer.story, "agent": self.desk.story, "call": self._story}
            self.slow.append(slow(f"{who} of {self.engagement} hears nothing", stories, since_s, until_s))


def tones() -> tuple[list[bytes], list[bytes]]:
    return list(tone_packets(440.0)), list(tone_packets(660.0))
