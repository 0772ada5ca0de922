"""Streams of a shared page out of any bytes: a dice that chooses among ops, names and words that matter.

Most of what it writes is nearly right, so that a fuzzer gets past the shape of a frame; some of it is not. It
also says what must hold of a stream whatever it was given. Nothing here knows the fuzzer.
"""

from __future__ import annotations

from typing import Any

from cobrowse.errors import InvalidDiff, ResyncRequired
from cobrowse.frames import decode, encode
from cobrowse.keyframe import tree_hash
from cobrowse.masking import Checker
from cobrowse.mirror import Mirror
from cobrowse.ops import CODES, ELEMENT, END, FIRST_OWN, MOVED, OPS, STATIC_TABLE, TEXT_NODE
from cobrowse.policy import CobrowsePolicy
from cobrowse.stream import Stream

POLICIES = (CobrowsePolicy(), CobrowsePolicy(mode="strict"), CobrowsePolicy(patterns=(r"K-\d+",)))
WORDS = (
    *("", " ", "one", "hello world and more", "4111 1111 1111 1111", "4111 1111 1111 111", "1", "x"),
    *("anna@bank.example", "DE89 3704 0044 0532 0130 00", "\U0001f600" * 3, "\U0001f600" * 17, "K-1"),
    *("javascript:go()", "//evil.example/x", "asset:1", "#a", "url(", "//evil.example)", "a{}", "y" * 40),
)
NAMES = (
    *("class", "style", "href", "src", "title", "type", "autocomplete", "onclick", "srcdoc", "data-x"),
    *("@click", "a\U0001f600", "\U0001f600" * 17, "d", "name"),
)
VALUES = ("password", "hidden", "submit", "cc-number", "text", *WORDS)
TAGS = ("p", "input", "style", "script", "iframe", "svg", "textarea", "b\U0001f600", "o:p", "\U0001f600" * 17)
_OP_NAMES = tuple(op.name for op in OPS)
_ARGS = {op.name: op.args for op in OPS}


class Dice:
    """Numbers out of bytes; zeros when they are used up."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def more(self) -> bool:
        return self._at < len(self._data)

    def below(self, limit: int) -> int:
        value = self._data[self._at] if self.more else 0
        self._at += 1
        return value % limit

    def word(self, words: tuple[str, ...]) -> Any:
        """One of the words, or an entry of the table."""
        kind = self.below(8)
        if kind == 7:
            return self.below(256) + FIRST_OWN - 200
        if kind == 6:
            return self.below(len(STATIC_TABLE))
        return words[self.below(len(words))]

    def nodes(self, depth: int = 0) -> list[Any]:
        out: list[Any] = []
        for _ in range(self.below(4)):
            kind = self.below(8)
            if kind == 0:
                out += [MOVED, self.below(16) - 8]
            elif kind < 4 or depth > 3:
                out += [TEXT_NODE, self.word(WORDS)]
            else:
                out += self.element(depth)
        return out

    def element(self, depth: int) -> list[Any]:
        flags = self.below(128) if self.below(3) == 0 else 0
        out: list[Any] = [ELEMENT | flags << 2, self.word(TAGS)]
        for _ in range(self.below(3)):
            out += [self.word(NAMES), self.word(VALUES)]
        out.append(0)
        if flags & 8:
            return [*out, self.below(99), self.below(99)]
        for _ in range(2 if flags & 20 else 1):
            out += [*self.nodes(depth + 1), END]
        return out

    def argument(self, kind: str) -> list[Any]:
        match kind:
            case "r":
                return [self.below(12) - 4]
            case "i" | "z":
                return [self.below(8) if self.below(4) else (2**31, -1, 100_000, 2**40)[self.below(4)]]
            case "f":
                return [self.below(9) / 4]
            case "s":
                return [self.word(NAMES if self.below(2) else VALUES)]
            case "t":
                return [WORDS[self.below(len(WORDS))]]
            case "b":
                return [b"x" * self.below(9)]
            case "I":
                count = self.below(3)
                return [count, *(self.below(4) for _ in range(count))]
            case "N":
                return [*self.nodes(), END]
            case _:
                return [self.below(4)]

    def op(self) -> list[Any]:
        name = _OP_NAMES[self.below(len(_OP_NAMES))]
        if name in ("SNAP", "KEY", "HOLD") and self.below(4):
            name = ("RUN", "ATTR", "TSPL", "ASPL")[self.below(4)]
        out: list[Any] = [CODES[name]]
        for kind in _ARGS[name]:
            out += self.argument(kind)
        return out


def snapshot(seq: int, dice: Dice) -> bytes:
    """A page: html 2, body 3, paragraph 4 with text 5, a field 6 that is shown, and what comes by chance."""
    known = [
        ELEMENT,
        "p",
        "class",
        "a",
        0,
        TEXT_NODE,
        "4111 1111 x 1111 111",
        END,
        ELEMENT | 64 << 2,
        "input",
        0,
        END,
    ]
    inside = [ELEMENT, "html", 0, ELEMENT, "body", 0, *known, *dice.nodes(), END, END, END]
    return encode([seq, CODES["SNAP"], 0, "http://bank.example/a", "Bank", 800, 600, *inside])


def play(data: bytes) -> int:
    """Frames by chance into a checked stream, and what it relays into a fresh mirror: both stay the same.

    Returns how many frames were taken. Raises: AssertionError.
    """
    dice = Dice(data)
    policy = POLICIES[dice.below(len(POLICIES))]
    stream, viewer = Stream(policy), Mirror()
    stream.begin("d")
    seq = taken = 0
    while dice.more:
        seq += 1
        if seq == 1 or stream.mirror.broken:
            frame = snapshot(seq, dice)
        else:
            frame = encode([seq, *(item for _ in range(1 + dice.below(4)) for item in dice.op())])
        taken += push(stream, viewer, frame, policy)
    return taken


def one(message: bytes) -> bool:
    """A page, and any bytes as its next frame. Returns whether they were taken. Raises: AssertionError."""
    policy = POLICIES[0]
    stream, viewer = Stream(policy), Mirror()
    stream.begin("d")
    assert push(stream, viewer, snapshot(1, Dice(b"")), policy)
    return push(stream, viewer, message, policy)


def push(stream: Stream, viewer: Mirror, frame: bytes, policy: CobrowsePolicy) -> bool:
    """One frame: refused with a typed fault, or relayed so that the viewer's mirror is in step."""
    try:
        pushed = stream.push(frame, 0)
    except (InvalidDiff, ResyncRequired):
        return False
    if not pushed.frame:
        return False
    relayed = decode(pushed.frame)
    assert not viewer.apply(relayed)
    in_step(stream.mirror, viewer)
    judged(stream.mirror, policy)
    kept = decode(stream.keyframe())
    assert kept[0] == pushed.seq
    return True


def in_step(ours: Mirror, theirs: Mirror) -> None:
    if ours.broken:
        return  # held: nothing is shown until a snapshot
    assert ours.nodes.keys() == theirs.nodes.keys()
    assert ours.table == theirs.table
    assert ours.next_id == theirs.next_id
    assert tree_hash(ours, 1, ours.next_id) == tree_hash(theirs, 1, theirs.next_id)
    for name in ("values", "checks", "scrolls", "tops", "media", "images", "adopted", "assets", "notes"):
        assert getattr(ours.scenery, name) == getattr(theirs.scenery, name), name
    for number, sheet in ours.scenery.sheets.items():
        assert sheet.rules == theirs.scenery.sheets[number].rules


def judged(mirror: Mirror, policy: CobrowsePolicy) -> None:
    """What the mirror has would pass a second time."""
    checker = Checker(policy)
    for node in mirror.nodes.values():
        if node.kind == TEXT_NODE:
            assert checker.text(node.text, node.stand, node.id) == node.text
        for name, value in (node.attributes or {}).items():
            if value == " ":
                continue  # what stands in for an entry of the table
            assert not name or checker.name(name, node.id), name
            assert checker.attribute(name, value, node.stand, node.id) == value
    for field, value in mirror.scenery.values.items():
        node = mirror.nodes[field]
        assert checker.value(node, value, node.stand) == value
