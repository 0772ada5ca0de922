"""A media node on loopback and small client legs that speak real ICE, DTLS and SRTP with it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peer import PeerPath, close_all
from media import rtp, sounds
from media.node import MediaConfig, MediaNode
from signaling.effects import Route
from signaling.protocol import EngagementId, LegId, PathId, PathOffer

E = EngagementId("e_1")
A, B = LegId("l_a"), LegId("l_b")


class Heard:
    """A media listener that remembers."""

    def __init__(self) -> None:
        self.connected: list[tuple[LegId, PathId]] = []
        self.lost: list[tuple[LegId, PathId]] = []
        self.tickets: list[PathOffer] = []
        self.speakers: list[LegId] = []

    def path_connected(self, engagement: EngagementId, leg: LegId, path: PathId) -> None:
        self.connected.append((leg, path))

    def path_lost(self, engagement: EngagementId, leg: LegId, path: PathId) -> None:
        self.lost.append((leg, path))

    def ticket_issued(self, engagement: EngagementId, leg: LegId, offer: PathOffer) -> None:
        self.tickets.append(offer)

    def speaker_changed(self, engagement: EngagementId, leg: LegId) -> None:
        self.speakers.append(leg)


class Client:
    """One leg's client: connects by an offer, keeps what arrived."""

    def __init__(self, node: MediaNode, leg: LegId) -> None:
        self.node = node
        self.leg = leg
        self.got: list[tuple[rtp.Header, bytes]] = []
        self.path: PeerPath | None = None
        self.ticket: PathOffer | None = None
        self.offered: PathOffer | None = None

    async def connect(self, offer: PathOffer | None = None, *, answer_first: bool = True) -> PeerPath:
        offer = offer or await self.node.open_path(E, self.leg)
        path = PeerPath(offer.sdp, lambda header, packet, _: self.got.append((header, packet)))
        if answer_first:
            await self.answer(offer, path)
        await path.start()
        async with asyncio.timeout(5):
            await path.connected
        if not answer_first:
            await self.answer(offer, path)
        self.path = path
        return path

    async def answer(self, offer: PathOffer, path: PeerPath) -> None:
        reply = await self.node.apply_answer(self.leg, offer.path, offer.revision, path.answer_sdp)
        assert reply.offer is not None
        self.ticket, self.offered = reply.ticket, reply.offer
        await self.node.apply_answer(self.leg, offer.path, 1, path.answer_to(reply.offer.sdp))


async def until(check: Callable[[], bool], seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not check():
            await asyncio.sleep(0.005)


@pytest.fixture(scope="session")
def music_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("media")
    sounds.load(directory)
    return directory


@pytest.fixture
async def heard() -> Heard:
    return Heard()


@contextlib.asynccontextmanager
async def running(heard: Heard, *settings: Any) -> AsyncIterator[MediaNode]:
    """A node with these MediaConfig settings while the context is open."""
    media = MediaNode(MediaConfig(*settings))
    media.listener = heard
    await media.start()
    yield media
    close_all()
    await media.close()
    await asyncio.sleep(0)


@pytest.fixture(params=["plain", "fast"])
async def node(request: pytest.FixtureRequest, music_dir: Path, heard: Heard) -> AsyncIterator[MediaNode]:
    """Every test that takes it runs on both engines."""
    async with running(heard, "127.0.0.1", 0, "", 0, music_dir, lambda leg: [], request.param) as media:
        yield media


BOTH = (Route(A, B, "audio"), Route(B, A, "audio"), Route(A, B, "video"), Route(B, A, "video"))


async def pair(node: MediaNode, sink: type[Client] = Client) -> tuple[Client, Any]:
    """Two legs that hear and see each other; the second one's client is a `sink`."""
    a, b = Client(node, A), sink(node, B)
    node.set_routes(E, BOTH)
    await a.connect()
    await b.connect()
    return a, b
