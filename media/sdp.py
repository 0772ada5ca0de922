"""Our offers and their answers: one fixed form out, a strict grammar in.

The server offers, so payload types and extension ids are the same on every leg and forwarding need not
map them. One audio and one video section, both ways, bundled: a camera needs no renegotiation.
Source: RFC 8829, RFC 8843, RFC 8859; docs/protocol.md, section 5.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

from signaling.errors import InvalidDescription
from signaling.protocol import MAX_SDP_BYTES, MediaKind

OPUS, VP8, H264 = 111, 96, 102
AUDIO_MID, VIDEO_MID = "0", "1"
KINDS: dict[int, MediaKind] = {OPUS: "audio", VP8: "video", H264: "video"}
CLOCK_HZ: dict[MediaKind, int] = {"audio": 48_000, "video": 90_000}
MAX_SECTIONS, MAX_CANDIDATES, MAX_LINES = 8, 16, 400
HASHES = ("sha-256", "sha-384", "sha-512")

_LINE = re.compile(r"^[a-z]=[^\x00-\x08\x0b\x0c\x0e-\x1f]*$")
_ICE = re.compile(r"^[A-Za-z0-9+/]+$")
_FINGERPRINT = re.compile(r"^([A-Za-z0-9-]+) ((?:[0-9A-Fa-f]{2}:)+[0-9A-Fa-f]{2})$")


class Answer(Struct, frozen=True):
    """What we need of a client's description. fingerprints: (hash, upper-case hex) pairs."""

    ufrag: str
    password: str
    fingerprints: tuple[tuple[str, str], ...]
    setup: str
    sends: frozenset[MediaKind]


class Transport(Struct, frozen=True):
    """Our side of a path: what the peer must know to reach and trust it."""

    ufrag: str
    password: str
    fingerprint: str
    addresses: Sequence[tuple[str, int]]


def offer(session: int, revision: int, transport: Transport, ssrcs: dict[MediaKind, int]) -> str:
    """A complete offer: ICE-lite, all candidates, nothing to trickle."""
    head = [
        "v=0",
        f"o=- {session} {revision + 1} IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=ice-lite",
        f"a=group:BUNDLE {AUDIO_MID} {VIDEO_MID}",
        "a=msid-semantic: WMS talknow",
    ]
    audio = [
        f"m=audio 9 UDP/TLS/RTP/SAVPF {OPUS}",
        *_transport(AUDIO_MID, transport),
        f"a=rtpmap:{OPUS} opus/48000/2",
        f"a=fmtp:{OPUS} minptime=10;useinbandfec=1",
        "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        *_source("audio", ssrcs["audio"]),
    ]
    video = [
        f"m=video 9 UDP/TLS/RTP/SAVPF {VP8} {H264}",
        *_transport(VIDEO_MID, transport),
        f"a=rtpmap:{VP8} VP8/90000",
        f"a=rtpmap:{H264} H264/90000",
        f"a=fmtp:{H264} level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
        *(
            f"a=rtcp-fb:{codec} {kind}"
            for codec in (VP8, H264)
            for kind in ("nack", "nack pli", "ccm fir", "goog-remb")
        ),
        "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        *_source("video", ssrcs["video"]),
    ]
    return "\r\n".join([*head, *audio, *video]) + "\r\n"


def _transport(mid: str, transport: Transport) -> list[str]:
    candidates = [
        f"a=candidate:{number} 1 udp {2130706431 - number} {host} {port} typ host"
        for number, (host, port) in enumerate(transport.addresses, 1)
    ]
    return [
        "c=IN IP4 0.0.0.0",
        "a=rtcp:9 IN IP4 0.0.0.0",
        f"a=mid:{mid}",
        "a=sendrecv",
        "a=rtcp-mux",
        f"a=ice-ufrag:{transport.ufrag}",
        f"a=ice-pwd:{transport.password}",
        f"a=fingerprint:sha-256 {transport.fingerprint}",
        "a=setup:active",
        *candidates,
        "a=end-of-candidates",
        "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid",
    ]


def _source(kind: MediaKind, ssrc: int) -> list[str]:
    return [f"a=msid:talknow {kind}", f"a=ssrc:{ssrc} cname:talknow", f"a=ssrc:{ssrc} msid:talknow {kind}"]


def parse_answer(text: str) -> Answer:
    """Raises: InvalidDescription for anything that is not a plain answer to `offer`."""
    lines = _lines(text)
    sections = _sections(lines)
    attributes = _attributes([line for section in sections for line in section])
    ufrag, password = _one(attributes, "ice-ufrag"), _one(attributes, "ice-pwd")
    if not (4 <= len(ufrag) <= 256 and 22 <= len(password) <= 256 and _ICE.match(ufrag + password)):
        raise InvalidDescription("ice")
    if sum(line.startswith("a=candidate:") for line in lines) > MAX_CANDIDATES:
        raise InvalidDescription("candidates")
    setup = _one(attributes, "setup")
    if setup != "passive":
        raise InvalidDescription("setup", setup)
    sends: set[MediaKind] = set()
    for section in sections[1:]:
        kind = _media(section)
        if kind and not {"a=recvonly", "a=inactive"} & set(section):
            sends.add(kind)
    return Answer(ufrag, password, _fingerprints(attributes), setup, frozenset(sends))


def _lines(text: str) -> list[str]:
    if not text or len(text.encode()) > MAX_SDP_BYTES or "\n" not in text:
        raise InvalidDescription("size or lines")
    lines = [line.removesuffix("\r") for line in text.split("\n") if line.strip()]
    if (
        not lines
        or len(lines) > MAX_LINES
        or lines[0] != "v=0"
        or not all(_LINE.match(line) for line in lines)
    ):
        raise InvalidDescription("grammar")
    return lines


def _sections(lines: list[str]) -> list[list[str]]:
    sections: list[list[str]] = [[]]
    for line in lines:
        if line.startswith("m="):
            sections.append([])
        sections[-1].append(line)
    if not 2 <= len(sections) <= MAX_SECTIONS + 1:
        raise InvalidDescription("sections", len(sections) - 1)
    return sections


def _media(section: list[str]) -> MediaKind | None:
    """The kind of an accepted section; None for a refused one (port 0)."""
    parts = section[0][2:].split(" ")
    if len(parts) < 4 or parts[2] != "UDP/TLS/RTP/SAVPF" or parts[0] not in ("audio", "video"):
        raise InvalidDescription("profile")
    if parts[1] == "0":
        return None
    if "a=rtcp-mux" not in section:
        raise InvalidDescription("rtcp-mux")
    return "audio" if parts[0] == "audio" else "video"


def _attributes(lines: list[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for line in lines:
        if line.startswith("a="):
            name, _, value = line[2:].partition(":")
            found.setdefault(name, set()).add(value)
    return found


def _one(attributes: dict[str, set[str]], name: str) -> str:
    """The attribute's one value: bundled sections must agree."""
    values = attributes.get(name, set())
    if len(values) != 1:
        raise InvalidDescription(name, len(values))
    return next(iter(values))


def _fingerprints(attributes: dict[str, set[str]]) -> tuple[tuple[str, str], ...]:
    found = []
    for value in sorted(attributes.get("fingerprint", set())):
        match = _FINGERPRINT.match(value)
        if match is None:
            raise InvalidDescription("fingerprint")
        if match[1].lower() in HASHES:
            found.append((match[1].lower(), match[2].upper()))
    if not found:
        raise InvalidDescription("no fingerprint of a hash we trust")
    return tuple(found)
