"""A shared page in a load test: what its tab draws, and what somebody who looks must see of it. Pure.

It has LINES lines. The text of each says whose page it is, which document of the tab and which frame wrote
it, so that a line at the wrong viewer, from another document or of another frame tells on itself.
Frames: paragraphs.py, docs/cobrowse_wire.md.
"""

from __future__ import annotations

from typing import Any

from benchmarks import paragraphs
from benchmarks.chaos.checker import Verdict
from cobrowse.ops import CODES, END, STATIC_TABLE, TEXT_NODE

LINES = 20
CHANGED = 3
REMEMBERED = 6_000
_SNAP, _KEY, _TEXT = (CODES[name] for name in ("SNAP", "KEY", "TEXT"))


class Drawn:
    """The page as its tab has it. mark: begins every text. document: how many there were before."""

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self.document = -1
        self.seq = 0
        self._lines: list[str] = []
        self._was: dict[tuple[int, int], tuple[str, ...]] = {}
        self.leave()

    def leave(self) -> None:
        """Another page is loaded in the tab."""
        self.document += 1
        self.seq = 0
        self._lines = [self._text(line) for line in range(LINES)]

    def snapshot(self) -> bytes:
        """The next frame: all of it."""
        return paragraphs.snapshot(self._next(), self._lines)

    def change(self) -> bytes:
        """The next frame: some lines are others."""
        changed = [((self.seq + 1) * 7 + number * 3) % LINES for number in range(CHANGED)]
        for line in changed:
            self._lines[line] = self._text(line, self.seq + 1)
        return paragraphs.changes(self._next(), [(line, self._lines[line]) for line in changed])

    def was(self, document: int, seq: int) -> tuple[str, ...] | None:
        """Its lines after that frame; None when there was none, or it is long ago."""
        return self._was.get((document, seq))

    def _next(self) -> int:
        self.seq += 1
        self._was[self.document, self.seq] = tuple(self._lines)
        if len(self._was) > REMEMBERED:
            del self._was[next(iter(self._was))]
        return self.seq

    def _text(self, line: int, seq: int = 0) -> str:
        return f"{self.mark} document {self.document} frame {seq} line {line}"


class Seen:
    """The page as a viewer has it. seq: of the last frame, 0: none yet."""

    def __init__(self) -> None:
        self.seq = 0
        self._lines: dict[int, str] = {}

    def apply(self, items: list[Any]) -> None:
        """Raises: ValueError for a frame that cannot come here."""
        self.seq, code = items[0], items[1]
        if code == _SNAP:
            self._lines = _texts(items, 7, [], keyed=False)
        elif code == _KEY:
            nodes = 9 + items[8]
            self._lines = _texts(items, nodes, [*STATIC_TABLE, *items[9:nodes]], keyed=True)
        elif code == _TEXT and self._lines:
            node = 0
            for at in range(1, len(items), 3):
                node += items[at + 1]
                self._lines[node] = items[at + 2]
        else:
            raise ValueError(f"frame {self.seq} begins with op {code}")

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(self._lines.values())

    @property
    def at(self) -> tuple[int, int]:
        """Document and frame; the document by what its first line says."""
        return int(self.lines[0].split()[-5]) if self.lines else -1, self.seq


def _texts(items: list[Any], at: int, table: list[str], *, keyed: bool) -> dict[int, str]:
    """By node, of the list of nodes that begins at `at`, none of which has attributes. keyed: with ids."""
    found = {}
    node, depth = 1, 1
    while depth:
        head = items[at]
        if head == END:
            depth -= 1
            at += 1
            continue
        node += items[at + 1] if keyed else 1
        at += 2 if keyed else 1
        if head == TEXT_NODE:
            found[node] = items[at] if isinstance(items[at], str) else table[items[at]]
            at += 1
        else:
            depth += 1
            at += 2
    return found


def judge_page(drawn: Drawn, seen: Seen, newest: tuple[int, int] = (0, 0)) -> Verdict:
    """After each frame: a page that others see is the one that was drawn, as it was at that frame.

    newest: what was seen before, of which nothing older may be seen again.
    """
    verdict = Verdict(frames=1)
    strangers = [text for text in seen.lines if not text.startswith(drawn.mark)]
    verdict.found("foreign", len(strangers), f"{drawn.mark} saw {strangers[:2]}")
    if not strangers:
        whole = seen.lines == drawn.was(*seen.at) and seen.at >= newest
        verdict.found("torn", int(not whole), f"{drawn.mark} at {seen.at} after {newest}: {seen.lines[:2]}")
    return verdict
