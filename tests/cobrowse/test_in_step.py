"""Who follows the bytes that a checked stream relays is where the stream is: ids, table, tree, fields, rules.

Whatever a recorder sends, only the two typed faults are raised, and nothing the check would replace is left.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cobrowse.errors import InvalidDiff, ResyncRequired
from cobrowse.frames import decode, encode, units
from cobrowse.mirror import Mirror
from cobrowse.ops import CODES, ELEMENT, END, FLAG_SHOWN, MOVED, STATIC_TABLE, TEXT_NODE
from cobrowse.policy import CobrowsePolicy
from cobrowse.stream import Stream
from tests.fuzz.pages import NAMES, POLICIES, TAGS, WORDS, Dice, one, play, push, snapshot

LONG = settings(max_examples=400, deadline=None)
_WORD = st.one_of(st.sampled_from(WORDS), st.text(max_size=40), st.integers(1, len(STATIC_TABLE) + 20))
_NUMBER = st.one_of(st.integers(-6, 12), st.sampled_from([2**31, 2**40, -(2**31)]))
_ITEM = st.one_of(
    _NUMBER, _WORD, st.sampled_from(NAMES), st.sampled_from(TAGS), st.floats(0, 2), st.binary(max_size=4)
)
_OP = st.tuples(st.sampled_from(sorted(CODES.values())), st.lists(_ITEM, max_size=10))


@given(st.binary(max_size=600))
@LONG
def test_nearly_good_frames_are_refused_or_leave_everybody_in_step(data: bytes) -> None:
    play(data)


_NESTED = st.lists(st.one_of(_ITEM, st.lists(_ITEM, max_size=4)), max_size=16)


@given(st.one_of(st.binary(max_size=300), _NESTED.map(encode)))
@LONG
def test_any_bytes_are_refused_or_leave_everybody_in_step(message: bytes) -> None:
    one(message)


@given(st.lists(_OP, min_size=1, max_size=6), st.integers(0, len(POLICIES) - 1))
@LONG
def test_any_list_of_ops_is_refused_or_leaves_everybody_in_step(
    ops: list[tuple[int, list[Any]]], policy: int
) -> None:
    stream, viewer = Stream(POLICIES[policy]), Mirror()
    stream.begin("d")
    push(stream, viewer, snapshot(1, Dice(b"")), POLICIES[policy])
    push(
        stream,
        viewer,
        encode([2, *(item for op, arguments in ops for item in (op, *arguments))]),
        POLICIES[policy],
    )


def page() -> tuple[Stream, Mirror]:
    """html 2, body 3, paragraph 4 with text 5, a field 6 that the site shows."""
    stream, viewer = Stream(CobrowsePolicy()), Mirror()
    stream.begin("d")
    assert push(stream, viewer, snapshot(1, Dice(b"")), CobrowsePolicy())
    return stream, viewer


def said(stream: Stream, viewer: Mirror, *items: Any) -> None:
    named = (CODES.get(item, item) if isinstance(item, str) else item for item in items)
    assert push(stream, viewer, encode([stream.seq + 1, *named]), CobrowsePolicy())


@pytest.mark.parametrize("taken", [1, 2])
def test_a_number_that_is_whole_because_something_was_taken_away_is_hidden(taken: int) -> None:
    stream, viewer = page()
    card = "4111 1111 1111 1111"
    spaced = card[:10] + "x" * taken + card[10:]
    said(stream, viewer, "TEXT", 5, spaced, "ATTR", -1, "title", spaced, "VAL", 2, spaced)
    head, tail = 10, len(card) - 10
    said(
        stream,
        viewer,
        "TSPL",
        5,
        head,
        tail,
        "",
        "ASPL",
        -1,
        "title",
        head,
        tail,
        "",
        "VSPL",
        2,
        head,
        tail,
        "",
    )
    for words in (
        viewer.nodes[5].text,
        (viewer.nodes[4].attributes or {})["title"],
        viewer.scenery.values[6],
    ):
        assert "1111 1111 1111" not in words
        assert units(words) == len(card)


@pytest.mark.parametrize("name", ["\U0001f600" * 16, "\U0001f600" * 17])
def test_names_outside_of_ascii_keep_their_length_so_that_the_recorders_table_stays_in_step(
    name: str,
) -> None:
    stream, viewer = page()
    before = len(stream.mirror.table)
    child = [ELEMENT, name, name, name, 0, TEXT_NODE, "x", END]
    said(stream, viewer, "RUN", 3, 0, *child, END)
    joined = 3 if units(name) <= 32 else 0
    assert len(stream.mirror.table) == before + joined + 1
    assert all(units(entry) == units(name) for entry in stream.mirror.table[before : before + joined])


def test_a_page_that_pauses_and_goes_on_stays_in_step() -> None:
    stream, viewer = page()
    said(stream, viewer, "HOLD", 1)
    assert not stream.mirror.nodes
    with pytest.raises(ResyncRequired):
        stream.push(encode([3, CODES["TEXT"], 5, "x"]), 0)
    assert push(stream, viewer, snapshot(4, Dice(b"")), CobrowsePolicy())


def test_a_field_that_the_site_shows_is_known_by_its_flag() -> None:
    stream, _ = page()
    assert stream.mirror.nodes[6].flags == FLAG_SHOWN
    with pytest.raises(InvalidDiff):
        stream.push(encode([2, CODES["VSPL"], 4, 1, 1, "x"]), 0)


def test_a_keyframe_tells_nothing_of_what_hangs_nowhere() -> None:
    stream, viewer = page()
    said(stream, viewer, "VAL", 6, "typed", "SCR", 0, 0, 9, "DET", 0)
    kept = decode(stream.keyframe())
    assert "typed" not in kept
    said(stream, viewer, "RUN", 3, 0, MOVED, 3, END)
    assert "typed" in decode(stream.keyframe())


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_viewport_that_is_no_number_is_refused(wrong: float) -> None:
    stream, _ = page()
    with pytest.raises(InvalidDiff):
        stream.push(encode([2, CODES["VIEW"], 800, 600, wrong, 0.0, 0.0]), 0)
