"""When the load generator itself did not run: what it hears late then is not the servers' doing.

It shares two cores with three nodes, Redis and PostgreSQL, and starts a node's process after every blow.
"""

from __future__ import annotations

import asyncio
import time

EVERY_S = 0.005
LEAST_S = 0.01


class Pauses:
    """spans: begin and end (monotonic seconds) of every pause of this event loop longer than LEAST_S."""

    def __init__(self) -> None:
        self.spans: list[tuple[float, float]] = []

    async def watch(self) -> None:
        due_s = time.monotonic() + EVERY_S
        while True:
            await asyncio.sleep(EVERY_S)
            now_s = time.monotonic()
            if now_s - due_s > LEAST_S:
                self.spans.append((due_s, now_s))
            due_s = now_s + EVERY_S

    def within(self, begin_s: float, end_s: float) -> float:
        """Seconds of pauses between the two."""
        return sum(max(0.0, min(end_s, until_s) - max(begin_s, since_s)) for since_s, until_s in self.spans)
