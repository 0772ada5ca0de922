"""The bytes of a WebSocket: whatever comes is a message, a wait, or a typed close; what we write is read."""

from __future__ import annotations

import os
import zlib
from itertools import pairwise
from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping
from wsproto.extensions import PerMessageDeflate

import server.cobrowse.websocket as ws
from cobrowse.ops import MAX_FRAME_BYTES
from server.cobrowse.websocket import BINARY, CLOSE, COMPRESS_OVER, PING, TEXT, Page, Reader, Refused

TAIL = b"\0\0\xff\xff"


def masked(first: int, payload: bytes, mask: bytes = b"\1\2\3\4") -> bytes:
    """A client's frame, written the slow and plain way."""
    size = len(payload)
    if size > 65_535:
        length = pack("!BQ", 0xFF, size)
    else:
        length = bytes([0x80 | size]) if size < 126 else pack("!BH", 0xFE, size)
    body = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return bytes([first]) + length + mask + body


def read(*pieces: bytes, deflated: bool = False) -> list[tuple[int, bytes]]:
    reader, found = Reader(deflated=deflated), []
    for piece in pieces:
        reader.feed(piece)
        while (message := reader.next()) is not None:
            found.append(message)
    return found


def deflate(payload: bytes) -> bytes:
    made = zlib.compressobj(wbits=-15)
    return (made.compress(payload) + made.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)


@given(
    st.lists(st.tuples(st.binary(max_size=400), st.booleans()), max_size=6),
    st.lists(st.integers(0, 3_000), max_size=8),
)
@settings(max_examples=200, deadline=None)
def test_messages_of_another_library_are_read_however_they_are_cut(
    said: list[tuple[bytes, bool]], cuts: list[int]
) -> None:
    extension = PerMessageDeflate()
    extension._enabled = True
    client = Connection(ConnectionType.CLIENT, [extension])
    stream, wanted = b"", []
    for payload, last in said:
        stream += client.send(BytesMessage(data=payload, message_finished=last))
        stream += client.send(Ping(payload=payload[:20]))
        wanted.append(payload)
    stream += client.send(BytesMessage(data=b"", message_finished=True))
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    found = read(*[stream[a:b] for a, b in pairwise(places)], deflated=True)
    assert b"".join(payload for kind, payload in found if kind == BINARY) == b"".join(wanted)
    assert [payload for kind, payload in found if kind == PING] == [payload[:20] for payload in wanted]


@given(st.binary(max_size=300), st.booleans(), st.integers(1, 40))
@settings(max_examples=500, deadline=None)
def test_any_bytes_are_messages_or_a_typed_close_whole_or_in_crumbs(
    data: bytes, deflated: bool, size: int
) -> None:
    def outcome(*pieces: bytes) -> object:
        found: list[object] = []
        try:
            reader = Reader(deflated=deflated)
            for piece in pieces:
                reader.feed(piece)
                while (message := reader.next()) is not None:
                    found.append(message)
        except Refused as refused:
            assert refused.code in (4400, 4413)
            found.append(refused.code)
        return found

    assert outcome(data) == outcome(*[data[at : at + size] for at in range(0, len(data), size)])


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        (b"\x82\x03abc", 4400),  # not masked
        (masked(0x92, b"a"), 4400),  # reserved bit
        (masked(0x83, b"a"), 4400),  # reserved opcode
        (masked(0xC2, b"a"), 4400),  # deflated, and it was not agreed
        (masked(0x80, b"a"), 4400),  # nothing to continue
        (masked(0x02, b"a") + masked(0x82, b"b"), 4400),  # a new one inside another
        (masked(0x09, b"a"), 4400),  # a control frame in fragments
        (masked(0x89, b"a" * 126), 4400),  # a long control frame
        (pack("!BBQ", 0x82, 0xFF, MAX_FRAME_BYTES + 1) + b"mask", 4413),
        (pack("!BBQ", 0x82, 0xFF, 1 << 63) + b"mask", 4413),
        (masked(0x02, b"") + masked(0x00, b"") * ws.MAX_FRAGMENTS, 4413),
    ],
)
def test_what_cannot_be_is_refused_by_its_code(stream: bytes, code: int) -> None:
    with pytest.raises(Refused) as refused:
        read(stream)
    assert refused.value.code == code


def test_a_bomb_is_refused_before_it_is_inflated_and_so_is_garbage() -> None:
    bomb = deflate(bytes(MAX_FRAME_BYTES + 1))
    for payload, code in ((bomb, 4413), (b"\xff" * 40, 4400), (zlib.compress(b"a")[2:-4], 4400)):
        with pytest.raises(Refused) as refused:
            read(masked(0xC2, payload), deflated=True)
        assert refused.value.code == code
    whole = bytes(MAX_FRAME_BYTES)
    assert read(masked(0xC2, deflate(whole)), deflated=True) == [(BINARY, whole)]


def test_a_large_message_in_crumbs_costs_no_more_than_its_bytes() -> None:
    payload = os.urandom(300_000)
    stream = masked(0x82, payload)
    assert read(*[stream[at : at + 7] for at in range(0, len(stream), 7)]) == [(BINARY, payload)]


def test_the_next_message_waits_until_it_is_asked_for() -> None:
    reader = Reader(deflated=False)
    reader.feed(masked(0x82, b"one") + masked(0x81, b"two") + masked(0x88, b"")[:3])
    assert reader.next() == (BINARY, b"one")
    reader.feed(masked(0x88, b"")[3:])
    assert [reader.next(), reader.next(), reader.next()] == [(TEXT, b"two"), (CLOSE, b""), None]


@given(st.binary(max_size=2_000), st.booleans())
@settings(max_examples=100, deadline=None)
def test_what_we_write_another_library_reads(data: bytes, deflated: bool) -> None:
    extension = PerMessageDeflate()
    extension._enabled = True
    client = Connection(ConnectionType.CLIENT, [extension])
    page = Page(data * 3)
    assert page.wire(deflated=deflated) is page.wire(deflated=deflated)
    client.receive_data(page.wire(deflated=deflated) * 2 + ws.closing(4403, "consent ended"))
    *messages, close = client.events()
    assert b"".join(bytes(event.data) for event in messages if isinstance(event, BytesMessage)) == data * 6
    assert isinstance(close, CloseConnection) and (close.code, close.reason) == (4403, "consent ended")
    assert len(page.wire(deflated=True)) <= max(COMPRESS_OVER, len(data) * 3) + 32


def test_the_handshake_is_that_of_the_standard_and_deflate_is_agreed_as_it_says() -> None:
    assert ws.accepted("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert ws.accepted("c2hvcnQ=") is None and ws.accepted("n o") is None
    assert ws.agreed("permessage-deflate; client_max_window_bits") == ("permessage-deflate", True)
    small = "permessage-deflate; server_max_window_bits=10; server_no_context_takeover"
    answer = "permessage-deflate; server_no_context_takeover; server_max_window_bits=10"
    assert ws.agreed(small) == (answer, False)
    assert ws.agreed("permessage-deflate; unknown, permessage-deflate") == ("permessage-deflate", True)
    for wrong in ("", "other", "permessage-deflate; server_max_window_bits", "permessage-deflate; a; a"):
        assert ws.agreed(wrong) is None
