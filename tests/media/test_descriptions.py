"""Descriptions that a bad client sends: refused with the one typed error; the honest answer still counts."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peer import PeerPath, Voice
from media import sdp
from media.node import MediaNode
from signaling.errors import InvalidDescription, NegotiationFailed
from signaling.protocol import MAX_SDP_BYTES
from tests.media.attacks import HeldPath, arrived
from tests.media.conftest import A, Client, E, Heard, until
from tests.media.test_attacks import TONE, Victim, carries, faults, other

__all__ = ["faults", "other"]

CHROMIUM = (Path(__file__).parents[1] / "vectors/answers/chromium.sdp").read_bytes().decode()
FINGERPRINT = re.compile(r"(?m)^a=fingerprint:sha-256 [0-9A-F:]+\r\n")
SETUP = "a=setup:passive"


def digest(algorithm: str, size: int) -> str:
    return f"a=fingerprint:{algorithm} {':'.join(['AB'] * size)}\r\n"


BAD: dict[str, Callable[[str], str]] = {
    "empty": lambda good: "",
    "blank": lambda good: "\r\n" * 40,
    "no line end": lambda good: good.replace("\r\n", ""),
    "CR alone": lambda good: good.replace("\r\n", "\r"),
    "not a description": lambda good: "GET / HTTP/1.1\r\n\r\n",
    "another version": lambda good: good.replace("v=0", "v=1", 1),
    "a NUL": lambda good: good.replace("s=-", "s=-\x00", 1),
    "half a character": lambda good: good.replace("s=-", "s=\ud800", 1),
    "33 KiB": lambda good: good + "a=x:" + "y" * MAX_SDP_BYTES + "\r\n",
    "too many lines": lambda good: good + "a=x\r\n" * 1_000,
    "too many sections": lambda good: good + good[good.index("m=") :] * 9,
    "no section": lambda good: good[: good.index("m=")],
    "200 candidates": lambda good: good + "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n" * 200,
    "no fingerprint": lambda good: FINGERPRINT.sub("", good),
    "sha-1 alone": lambda good: FINGERPRINT.sub(digest("sha-1", 20), good),
    "md5 alone": lambda good: FINGERPRINT.sub(digest("md5", 16), good),
    "a digest cut short": lambda good: FINGERPRINT.sub(digest("sha-256", 31), good),
    "a digest too long": lambda good: FINGERPRINT.sub(digest("sha-256", 33), good),
    "no digest": lambda good: FINGERPRINT.sub("a=fingerprint:sha-256\r\n", good),
    "setup active": lambda good: good.replace(SETUP, "a=setup:active"),
    "setup actpass": lambda good: good.replace(SETUP, "a=setup:actpass"),
    "setup holdconn": lambda good: good.replace(SETUP, "a=setup:holdconn"),
    "setup both": lambda good: good.replace(SETUP, "a=setup:active", 1),
    "no setup": lambda good: good.replace(SETUP + "\r\n", ""),
    "AVP": lambda good: good.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"),
    "AVPF": lambda good: good.replace("UDP/TLS/RTP/SAVPF", "RTP/AVPF"),
    "SAVP with SDES": lambda good: good.replace("UDP/TLS/RTP/SAVPF", "RTP/SAVP"),
    "AVP in one section": lambda good: good.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP", 1),
    "data channel": lambda good: good.replace("m=audio 9 UDP/TLS/RTP/SAVPF", "m=application 9 UDP/DTLS/SCTP"),
    "no multiplexing": lambda good: good.replace("a=rtcp-mux\r\n", ""),
    "ufrag of 257": lambda good: re.sub(r"a=ice-ufrag:\S+", "a=ice-ufrag:" + "u" * 257, good),
    "ufrag of 3": lambda good: re.sub(r"a=ice-ufrag:\S+", "a=ice-ufrag:abc", good),
    "ufrag with a colon": lambda good: re.sub(r"a=ice-ufrag:\S+", "a=ice-ufrag:abcd:efgh", good),
    "two ufrags": lambda good: good + "a=ice-ufrag:other\r\n",
    "short password": lambda good: re.sub(r"a=ice-pwd:\S+", "a=ice-pwd:" + "p" * 21, good),
    "formats in words": lambda good: re.sub(r"SAVPF [\d ]+", "SAVPF opus", good),
}


@pytest.mark.parametrize("name", BAD)
def test_a_browsers_answer_made_bad_is_refused(name: str) -> None:
    sdp.parse_answer(CHROMIUM)
    with pytest.raises(InvalidDescription):
        sdp.parse_answer(BAD[name](CHROMIUM))


@pytest.mark.parametrize("phase", ["before", "during", "call"])
@pytest.mark.parametrize("name", BAD)
async def test_a_bad_answer_costs_nothing(
    node: MediaNode, heard: Heard, other: Client, faults: Any, name: str, phase: str
) -> None:
    """Before the first check, in the handshake, and for the next path of a running call."""
    victim = Victim(node, A)
    if phase == "call":
        await victim.reach("call")
        assert victim.ticket is not None
        offer, path = victim.ticket, HeldPath(victim.ticket.sdp, lambda *_: None)
    else:
        offer = await node.open_path(E, A)
        path = HeldPath(offer.sdp, lambda header, data, _: victim.got.append((header, data)))
        path.holding = phase == "during"
    if phase == "during":
        await path.start()
        await until(lambda: bool(path.kept))
    with pytest.raises(InvalidDescription):
        await node.apply_answer(A, offer.path, offer.revision, BAD[name](path.answer_sdp))
    await victim.answer(offer, path)
    if phase != "during":
        await path.start()
    path.release()
    await until(lambda: (A, offer.path) in heard.connected)
    await until(path.connected.done)
    fresh = Victim(node, A)
    fresh.path, fresh.got = path, victim.got
    await carries_one_way(fresh, other)
    assert heard.lost == []


async def carries_one_way(source: Client, sink: Client) -> None:
    voice = Voice(TONE)
    voice.path = source.path
    before = len(sink.got)
    voice.send_one()
    await until(lambda: len(sink.got) > before)


@pytest.mark.parametrize("phase", ["before", "during", "after"])
async def test_a_swapped_fingerprint_connects_nobody_and_harms_no_other_path(
    node: MediaNode, heard: Heard, other: Client, faults: Any, phase: str
) -> None:
    """Whoever holds the socket is not whom signaling names: that path is closed, the call goes on."""
    victim = Victim(node, A)
    await victim.reach("call")
    assert victim.ticket is not None
    path = HeldPath(victim.ticket.sdp, lambda *_: None)
    path.holding = phase == "during"
    swapped = FINGERPRINT.sub(digest("sha-256", 32), path.answer_sdp)
    assert swapped != path.answer_sdp
    if phase == "before":
        await node.apply_answer(A, victim.ticket.path, 0, swapped)
        await path.start()
    elif phase == "during":
        await path.start()
        await until(lambda: bool(path.kept))
        await node.apply_answer(A, victim.ticket.path, 0, swapped)
        path.release()
    else:
        await path.start()
        await until(path.connected.done)
        await arrived()
        with pytest.raises(NegotiationFailed):
            await node.apply_answer(A, victim.ticket.path, 0, swapped)
    await until(lambda: node.counters().get("fingerprint_mismatch") == 1)
    assert (A, victim.ticket.path) not in heard.connected
    await carries(victim, other)
    assert heard.lost == []


async def test_a_second_fingerprint_beside_the_right_one_is_no_way_in(
    node: MediaNode, heard: Heard, other: Client, faults: Any
) -> None:
    """Every digest that is named must be the handshake's, or one signer could name two."""
    offer = await node.open_path(E, A)
    path = PeerPath(offer.sdp, lambda *_: None)
    both = path.answer_sdp.replace("a=setup", digest("sha-256", 32) + "a=setup", 1)
    await node.apply_answer(A, offer.path, 0, both)
    await path.start()
    await until(lambda: node.counters().get("fingerprint_mismatch") == 1)
    assert (A, offer.path) not in heard.connected
