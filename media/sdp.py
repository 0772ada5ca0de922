"""Our offers and their answers: one fixed form out, a strict grammar in.

The server offers, so payload types and extension ids are the same on every leg and forwarding need not
map them. Every leg has the same SECTIONS from the start: one microphone, one camera and one screen both
ways, and places for the voices and pictures of further people, so nobody renegotiates when somebody
comes, shows or leaves. A place's kind is told by payload type, so a packet needs no look at its `mid`.
Source: RFC 8829, RFC 8843, RFC 8859; docs/protocol.md, section 5.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

from media.rtp import LEVEL_ID, MID_ID, ORIENTATION_ID, TWCC_ID
from signaling.errors import InvalidDescription
from signaling.protocol import MAX_SDP_BYTES, PLACES, MediaKind

OPUS, RED = 111, 63
VP8, VP8_RTX, H264, H264_RTX = 96, 97, 102, 103
SCREEN, SCREEN_RTX = 98, 99
KINDS: dict[int, MediaKind] = {
    OPUS: "audio",
    RED: "audio",
    VP8: "video",
    VP8_RTX: "video",
    H264: "video",
    H264_RTX: "video",
    SCREEN: "screen",
    SCREEN_RTX: "screen",
}
RTX_OF: dict[int, int] = {VP8: VP8_RTX, H264: H264_RTX, SCREEN: SCREEN_RTX}
RTX = frozenset(RTX_OF.values())
CLOCK_HZ: dict[MediaKind, int] = {"audio": 48_000, "video": 90_000, "screen": 90_000}
START_BITRATE_KBPS = 1_200
MAX_SECTIONS, MAX_CANDIDATES, MAX_LINES = 8, 16, 400
HASHES = {"sha-256": 32, "sha-384": 48, "sha-512": 64}  # bytes of a digest

_LINE = re.compile(r"^[a-z]=[^\x00-\x08\x0b\x0c\x0e-\x1f]*$")
_ICE = re.compile(r"^[A-Za-z0-9+/]+$")
_FINGERPRINT = re.compile(r"^([A-Za-z0-9-]+) ((?:[0-9A-Fa-f]{2}:)+[0-9A-Fa-f]{2})$")
_FEEDBACK = ("nack", "nack pli", "ccm fir", "goog-remb", "transport-cc")


class Section(Struct, frozen=True):
    """An m-section. slot: which of the places of its kind; slot 0 goes both ways, others only to the peer."""

    mid: str
    kind: MediaKind
    slot: int


SECTIONS = tuple(Section(str(mid), kind, slot) for mid, (kind, slot) in enumerate(PLACES))


class Answer(Struct, frozen=True):
    """What we need of a client's description. fingerprints: (hash, upper-case hex) pairs.

    rtx: it takes retransmissions in a stream of their own.
    """

    ufrag: str
    password: str
    fingerprints: tuple[tuple[str, str], ...]
    setup: str
    sends: frozenset[MediaKind]
    rtx: bool = False


class Transport(Struct, frozen=True):
    """Our side of a path: what the peer must know to reach and trust it."""

    ufrag: str
    password: str
    fingerprint: str
    addresses: Sequence[tuple[str, int]]


def offer(session: int, revision: int, transport: Transport, ssrcs: Mapping[str, tuple[int, int]]) -> str:
    """A complete offer: ICE-lite, all candidates, nothing to trickle. ssrcs: by mid, (media, RTX).

    Revision 0 has the voice alone: the less there is to set up, the sooner it is heard.
    """
    sections = SECTIONS if revision else SECTIONS[:1]
    lines = [
        "v=0",
        f"o=- {session} {revision + 1} IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=ice-lite",
        "a=group:BUNDLE " + " ".join(section.mid for section in sections),
        "a=msid-semantic: WMS *",
        f"a=ice-ufrag:{transport.ufrag}",
        f"a=ice-pwd:{transport.password}",
        f"a=fingerprint:sha-256 {transport.fingerprint}",
        "a=setup:active",
    ]
    for section in sections:
        lines += _section(section, transport, *ssrcs[section.mid])
    return "\r\n".join(lines) + "\r\n"


def _section(section: Section, transport: Transport, ssrc: int, rtx_ssrc: int) -> list[str]:
    formats = {"audio": (OPUS, RED), "video": (VP8, VP8_RTX, H264, H264_RTX), "screen": (SCREEN, SCREEN_RTX)}
    first = section is SECTIONS[0]
    medium = "audio" if section.kind == "audio" else "video"
    lines = [
        f"m={medium} {9 if first else 0} UDP/TLS/RTP/SAVPF {' '.join(map(str, formats[section.kind]))}",
        "c=IN IP4 0.0.0.0",
        f"a=mid:{section.mid}",
        *([] if first else ["a=bundle-only"]),
        "a=sendrecv" if section.slot == 0 else "a=sendonly",
        "a=rtcp-mux",
        f"a=extmap:{MID_ID} urn:ietf:params:rtp-hdrext:sdes:mid",
        *_codecs(section.kind),
        f"a=msid:{section.kind}-{section.slot} {section.kind}-{section.slot}",
        f"a=ssrc:{ssrc} cname:talknow",
    ]
    if medium == "video":
        lines += [f"a=ssrc-group:FID {ssrc} {rtx_ssrc}", f"a=ssrc:{rtx_ssrc} cname:talknow"]
    if first:
        lines += [
            f"a=candidate:{number} 1 udp {2130706431 - number} {host} {port} typ host"
            for number, (host, port) in enumerate(transport.addresses, 1)
        ]
        lines.append("a=end-of-candidates")
    return lines


def _codecs(kind: MediaKind) -> list[str]:
    if kind == "audio":
        return [
            f"a=rtpmap:{OPUS} opus/48000/2",
            f"a=fmtp:{OPUS} minptime=10;useinbandfec=1",
            f"a=rtpmap:{RED} red/48000/2",
            f"a=fmtp:{RED} {OPUS}/{OPUS}",
            f"a=extmap:{LEVEL_ID} urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        ]
    lines = [
        f"a=extmap:{TWCC_ID} http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
        f"a=extmap:{ORIENTATION_ID} urn:3gpp:video-orientation",
    ]
    for codec in (VP8, H264) if kind == "video" else (SCREEN,):
        lines.append(f"a=rtpmap:{codec} {'H264' if codec == H264 else 'VP8'}/90000")
        start = f"x-google-start-bitrate={START_BITRATE_KBPS}"
        profile = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f;"
        lines.append(f"a=fmtp:{codec} {profile if codec == H264 else ''}{start}")
        lines += [f"a=rtcp-fb:{codec} {feedback}" for feedback in _FEEDBACK]
        lines += [f"a=rtpmap:{RTX_OF[codec]} rtx/90000", f"a=fmtp:{RTX_OF[codec]} apt={codec}"]
    return lines


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
    kinds: set[MediaKind] = set()
    for section in sections[1:]:
        kind = _media(section)
        if kind and not {"a=recvonly", "a=inactive"} & set(section):
            kinds.add(kind)
    rtx = f"a=fmtp:{VP8_RTX} apt={VP8}" in lines
    return Answer(ufrag, password, _fingerprints(attributes), setup, frozenset(kinds), rtx)


def check_direct(text: str) -> None:
    """A description for the other browser of a direct call: the same grammar and the same demands.

    Raises: InvalidDescription.
    """
    lines = _lines(text)
    sections = _sections(lines)
    attributes = _attributes(lines)
    _fingerprints(attributes)
    if sum(line.startswith("a=candidate:") for line in lines) > MAX_CANDIDATES:
        raise InvalidDescription("candidates")
    for section in sections[1:]:
        _media(section)


def _lines(text: str) -> list[str]:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:  # half a surrogate pair, as JSON can carry it
        raise InvalidDescription("text") from None
    if not 0 < size <= MAX_SDP_BYTES or "\n" not in text:
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
    """The kind of an accepted section; None for a refused one (port 0 outside the bundle)."""
    parts = section[0][2:].split(" ")
    if len(parts) < 4 or parts[2] != "UDP/TLS/RTP/SAVPF" or parts[0] not in ("audio", "video"):
        raise InvalidDescription("profile")
    if parts[1] == "0":
        return None
    if "a=rtcp-mux" not in section:
        raise InvalidDescription("rtcp-mux")
    if not parts[3].isdigit():
        raise InvalidDescription("format")
    return KINDS.get(int(parts[3][:4]), "audio" if parts[0] == "audio" else "video")


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
        size = HASHES.get(match[1].lower())
        if size is not None and len(match[2]) != 3 * size - 1:
            raise InvalidDescription("fingerprint")
        if size is not None:
            found.append((match[1].lower(), match[2].upper()))
    if not found:
        raise InvalidDescription("no fingerprint of a hash we trust")
    return tuple(found)
