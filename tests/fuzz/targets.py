"""What must hold for any bytes from the network, one function per parser. A fault raises AssertionError.

Each target asks for totality (a value, a reason to drop, or the one typed error) and for the bounds or
the round trip that the callers rely on. `make fuzz` feeds them from atheris, `test_corpus.py` replays
what it kept. Nothing here knows the fuzzer.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from aioice import stun as other_stun
from wsproto.frame_protocol import FrameProtocol, Opcode

from cobrowse.ops import MAX_FRAME_BYTES
from media import congestion, fast, feedback, guard, rtp, sdp, stun, transport_cc
from server.cobrowse import websocket
from signaling.errors import InvalidDescription
from signaling.protocol import MAX_SDP_BYTES
from tests.fuzz import pages

REASONS = frozenset({"empty", "short", "oversize", "stun_malformed", "unknown"})
FIRST = {guard.Kind.STUN: (0, 3), guard.Kind.DTLS: (20, 63), guard.Kind.RTP: (128, 191)}
SHORTEST = {guard.Kind.STUN: 20, guard.Kind.DTLS: 13, guard.Kind.RTP: 12, guard.Kind.RTCP: 12}
MARGIN = b"\xa5" * 16


def fuzz_guard(data: bytes) -> None:
    """A kind or a known reason; a kind keeps RFC 7983's first byte and the lengths parsers rely on."""
    found = guard.classify(data)
    if isinstance(found, str):
        assert found in REASONS, found
    else:
        low, high = FIRST.get(found, (128, 191))
        assert low <= data[0] <= high
        assert SHORTEST[found] <= len(data) <= guard.MAX_DATAGRAM_BYTES
        assert found is not guard.Kind.RTCP or 192 <= data[1] <= 223
    passed = guard.handshake_records(data)
    assert len(passed) <= len(data)
    assert guard.handshake_records(passed) == passed
    at = 0
    while at < len(passed):
        size = guard.RECORD_HEADER_BYTES + int.from_bytes(passed[at + 11 : at + 13], "big")
        assert passed[at : at + size] in data
        assert passed[at] != guard.ALERT or passed[at + 3 : at + 5] != b"\x00\x00"
        at += size
    assert at == len(passed)


def fuzz_stun(data: bytes) -> None:
    """Requests are bounded and never believed without the password; what we write, others read."""
    request = stun.parse(data)
    if request is not None:
        assert len(request.transaction) == 12
        assert len(request.integrity) == 20
        assert len(request.ours) + len(request.theirs) < stun.MAX_USERNAME_BYTES
        assert len(request.covered) + 24 <= len(data)
        assert not request.authentic(b"a password that nobody was told")
        for host in ("192.0.2.1", "2001:db8::1"):
            answer = other_stun.parse_message(stun.response(request, (host, 5_000), b"secret"))
            assert answer.check_message_integrity(b"secret")
            assert answer.transaction_id == request.transaction
            mapped, port = answer.attributes["XOR-MAPPED-ADDRESS"]
            assert (ipaddress.ip_address(mapped), port) == (ipaddress.ip_address(host), 5_000)
    _request_round_trip(data)


def _request_round_trip(data: bytes) -> None:
    """A check written by somebody else's library is read back, and believed with its password alone."""
    name, password = data[:40].hex()[:40] or "a", data[40:72] or b"p"
    check = other_stun.Message(other_stun.Method.BINDING, other_stun.Class.REQUEST)
    check.attributes["USERNAME"] = f"{name}:{name[::-1]}"
    check.attributes["PRIORITY"] = int.from_bytes(data[:4], "big")
    nominates = bool(data and data[0] & 1)
    if nominates:
        check.attributes["USE-CANDIDATE"] = None
    check.add_message_integrity(password)
    request = stun.parse(bytes(check))
    assert request is not None
    assert (request.ours, request.theirs, request.nominates) == (name, name[::-1], nominates)
    assert request.authentic(password)
    assert not request.authentic(password + b"!")


def fuzz_rtp(data: bytes) -> None:
    """Every offset lies inside the packet, wherever in a buffer it stands; rewriting touches ten bytes."""
    header = rtp.parse(data)
    moved = rtp.parse(memoryview(MARGIN + data + MARGIN), len(MARGIN), len(MARGIN) + len(data))
    if header is None:
        assert moved is None
        return
    assert moved is not None
    shift = len(MARGIN)
    for name in ("level", "twcc", "mid"):
        value, other = getattr(header, name), getattr(moved, name)
        assert other == (value + shift if value else 0)
        assert value == 0 or rtp.MIN_HEADER_BYTES + 4 < value < header.size
    assert rtp.MIN_HEADER_BYTES <= header.size <= header.size + header.payload <= len(data)
    assert header.twcc == 0 or header.twcc + 1 < header.size
    changed = bytearray(data)
    rtp.rewrite(changed, 0xFFFF, 0xFFFFFFFF, 0)
    assert changed[:2] == data[:2] and changed[12:] == data[12:]
    again = rtp.parse(changed)
    assert again is not None
    assert (again.seq, again.timestamp, again.ssrc) == (0xFFFF, 0xFFFFFFFF, 0)
    _retransmission(data, header)
    _without_twcc(data, header)
    _voice(data, header)


def _retransmission(data: bytes, header: rtp.Header) -> None:
    resent = rtp.retransmission(data, header, 97, 7, 9)
    read = rtp.parse(resent)
    assert read is not None
    assert (read.payload_type, read.marker, read.seq, read.ssrc) == (97, header.marker, 7, 9)
    assert read.payload == header.payload + 2
    assert resent[read.size : read.size + 2] == header.seq.to_bytes(2, "big")
    assert resent[read.size + 2 :] == data[header.size : header.size + header.payload]


def _without_twcc(data: bytes, header: rtp.Header) -> None:
    """Blanking leaves a packet that is read as before, but for the number."""
    if not header.twcc:
        return
    blank = bytearray(data)
    rtp.blank_twcc(blank, header.twcc, rtp.is_two_byte(data))
    read = rtp.parse(blank)
    assert read is not None
    assert (read.size, read.payload) == (header.size, header.payload)
    assert blank[header.size :] == data[header.size :]


def _voice(data: bytes, header: rtp.Header) -> None:
    """The fast engine's short cut sees what the parser sees."""
    found = fast._voice_extension(memoryview(data), 0, len(data)) if data[0] == 0x90 else None
    if found is not None:
        assert found == (header.level, header.mid)
        assert header.size == 20


def fuzz_rtcp(data: bytes) -> None:
    """Items are bounded however many a packet claims; what is read can be written and read again."""
    items, whole = feedback.parse(data)
    assert len(items) <= 2 * feedback.MAX_PACKETS
    assert whole is False or len(data) % 4 == 0
    for item in items:
        match item:
            case feedback.Bitrate(bps=bps):
                assert feedback.MIN_BITRATE_BPS <= bps <= feedback.MAX_BITRATE_BPS
                assert feedback.Bitrate in {type(one) for one in _read(feedback.bitrate(1, 2, bps))}
            case feedback.Nack(ssrc=ssrc, lost=lost):
                assert len(lost) <= feedback.MAX_LOST and all(0 <= seq <= 0xFFFF for seq in lost)
                few = list(lost[:64])
                assert feedback.Nack(ssrc, tuple(few)) in _read(feedback.nack(1, ssrc, few))
            case feedback.TransportCc(ssrc=ssrc, body=body):
                assert item in _read(feedback.transport_cc(1, ssrc, body))
                _arrivals(body)
            case feedback.SenderReport(ssrc=ssrc, ntp=ntp, timestamp=timestamp):
                assert item in _read(feedback.sender_report(ssrc, ntp, timestamp, 1 << 40, 1 << 40))
            case feedback.Reports(blocks=blocks):
                assert len(blocks) <= 31
                assert item in _read(feedback.receiver_report(1, blocks))
            case feedback.KeyFrameRequest(ssrc=ssrc):
                assert item in _read(feedback.picture_loss(1, ssrc))


def _arrivals(body: bytes) -> None:
    """A report is bounded and survives writing; what we tell of it is one again and hides no arrival."""
    report = transport_cc.read(body)
    if report is None:
        return
    assert len(report.at) <= report.count <= transport_cc.MAX_STATUSES
    assert transport_cc.read(transport_cc.write(report)) == report
    passed = congestion.Passed()
    for place in range(0, report.count, 2):
        passed.add((report.base + place) & 0xFFFF)
    told = transport_cc.read(passed.told(body))
    assert told is not None and told.at.keys() >= report.at.keys()


def _read(packet: bytes) -> list[feedback.Feedback]:
    items, whole = feedback.parse(packet)
    assert whole
    return items


def fuzz_sdp(data: bytes) -> None:
    """An Answer that could be trusted with a path, or InvalidDescription; line ends change nothing."""
    text = data.decode("utf-8", "surrogateescape" if data[:1] == b"\xff" else "replace")
    found = _answer(text)
    if found is None:
        return
    assert len(text.encode()) <= MAX_SDP_BYTES
    assert found.setup == "passive"
    assert found.fingerprints
    assert {algorithm for algorithm, _ in found.fingerprints} <= set(sdp.HASHES)
    for algorithm, value in found.fingerprints:
        assert len(value) == int(algorithm[4:]) // 8 * 3 - 1, "a digest of another length never matches"
    assert 4 <= len(found.ufrag) <= 256 and 22 <= len(found.password) <= 256
    assert (found.ufrag + found.password).isascii()
    assert found.sends <= set(sdp.KINDS.values())
    assert _answer(text.replace("\r\n", "\n")) == found


def _answer(text: str) -> sdp.Answer | None:
    try:
        return sdp.parse_answer(text)
    except InvalidDescription:
        return None


def fuzz_page(data: bytes) -> None:
    """A stream of nearly good frames: refused, or relayed so that who follows the bytes is in step."""
    pages.play(data)


def fuzz_frame(data: bytes) -> None:
    """One message as it comes from the socket, after a page is there."""
    pages.one(data)


def fuzz_websocket(data: bytes) -> None:
    """Messages within bounds or a known close code, whole or in crumbs; another's are read."""
    deflated, stream = bool(data[:1] and data[0] & 1), data[1:]
    size = 1 + len(data) % 23
    found = _messages(deflated, stream)
    assert found == _messages(deflated, *[stream[at : at + size] for at in range(0, len(stream), size)])
    for item in found:
        if isinstance(item, int):
            assert item in (websocket.MALFORMED, websocket.TOO_BIG) and item is found[-1]
        else:
            assert len(item[1]) <= MAX_FRAME_BYTES
            assert item[0] in (1, 2) or (item[0] in (8, 9, 10) and len(item[1]) <= 125)
    said = bytes(FrameProtocol(client=True, extensions=[])._serialize_frame(Opcode.BINARY, data))
    assert _messages(deflated, said) == [(websocket.BINARY, data)]


def _messages(deflated: bool, *pieces: bytes) -> list[tuple[int, bytes] | int]:
    reader = websocket.Reader(deflated=deflated)
    found: list[tuple[int, bytes] | int] = []
    try:
        for piece in pieces:
            reader.feed(piece)
            while (message := reader.next()) is not None:
                found.append(message)
    except websocket.Refused as refused:
        found.append(refused.code)
    return found


TARGETS: dict[str, Callable[[bytes], None]] = {
    "guard": fuzz_guard,
    "stun": fuzz_stun,
    "rtp": fuzz_rtp,
    "rtcp": fuzz_rtcp,
    "sdp": fuzz_sdp,
    "page": fuzz_page,
    "frame": fuzz_frame,
    "websocket": fuzz_websocket,
}
MAX_BYTES = {
    "guard": 1_600,
    "stun": 600,
    "rtp": 300,
    "rtcp": 600,
    "sdp": 6_000,
    "page": 600,
    "frame": 2_000,
    "websocket": 400,
}
