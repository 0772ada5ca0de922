"""What one stream may cost: bytes kept, work per frame and per hash, and what a keyframe carries."""

from __future__ import annotations

import pytest

from cobrowse.errors import InvalidDiff, PageTooBig
from cobrowse.frames import decode
from cobrowse.keyframe import STILLS_BYTES, tree_hash
from cobrowse.ops import CODES, ELEMENT, END, MAX_DEPTH, MAX_HASHED, MAX_IMAGE_BYTES, MOVED
from cobrowse.stream import HASH_MS, Stream
from server.cobrowse.line import MAX_BYTES, Line
from server.cobrowse.websocket import Page
from tests.cobrowse.test_stream import element, frame, page, snapshot, text


def still(stream: Stream, node: int) -> None:
    stream.push(frame(stream.seq + 1, "IMG", node, "image/webp", bytes(MAX_IMAGE_BYTES)), 0)


def test_a_page_beyond_its_bytes_is_refused_as_too_big_and_a_smaller_one_heals() -> None:
    stream = page(*(element("canvas") for _ in range(200)))
    with pytest.raises(PageTooBig) as fault:
        for number in range(200):
            still(stream, 4 + number)
    assert fault.value.wire_code == "page_too_big"
    assert sum(len(image) for _, image in stream.mirror.scenery.images.values()) < 90e6
    stream.push(snapshot(999, element("html", *text("small"))), 0)
    assert stream.live


def test_what_is_replaced_is_not_counted_twice() -> None:
    stream = page(element("canvas"))
    for _ in range(200):
        still(stream, 4)
    assert stream.live


def test_attributes_that_cost_few_bytes_on_the_way_are_counted() -> None:
    stream = page(element("p"))
    empty = stream.mirror.weight()
    stream.push(
        frame(2, *(part for n in range(1_500) for part in ("ATTR", 0 if n else 4, f"data-{n}", ""))), 0
    )
    assert stream.mirror.weight() - empty >= 1_500 * 64


def test_a_moved_node_takes_no_child_below_the_deepest_place() -> None:
    half = MAX_DEPTH // 2 + 5
    chain = [ELEMENT, "b", 0] * half + [END] * half
    stream = page(chain, chain)
    with pytest.raises(InvalidDiff):
        # the second one goes to the end of the first one
        stream.push(frame(2, "RUN", 3 + half, 0, MOVED, 1, END), 0)


def test_the_depth_of_what_is_in_a_moved_node_is_kept() -> None:
    stream = page(element("div", *element("div")), element("p", *element("i", *element("b"))))
    stream.push(frame(2, "RUN", 5, 0, MOVED, 1, END), 0)
    depths = {node.tag: node.depth for node in stream.mirror.nodes.values()}
    assert (depths["p"], depths["i"], depths["b"]) == (5, 6, 7)


def test_a_small_frame_cannot_splice_a_large_text_again_and_again() -> None:
    stream = page(element("p", *text("x" * 1_000_000)))
    splices = [part for number in range(1_000) for part in ("TSPL", 0 if number else 5, 1, 999_999, "")]
    with pytest.raises(InvalidDiff):
        stream.push(frame(2, *splices), 0)


def test_a_hash_of_more_nodes_than_a_recorder_looks_at_is_answered_by_a_snapshot() -> None:
    stream = page(*(element("p") for _ in range(MAX_HASHED + 10)))
    wide = tree_hash(stream.mirror, 0, 1_000_000)
    assert stream.push(frame(2, "HASH", 0, 1_000_000, wide), HASH_MS).mismatch
    part = tree_hash(stream.mirror, 1, MAX_HASHED)
    assert not stream.push(frame(3, "HASH", 1, MAX_HASHED, part), 2 * HASH_MS).mismatch


def test_one_hash_a_second_is_compared() -> None:
    stream = page(element("p"))
    assert stream.push(frame(2, "HASH", 0, 9, 0), HASH_MS).mismatch
    assert not stream.push(frame(3, "HASH", 0, 9, 0), HASH_MS + 1).mismatch
    assert stream.push(frame(4, "HASH", 0, 9, 0), 2 * HASH_MS).mismatch


def stills(count: int) -> Stream:
    stream = page(*(element("canvas") for _ in range(count)))
    for number in range(count):
        stream.push(frame(2 + number, "IMG", 4 + number, "image/webp", bytes(MAX_IMAGE_BYTES)), 0)
    return stream


def test_a_keyframe_carries_few_stills_and_the_others_come_one_by_one() -> None:
    stream = stills(20)
    assert len(stream.keyframe()) < STILLS_BYTES + 10_000
    late = stream.left_out()
    assert len(late) == 18
    for node in late:
        assert decode(stream.still(node))[1:4] == [CODES["IMG"], node, "image/webp"]
    assert len(stream.whole()) > 20 * MAX_IMAGE_BYTES
    assert stream.still(3) == b""


def test_one_message_of_any_size_waits_and_beside_it_a_bounded_rest() -> None:
    line = Line(lambda: None, deflated=False)
    line.say(1)
    line.frame(Page(b"x" * (3 * MAX_BYTES)))
    line.frame(Page(b"y" * 100))
    assert line.closing is None
    assert len(line.take(shows=True)) > 3 * MAX_BYTES
    for _ in range(5):
        line.frame(Page(b"z" * (MAX_BYTES // 3)))
    assert line.closing == (1013, "too slow")
