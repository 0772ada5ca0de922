"""The judge: does what was stored and heard keep the promises made by the acks? Pure, and knows no server.

What each person records is a history in the manner of Jepsen: every message is tried until it is acked; each
try ended `ok`, `fail` (a refusal that says it was not done) or `unknown`. Unknown may have been stored once
or not at all, never twice; what only ever failed is not stored.
"""

from __future__ import annotations

import time
from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

from msgspec import Struct, field

OK, FAIL, UNKNOWN = "ok", "fail", "unknown"


class Try(Struct, frozen=True, array_like=True):
    """began_s, ended_s: monotonic."""

    counter: int
    began_s: float
    ended_s: float
    outcome: str


class Sent(Struct):
    """What a writer invoked in one engagement: counter -> seq of its ack, None while unknown.

    tries: in the order in which they ended.
    """

    device: str
    acks: dict[int, int | None] = field(default_factory=dict)
    tries: list[Try] = field(default_factory=list)

    def tried(self, counter: int, began_s: float, outcome: str) -> None:
        self.tries.append(Try(counter, began_s, time.monotonic(), outcome))


class Stored(Struct, frozen=True, array_like=True):
    """A message as a reader finds it afterwards."""

    seq: int
    device: str
    counter: int
    text: str


class Heard(Struct):
    """What came to one reader of an engagement, connection by connection, in the order it came.

    device: its own, whose messages need not come to it.
    """

    device: str = ""
    connections: list[list[Stored]] = field(default_factory=list)


class Waited(Struct):
    """A visitor as it waited: when it came (the server's clock), and what it was told of its place, and when.

    entered: when it was first told of a place, again after it had an agent. agents: whose it was, each time.
    """

    arrived_ms: int = 0
    told: list[tuple[float, int]] = field(default_factory=list)
    entered: list[float] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)
    waits: bool = False

    def place(self, at_s: float, place: int) -> None:
        if not self.waits:
            self.waits = True
            self.entered.append(at_s)
        self.told.append((at_s, place))

    def served(self, arrived_ms: int, agent: str | None) -> None:
        self.arrived_ms = arrived_ms
        if agent is not None:
            self.waits = False
            self.agents.append(agent)


TELLING_S = 1.0  # within so long all who wait are told of a change
SUMS = ("acked", "unknown", "unanswered", "refused", "deliveries", "places", "frames")
BROKEN = ("lost", "duplicated", "reordered", "missed", "foreign", "displaced", "twice_taken", "torn")


class Verdict(Struct):
    """Sums over everything that was judged. examples: the first few violations in words.

    unanswered, refused: tries that ended unknown, or failed; unknown: messages that were never acked.
    deliveries: messages that somebody was sent or read. missed: on a connection that went on a message did
    not come, though later ones did. displaced: a place in the queue got worse. twice_taken: an engagement had
    two agents. frames: of shared pages that somebody saw; torn: what was seen then was not the page.
    """

    acked: int = 0
    unknown: int = 0
    unanswered: int = 0
    refused: int = 0
    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    missed: int = 0
    foreign: int = 0
    displaced: int = 0
    twice_taken: int = 0
    torn: int = 0
    deliveries: int = 0
    places: int = 0
    frames: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not any(getattr(self, name) for name in BROKEN)

    def add(self, other: Verdict) -> None:
        for name in (*SUMS, *BROKEN):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.examples = (self.examples + other.examples)[:20]

    def found(self, kind: str, count: int, example: str) -> None:
        if count:
            setattr(self, kind, getattr(self, kind) + count)
            self.examples.append(f"{kind}: {example}")


def judge(
    engagement: str, mark: str, sent: Sequence[Sent], readings: list[list[Stored]], heard: Iterable[Heard]
) -> Verdict:
    """One engagement. mark: begins every text that belongs here. readings: the whole, by each reader."""
    verdict = Verdict(deliveries=sum(map(len, readings)))
    stored = readings[0]
    for other in readings[1:]:
        same = sum(one == two for one, two in zip(stored, other, strict=False))
        both = f"{len(stored)} messages and {len(other)}, {same} at the same places"
        verdict.found("reordered", int(other != stored), f"{engagement}: two readers, {both}")
    _seqs(verdict, engagement, stored)
    found = Counter((one.device, one.counter) for one in stored)
    twice = [key for key, count in found.items() if count > 1]
    verdict.found("duplicated", len(twice), f"{engagement} {twice[:3]}")
    for writer in sent:
        _writer(verdict, engagement, writer, stored)
    by_seq = {one.seq: one for one in stored}
    for reader in heard:
        for connection in reader.connections:
            _connection(verdict, engagement, mark, connection, by_seq)
            _gaps(verdict, engagement, reader.device, connection, stored)
    writers = {writer.device for writer in sent}
    strangers = [one for one in stored if not one.text.startswith(mark) or one.device not in writers]
    verdict.found("foreign", len(strangers), f"{engagement} {strangers[:3]}")
    return verdict


def judge_queue(waited: Sequence[Waited]) -> Verdict:
    """Who waits moves up, whatever happens to nodes; exactly one agent gets it.

    The order is that of arrival: whoever came earlier but is heard of late goes before, as whoever comes back
    because its agent was away too long (only then it may have a second one).
    """
    verdict = Verdict(places=sum(len(one.told) for one in waited))
    entered = sorted((at_s, one.arrived_ms) for one in waited for at_s in one.entered)
    for one in waited:
        for (before_s, place), (after_s, later) in pairwise(one.told):
            if later > place:
                since = bisect(entered, (before_s - TELLING_S,))
                until = bisect(entered, (after_s + TELLING_S,))
                earlier = [at_s for at_s, arrived_ms in entered[since:until] if arrived_ms < one.arrived_ms]
                worse = f"{place} at {before_s:.2f}, {later} at {after_s:.2f}"
                verdict.found("displaced", int(later - place > len(earlier)), f"{worse}, {earlier}; {one}")
        verdict.found("twice_taken", int(len(set(one.agents)) > max(1, len(one.entered))), f"{one}")
    return verdict


def _seqs(verdict: Verdict, engagement: str, stored: list[Stored]) -> None:
    seqs = [one.seq for one in stored]
    wrong = sum(later <= earlier for earlier, later in pairwise(seqs))
    verdict.found("reordered", wrong, f"{engagement}: seqs do not grow")


def _writer(verdict: Verdict, engagement: str, writer: Sent, stored: list[Stored]) -> None:
    """Acked is stored, at the acked place; a writer's messages lie in the order it wrote them."""
    places = {one.counter: one.seq for one in stored if one.device == writer.device}
    for counter, seq in writer.acks.items():
        if seq is None:
            verdict.unknown += 1
            continue
        verdict.acked += 1
        if counter not in places:
            verdict.found("lost", 1, f"{engagement} {writer.device} {counter}")
        elif places[counter] != seq:
            verdict.found("reordered", 1, f"{engagement} {writer.device} {counter}: acked {seq}")
    seqs = [places[counter] for counter in sorted(places)]
    wrong = sum(later <= earlier for earlier, later in pairwise(seqs))
    verdict.found("reordered", wrong, f"{engagement} {writer.device}: not as written")
    for ended in writer.tries:
        verdict.unanswered += ended.outcome == UNKNOWN
        verdict.refused += ended.outcome == FAIL
    possible = {one.counter for one in writer.tries if one.outcome != FAIL}
    failed = ({one.counter for one in writer.tries} - possible) & places.keys()
    verdict.found(
        "foreign", len(failed), f"{engagement} {writer.device}: refused, yet stored {sorted(failed)[:3]}"
    )
    never = places.keys() - writer.acks.keys()
    verdict.found("foreign", len(never), f"{engagement} {writer.device} never wrote {sorted(never)[:3]}")


def _gaps(verdict: Verdict, engagement: str, device: str, heard: list[Stored], stored: list[Stored]) -> None:
    """Between the first and the last that came on a connection nothing is missing but the reader's own."""
    came = {one.seq for one in heard}
    missing = [
        one.seq
        for one in stored
        if came and min(came) < one.seq < max(came) and one.device != device and one.seq not in came
    ]
    verdict.found("missed", len(missing), f"{engagement} by {device}: {missing[:5]} of {sorted(came)[:3]}...")


def _connection(
    verdict: Verdict, engagement: str, mark: str, heard: list[Stored], by_seq: dict[int, Stored]
) -> None:
    """On one connection messages come in order, once, and are those that are stored."""
    last = 0
    for one in heard:
        verdict.deliveries += 1
        if not one.text.startswith(mark):
            verdict.found("foreign", 1, f"{engagement} heard {one.text!r}")
        elif one.seq == last:
            verdict.found("duplicated", 1, f"{engagement} heard {one.seq} twice")
        elif one.seq < last:
            verdict.found("reordered", 1, f"{engagement} heard {one.seq} after {last}")
        elif by_seq.get(one.seq) != one:
            verdict.found("lost", 1, f"{engagement} heard {one.seq}, which is not stored")
        last = max(last, one.seq)
