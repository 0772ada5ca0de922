"""What somebody did and met, kept for a while: told when a wait was long, so that its reason is known."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from msgspec import Struct

SLOW_S = 3.0
BEFORE_S = 2.0
MOST = 800  # characters of a story
KEPT = 60


class Story:
    """The last KEPT notes, each with when it was made (monotonic seconds)."""

    def __init__(self) -> None:
        self._notes: deque[tuple[float, str]] = deque(maxlen=KEPT)

    def note(self, text: str) -> None:
        """Not what was noted just before."""
        if not self._notes or self._notes[-1][1] != text:
            self._notes.append((time.monotonic(), text))

    def between(self, since_s: float, until_s: float) -> list[tuple[float, str]]:
        return [note for note in self._notes if since_s <= note[0] <= until_s]


def clock(at_s: float) -> str:
    """Monotonic seconds as the time of day (UTC) that the nodes' logs have."""
    return f"{datetime.fromtimestamp(time.time() - time.monotonic() + at_s, UTC):%H:%M:%S.%f}"


class Slow(Struct, frozen=True):
    """A wait (monotonic seconds): of what, and what who took part in it met."""

    of: str
    since_s: float
    until_s: float
    notes: list[tuple[float, str]]

    def told(self, also: Iterable[tuple[float, str]]) -> str:
        """In words, with what was `also` noted: each with the seconds since it began.

        Begins with the time of day, as the nodes' logs have it.
        """
        around = [note for note in also if self.since_s - BEFORE_S < note[0] < self.until_s]
        notes = [f"{at_s - self.since_s:+.2f} {text}" for at_s, text in sorted(self.notes + around)]
        return (
            f"{self.of}, {self.until_s - self.since_s:.2f} s from {clock(self.since_s)}: {'; '.join(notes)}"
        )


def slow(of: str, stories: Mapping[str, Story], since_s: float, until_s: float) -> Slow:
    notes = [
        (at_s, f"{whose} {text}")
        for whose, story in stories.items()
        for at_s, text in story.between(since_s, until_s)
    ]
    return Slow(of, since_s, until_s, notes)
