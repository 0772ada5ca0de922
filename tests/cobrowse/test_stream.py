"""The core of a shared page: what a stream takes, hides, keeps and gives to those who come late."""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cobrowse.control import judge
from cobrowse.errors import InvalidDiff, ResyncRequired
from cobrowse.frames import decode, encode, splice, units
from cobrowse.gate import Gate, GateState
from cobrowse.keyframe import tree_hash
from cobrowse.masking import _CSS_ADDRESS, Checker
from cobrowse.mirror import Mirror
from cobrowse.ops import CODES, ELEMENT, END, FLAG_MASKED, FLAG_SHOWN, MAX_DEPTH, MOVED, TEXT_NODE
from cobrowse.pages import matches
from cobrowse.patterns import Patterns, is_iban, luhn
from cobrowse.policy import CobrowsePolicy
from cobrowse.stream import Stream
from cobrowse.viewers import CREDIT_FRAMES, Credit, Verdict
from signaling.protocol import ControlKind, ParticipantId, SharedGrant

CARD = "4111 1111 1111 1111"
IBAN = "DE89 3704 0044 0532 0130 00"


def frame(seq: int, *items: Any) -> bytes:
    return encode([seq, *(CODES.get(item, item) if isinstance(item, str) else item for item in items)])


def element(tag: str, *inside: Any, flags: int = 0, **attributes: str) -> list[Any]:
    pairs = [part for pair in attributes.items() for part in pair]
    return [ELEMENT | flags << 2, tag, *pairs, 0, *inside, END]


def text(words: str) -> list[Any]:
    return [TEXT_NODE, words]


def snapshot(seq: int, *nodes: list[Any]) -> bytes:
    return encode(
        [seq, CODES["SNAP"], 0, "http://bank.example/a", "Bank", 800, 600, *chain.from_iterable(nodes), END]
    )


def page(*nodes: list[Any], policy: CobrowsePolicy | None = None) -> Stream:
    """A stream with html (2), body (3) and the nodes from id 4 on."""
    stream = Stream(policy or CobrowsePolicy())
    stream.begin("d")
    stream.push(snapshot(1, element("html", *element("body", *chain.from_iterable(nodes)))), 0)
    return stream


def words(mirror: Mirror) -> str:
    return "|".join(node.text for node in mirror.nodes[1].inside() if node.kind == TEXT_NODE)


def test_runs_insert_move_and_remove() -> None:
    stream = page(element("p", *text("one")), element("p", *text("two")))
    assert words(stream.mirror) == "one|two"
    stream.push(frame(2, "RUN", 3, 3, *element("b", *text("new")), END), 0)
    assert words(stream.mirror) == "one|two|new"
    stream.push(frame(3, "RUN", 3, 0, MOVED, 3, END), 0)
    assert words(stream.mirror) == "two|one|new"
    stream.push(frame(4, "REM", 4), 0)
    assert words(stream.mirror) == "two|new"


def test_a_gap_needs_a_snapshot_and_a_repeated_frame_changes_nothing() -> None:
    stream = page(element("p", *text("one")))
    stream.push(frame(2, "TEXT", 5, "two"), 0)
    assert stream.push(frame(2, "TEXT", 5, "again"), 0).frame == b""
    with pytest.raises(ResyncRequired):
        stream.push(frame(4, "TEXT", 5, "four"), 0)
    assert words(stream.mirror) == "two"
    assert stream.after(1) == [frame(2, "TEXT", 5, "two")]


@pytest.mark.parametrize(
    "hostile",
    [
        ("RUN", 99, 0, END),
        ("RUN", 3, 97, END),
        ("ATTR", 2**31, "class", "x"),
        ("RUN", 4, 0, MOVED, -1, END),
        ("TEXT", 4, 7),
        ("ATTR", 4, "class"),
        (99, 1),
        ("TEXT", 4, "x" * 3_000_000),
        ("ASPL", 4, "class", 5, 5, "x"),
        ("SHEET", 1, 0, 0, 5),
        ("ADOPT", 1, 3, 1),
        ("IMG", 4, "image/png", "text"),
        ("RUN", 3, 0, *([ELEMENT, "b", 0] * (MAX_DEPTH + 5)), *([END] * (MAX_DEPTH + 6))),
    ],
)
def test_a_frame_that_cannot_be_is_refused_and_a_snapshot_heals(hostile: tuple[Any, ...]) -> None:
    stream = page(element("p", *text("one")))
    with pytest.raises(InvalidDiff):
        stream.push(frame(2, *hostile), 0)
    with pytest.raises(ResyncRequired):
        stream.push(frame(3, "TEXT", 5, "two"), 0)
    stream.push(snapshot(4, element("html", *text("well again"))), 0)
    assert words(stream.mirror) == "well again"


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_no_bytes_raise_anything_but_the_typed_faults(garbage: bytes) -> None:
    stream = page(element("p", *text("one")))
    with pytest.raises((InvalidDiff, ResyncRequired)):
        stream.push(garbage, 0)
        raise InvalidDiff("it was a frame")


_ITEM = st.one_of(st.integers(-9, 40), st.text(max_size=6), st.sampled_from([END, ELEMENT, TEXT_NODE, 2**40]))


@given(st.lists(_ITEM, max_size=30), st.sampled_from(sorted(CODES.values())))
@settings(max_examples=500, deadline=None)
def test_no_ops_raise_anything_but_the_typed_faults(items: list[Any], op: int) -> None:
    stream = page(element("p", *text("one")), element("input", type="text"))
    try:
        stream.push(encode([2, op, *items]), 0)
        stream.keyframe()
    except (InvalidDiff, ResyncRequired):
        pass


# --- the second look ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "secret", [CARD, IBAN, "anna@bank.example", "078-05-1120", "AB 12 34 56 C", "RSSMRA85T10A562S"]
)
def test_secrets_in_texts_are_replaced_in_place_and_the_table_stays_in_step(secret: str) -> None:
    stream = page()
    pushed = stream.push(
        frame(2, "RUN", 3, 0, *element("p", *text(f"No {secret}")), *element("b", *text("x")), END), 0
    )
    assert secret.encode() not in pushed.frame
    assert pushed.masked == (5,)
    assert units(decode(pushed.frame)[8]) == len(f"No {secret}")
    assert secret.encode() not in stream.keyframe()
    assert all(secret.encode() not in kept for kept in stream.after(1) or [])
    other = Mirror()
    other.apply(decode(snapshot(1, element("html", *element("body")))))
    other.apply(decode(pushed.frame))
    assert other.table == stream.mirror.table
    assert tree_hash(other, 1, 99) == tree_hash(stream.mirror, 1, 99)


def test_a_secret_that_is_typed_digit_by_digit_is_never_complete() -> None:
    stream = page(element("p", *text("Card: 4111 1111 1111 111")))
    pushed = stream.push(frame(2, "TSPL", 5, 24, 0, "1"), 0)
    assert "1111 1111 1111 1111" not in words(stream.mirror)
    assert pushed.masked == (5,)


@pytest.mark.parametrize(
    ("attributes", "flags", "shown"),
    [
        ({"type": "text"}, 0, False),
        ({"type": "text"}, FLAG_SHOWN, True),
        ({"type": "password"}, FLAG_SHOWN, False),
        ({"type": "hidden"}, FLAG_SHOWN, False),
        ({"type": "text", "autocomplete": "cc-number"}, FLAG_SHOWN, False),
        ({"type": "text", "autocomplete": "section-a one-time-code"}, FLAG_SHOWN, False),
        ({"type": "submit"}, 0, True),
    ],
)
def test_values_stay_hidden_unless_the_site_shows_the_field(
    attributes: dict[str, str], flags: int, shown: bool
) -> None:
    stream = page(element("input", flags=flags, **attributes))
    pushed = stream.push(frame(2, "VAL", 4, "Berg"), 0)
    assert (b"Berg" in pushed.frame) is shown
    assert stream.mirror.scenery.values[4] == ("Berg" if shown else "••••")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("onclick", "steal()"),
        ("href", "javascript:steal()"),
        ("src", "https://evil.example/x.png"),
        ("srcdoc", "<script>steal()</script>"),
        ("style", "background:url(https://evil.example/x)"),
        ("title", "mail anna@bank.example"),
        ("data-x", CARD),
    ],
)
def test_attributes_that_may_not_be_are_made_harmless(name: str, value: str) -> None:
    stream = page(element("p"))
    pushed = stream.push(frame(2, "ATTR", 4, name, value), 0)
    kept = (stream.mirror.nodes[4].attributes or {}).get(name, "")
    assert "evil" not in kept and "steal" not in kept and "anna@" not in kept and CARD not in kept
    assert pushed.masked == ((4,) if name in ("title", "data-x") else ())
    assert len(decode(pushed.frame)) == 5


def test_masked_and_strict_texts_are_dots() -> None:
    stream = page(element("p", *text("secret"), flags=FLAG_MASKED), element("p", *text("open")))
    assert words(stream.mirror) == "••••••|open"
    strict = page(element("p", *text("secret")), policy=CobrowsePolicy(mode="strict"))
    assert words(strict.mirror) == "••••••"


def test_frames_without_secrets_pass_as_the_same_bytes() -> None:
    stream = page(element("p", *text("one")))
    sent = frame(2, "TEXT", 5, "two", "ATTR", -1, "class", "a")
    assert stream.push(sent, 0).frame is sent


def test_patterns_by_their_own_check_digits() -> None:
    assert luhn("4111111111111111") and not luhn("4111111111111112")
    assert is_iban(IBAN) and not is_iban("DE89 3704 0044 0532 0130 01")
    assert Patterns().scrub("Order 1234567890123456") == "Order 1234567890123456"
    assert Patterns((), (r"K-\d+",)).scrub("Case K-123") == "Case •••••"


# --- late viewers ---------------------------------------------------------------------------------


def test_a_keyframe_brings_a_late_viewer_to_the_same_place() -> None:
    stream = page(element("p", *text("one"), title="hello"), element("input", type="text", flags=FLAG_SHOWN))
    stream.push(frame(2, "SHEET", 1, 0, 0, "p{}", "RADD", 1, 0, "b{}", "VAL", 6, "Berg", "SCR", 0, 0, 40), 0)
    stream.push(frame(3, "RUN", 3, 0, *element("em", *text("late")), END), 0)
    items = decode(stream.keyframe())
    assert items[0] == 3 and items[1] == CODES["KEY"]
    assert items[7] == stream.mirror.next_id
    assert "Berg" in items and "p{}" in items and "b{}" in items


def test_the_hash_tells_drift() -> None:
    stream = page(element("p", *text("one")))
    good = tree_hash(stream.mirror, 1, 6)
    assert not stream.push(frame(2, "TEXT", 5, "one", "HASH", 1, 6, good), 10_000).mismatch
    assert stream.push(frame(3, "TEXT", 5, "one", "HASH", 1, 6, good ^ 1), 12_000).mismatch


def test_only_a_hash_is_compared() -> None:
    stream = page(element("p"))
    others = ["PTR", 300, 200, 1], ["VIEW", 1_280, 800, 1, 0, 0], ["SCR", 1, 3, 7], ["SEL", 0, 0, 0, 0]
    for seq, op in enumerate(others, 2):
        assert not stream.push(frame(seq, *op), seq * 10_000).mismatch


def test_arguments_that_look_like_a_hash_are_none() -> None:
    stream = page(*(element("p", *text("word " * 20)) for _ in range(20)))
    looks = CODES["HASH"]
    node = next(node for node in stream.mirror.nodes.values() if node.id >= looks and node.kind == TEXT_NODE)
    first = looks if stream.mirror.nodes[looks].kind == TEXT_NODE else node.id
    assert not stream.push(frame(2, "SEL", looks, 1, looks + 1, 2), 10_000).mismatch
    assert not stream.push(frame(3, "TSPL", first, 40, 40, "y"), 10_000).mismatch


def test_offsets_count_utf16_units() -> None:
    assert splice("a😀b", 3, 1, "x") == "a😀xb"
    assert splice("a😀b", 1, 0, "x") == "ax"
    with pytest.raises(InvalidDiff):
        splice("ab", 2, 1, "")


# --- gate, credit, control --------------------------------------------------------------------------


def test_a_closed_gate_is_not_opened_by_an_older_word() -> None:
    gate = Gate()
    gate.set(GateState(1, "live"))
    assert gate.shows
    gate.close()
    gate.set(GateState(1, "live"))
    assert not gate.shows and not gate.open
    gate.set(GateState(2, "live"))
    assert gate.shows


def test_a_slow_viewer_skips_and_then_needs_a_keyframe() -> None:
    credit = Credit()
    credit.sent(1, 10)
    for seq in range(2, CREDIT_FRAMES + 1):
        assert credit.offer(seq, 10) is Verdict.SEND
    assert credit.offer(40, 10) is Verdict.SKIP
    assert credit.acked(30)
    assert credit.offer(41, 10) is Verdict.KEYFRAME


@pytest.mark.parametrize(
    ("asked", "verdict"),
    [
        ([1, "g", 1, 4, "click", 0.5, 0.5], "ok"),
        ([1, "other", 1, 4, "click", 0.5, 0.5], "control_not_granted"),
        ([1, "g", 1, 4, "navigate", "back"], "control_not_granted"),
        ([1, "g", 1, 5, "type", "x"], "control_forbidden_target"),
        ([1, "g", 1, 6, "click", 0.5, 0.5], "control_forbidden_target"),
        ([1, "g", 1, 99, "click", 0.5, 0.5], "gone"),
        ([1, "g", 0, 4, "click", 0.5, 0.5], "changed"),
        ([1, "g", 1, 4, "F12", "x"], "control_forbidden_target"),
        ([1, "g", 1, 4, "type", 7], "control_forbidden_target"),
    ],
)
def test_control_is_judged_by_grant_and_page(asked: list[Any], verdict: str) -> None:
    stream = page(
        element("button"),
        element("input", type="password"),
        [ELEMENT, "div", "data-no-control", "", 0, *element("button"), END],
    )
    gate = Gate()
    kinds: tuple[ControlKind, ...] = ("click", "type", "scroll")
    grant = SharedGrant("g", "control", kinds, "http://bank.example", 1_000, ParticipantId("p1"))
    gate.set(GateState(1, "live", (grant,)))
    holder = partial(judge, gate, stream.mirror, asked, by=ParticipantId("p1"))
    assert holder(now_ms=500) == verdict
    assert holder(now_ms=1_000) != "ok"
    assert judge(gate, stream.mirror, asked, by=ParticipantId("p2"), now_ms=500) != "ok", "somebody else's"
    gate.set(GateState(1, "live", (msgspec.structs.replace(grant, origin="http://shop.example"),)))
    assert holder(now_ms=500) != "ok", "another site's"


def test_globs_name_pages() -> None:
    assert matches(("/pay/*",), "https://bank.example/pay/card?x=1")
    assert not matches(("/pay/*",), "https://bank.example/pay/card/two")
    assert matches(("https://bank.example/**",), "https://bank.example/a/b/c")


def test_text_that_stands_as_a_rule_is_masked_however_it_comes() -> None:
    stream = page(element("style", *text("@import '//evil.example'")))
    node = next(node for node in stream.mirror.nodes.values() if node.kind == TEXT_NODE)
    assert "evil" not in node.text
    assert stream.push(frame(2, "TEXT", node.id, "url(//evil.example)"), 0).masked == (node.id,)
    assert "evil" not in node.text
    stream.push(frame(3, "TSPL", node.id, 0, 0, "evil"), 0)
    assert "evil" not in node.text


CSS_PARTS = (
    "url(",
    "u\\rl(",
    "a:b",
    "//",
    "HTTPS:",
    "wss:",
    "Ftp:x",
    "javascript:",
    "data:",
    "@Import ",
    ";",
    ")",
)
MORE_PARTS = (
    "expression (",
    "-moz-binding",
    "behavior :",
    "asset:1)",
    "'",
    '"',
    " ",
    "blob:",
    "file:",
    "vbscript:",
)


@given(st.lists(st.sampled_from(CSS_PARTS + MORE_PARTS), max_size=8))
@settings(max_examples=500, deadline=None)
def test_the_quick_look_at_a_rule_misses_no_address(parts: list[str]) -> None:
    css = "".join(parts)
    found = any(match.group(1) is None for match in _CSS_ADDRESS.finditer(css))
    checker = Checker(CobrowsePolicy())
    assert (checker.css(css, 1) != css or not found) and bool(checker.found) == (checker.css(css, 1) != css)
