"""Where the fuzzer starts: packets and descriptions as real endpoints send them."""

from __future__ import annotations

import hashlib
import sys
import zlib
from pathlib import Path
from struct import pack
from typing import Any

from aioice import stun
from aiortc.rtcdtlstransport import SRTP_AEAD_AES_128_GCM, RTCCertificate
from OpenSSL import SSL

from benchmarks import peer
from cobrowse import frames, ops
from media import feedback as fb
from media import rtp, sdp

BROWSERS = Path(__file__).parents[1] / "vectors" / "answers"


def seeds() -> dict[str, list[bytes]]:
    """By target."""
    packets = {"stun": _stun(), "rtp": _rtp(), "rtcp": _rtcp(), "sdp": _sdp()}
    shared = {"page": _pages(), "frame": _frames(), "websocket": _websocket()}
    return {"guard": [*packets["stun"], *_dtls(), *packets["rtp"], *packets["rtcp"]], **packets, **shared}


def _stun() -> list[bytes]:
    made = []
    for nominates in (True, False):
        check = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, transaction_id=b"transaction1")
        check.attributes["USERNAME"] = "ourufrag1234:their"
        check.attributes["PRIORITY"] = 1_845_501_695
        check.attributes["ICE-CONTROLLING"] = 1 << 62
        if nominates:
            check.attributes["USE-CANDIDATE"] = None
        check.add_message_integrity(b"a password of the call")
        made.append(bytes(check))
    answer = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, transaction_id=b"transaction1")
    answer.attributes["XOR-MAPPED-ADDRESS"] = ("192.0.2.1", 5_000)
    answer.add_message_integrity(b"a password of the call")
    return [*made, bytes(answer)]


def _dtls() -> list[bytes]:
    """The flights of a whole handshake, both ways."""
    context = RTCCertificate.generateCertificate()._create_ssl_context(srtp_profiles=[SRTP_AEAD_AES_128_GCM])
    client, server = SSL.Connection(context), SSL.Connection(context)
    client.set_connect_state()
    server.set_accept_state()
    flights = []
    for _ in range(3):
        for speaker, listener in ((client, server), (server, client)):
            try:
                speaker.do_handshake()
            except SSL.WantReadError:
                pass
            try:
                flight = speaker.bio_read(16_384)
            except SSL.WantReadError:
                continue
            flights.append(flight[:1_500])
            listener.bio_write(flight)
    return flights


def _rtp() -> list[bytes]:
    voice = pack("!BBHLL", 0x90, sdp.OPUS, 1, 960, 5)
    picture = pack("!BBHLL", 0x90, 0x80 | sdp.VP8, 2, 3_000, 6)
    one = bytes([rtp.LEVEL_ID << 4, 0x85, rtp.MID_ID << 4, 0x30])
    number = bytes([rtp.TWCC_ID << 4 | 1, 0x12, 0x34, rtp.ORIENTATION_ID << 4, 1, 0, 0, 0])
    two = bytes([rtp.MID_ID, 1, 0x31, 0, rtp.TWCC_ID, 2, 1, 2, 0, 0, 0, 0])
    return [
        pack("!BBHLL", 0x80, sdp.OPUS, 1, 960, 5) + b"opus" * 20,
        voice + pack("!HH", rtp.ONE_BYTE, 1) + one + b"opus" * 20,
        picture + pack("!HH", rtp.ONE_BYTE, 2) + number + b"frame" * 20,
        picture + pack("!HH", rtp.TWO_BYTES, 3) + two + b"frame" * 20,
        pack("!BBHLLLL", 0xA2, sdp.VP8, 3, 6_000, 6, 7, 8) + b"frame" * 4 + b"\0\0\0\4",
    ]


def _rtcp() -> list[bytes]:
    block = fb.Block(5, 10, 20, 30, 40, 50, 60)
    goodbye = (
        pack("!BBHL", 0x81, 202, 4, 5) + b"\x01\x09a cname\0\0\0\0"[:12] + pack("!BBHL", 0x81, 203, 1, 5)
    )
    return [
        fb.receiver_report(1, (block, block)),
        fb.sender_report(5, 1 << 40, 960, 7, 800) + goodbye,
        fb.nack(1, 5, [1, 2, 3, 500]),
        fb.picture_loss(1, 5),
        fb.bitrate(1, 5, 1_700_000),
        fb.transport_cc(1, 5, bytes.fromhex("0001000300112201") + bytes.fromhex("20031415162a0000")),
        pack("!BBHLLLBBBB", 0x84, 206, 4, 1, 0, 5, 9, 0, 0, 0),
    ]


def _sdp() -> list[bytes]:
    ssrcs = {section.mid: (10 + 2 * at, 11 + 2 * at) for at, section in enumerate(sdp.SECTIONS)}
    transport = sdp.Transport("u" * 12, "p" * 24, "AA:BB", [("192.0.2.1", 5_000)])
    offer = sdp.offer(1, 0, transport, ssrcs)
    ours = peer.answer(offer, "theirufrag", "p" * 24).encode()
    return [ours, offer.encode(), *(file.read_bytes() for file in sorted(BROWSERS.glob("*.sdp")))]


def _pages() -> list[bytes]:
    """Throws of the dice that build pages and change them."""
    throws = [hashlib.shake_128(bytes([number])).digest(300) for number in range(12)]
    return [bytes(range(256)), *throws]


def _frames() -> list[bytes]:
    """One of each op, as a recorder sends it to the page that is there (4 paragraph, 5 its text, 6 field)."""
    card = "4111 1111 1111 1111"
    child = [ops.ELEMENT, "b", "title", card, "onclick", "go()", 0, ops.TEXT_NODE, "new", ops.END]
    said: list[list[Any]] = [
        ["RUN", 3, 0, *child, ops.MOVED, 1, ops.END],
        ["DET", 4, "RUN", -1, 0, ops.MOVED, 1, ops.END],
        ["REM", 4, "ATTR", 2, "class", "a", "ADEL", 0, "class"],
        ["ATTR", 4, "style", "color: red", "ASPL", 0, "style", 7, 0, "url(//evil.example)"],
        ["TEXT", 5, card, "TSPL", 0, 10, 9, ""],
        ["VAL", 6, "one", "VSPL", 0, 3, 0, card, "CHK", 0, 1],
        ["SCR", 4, 0, 10, "FOC", 6, "SEL", 5, 0, 5, 2, "TOP", 0, 2, "MEDIA", 0, 1, 0.5, 1.0],
        ["SHEET", 1, 0, 0, "a{}", "RADD", 1, 0, "b{}", "RSET", 1, 0, "c{}", "RDEL", 1, 0, "SDIS", 1, 1],
        ["SHEET", 1, 4, 0, "@import url(//evil.example)", "ADOPT", 1, 1, 1],
        ["IMG", 4, "image/webp", b"x", "ASSET", 1, "0" * 64, "image/png", "NOTE", 1, 4],
        ["PTR", 1, 2, 0, "VIEW", 800, 600, 1.0, 0.0, 0.0, "PAGE", "http://bank.example/b", card, "VIS", 0],
        ["HASH", 1, 7, 5],
        ["HOLD", 1],
    ]
    named = [[ops.CODES.get(item, item) if isinstance(item, str) else item for item in one] for one in said]
    return [frames.encode([2, *one]) for one in named]


def _websocket() -> list[bytes]:
    """A recorder's messages, plain and deflated, in pieces, and what stands beside them."""
    pieces = bytes.fromhex("0283010203046060608983000000004142438083050607086565 65".replace(" ", ""))
    deflate = zlib.compressobj(wbits=-15)
    packed = b""
    for words in (b"page " * 20, b"page again " * 5):
        made = (deflate.compress(words) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]
        packed += bytes((0xC2, 0x80 | len(made))) + b"\0\0\0\0" + made
    long = bytes((0x82, 0xFE, 0, 200)) + b"mask" + b"a" * 200
    bye = bytes((0x88, 0x82)) + b"\0\0\0\0\x03\xe8"
    return [b"\0" + pieces + bye, b"\1" + packed + bye, b"\1" + long + packed]


def main() -> None:
    """Write one target's seeds: `python -m tests.fuzz.seeds TARGET FOLDER`."""
    target, folder = sys.argv[1:]
    for number, seed in enumerate(seeds()[target]):
        (Path(folder) / f"seed-{number}").write_bytes(seed)


if __name__ == "__main__":
    main()
