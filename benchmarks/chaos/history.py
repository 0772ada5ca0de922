"""What was tried, stored and heard in a run, in a file: `talknow bench chaos --judge FILE` judges it again.

A gzip of msgpack maps, one per engagement, and one of the queue.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import msgpack
import msgspec
from msgspec import Struct

from benchmarks.chaos.checker import Heard, Sent, Stored, Verdict, Waited, judge, judge_queue

LEVEL = 1


class Engagement(Struct, tag="engagement"):
    """One engagement. mark: begins every text in it. readings: the whole, by each reader."""

    id: str
    mark: str
    sent: list[Sent]
    readings: list[list[Stored]]
    heard: list[Heard]

    def judge(self) -> Verdict:
        return judge(self.id, self.mark, self.sent, self.readings, self.heard)


class Queue(Struct, tag="queue"):
    """All who waited."""

    waited: list[Waited]

    def judge(self) -> Verdict:
        return judge_queue(self.waited)


class History:
    """`add` judges a record and, where there is a file, keeps it. verdict: of all so far."""

    def __init__(self, file: Path | None = None) -> None:
        self.verdict = Verdict()
        self._file = gzip.open(file, "wb", compresslevel=LEVEL) if file is not None else None

    def add(self, record: Engagement | Queue) -> None:
        self.verdict.add(record.judge())
        if self._file is not None:
            self._file.write(msgspec.msgpack.encode(record))

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def judge_again(file: Path) -> Verdict:
    """Raises: OSError, msgspec.ValidationError for a file that is none of ours."""
    verdict = Verdict()
    with gzip.open(file, "rb") as kept:
        for record in msgpack.Unpacker(kept, strict_map_key=False):
            verdict.add(msgspec.convert(record, Engagement | Queue).judge())
    return verdict
