"""The media node: what the server sees of media. Legs open paths, routes say who hears whom.

One port, one certificate, one plane; no tasks, only timers: everything happens in datagram callbacks and
short calls. The listener hears when a leg is carried, when its last path is lost, and gets fresh tickets.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import secrets
import time
from collections.abc import Callable
from pathlib import Path as FilePath
from struct import pack
from typing import Protocol

from aioice.ice import get_host_addresses
from aiortc.rtcdtlstransport import RTCCertificate
from msgspec import Struct

from media import hold_music, rtp, sdp
from media.guard import Drops, Kind
from media.leg import Leg
from media.mux import Mux
from media.path import Path
from media.plane import PlainPlane
from signaling.effects import HOLD_MUSIC, Route
from signaling.errors import LegLost, NegotiationFailed, StaleRevision
from signaling.protocol import EngagementId, IceServer, LegId, PathId, PathOffer

logger = logging.getLogger(__name__)

OFFER_LIFE_S = 30.0
TICKET_LIFE_S = 150.0
TICKET_EVERY_S = 60.0
SWEEP_S = 1.0
FRAME_S = 0.020


class MediaConfig(Struct, frozen=True):
    """host/port to bind; public_*: what candidates say instead; ice_servers(leg): for the browser."""

    host: str
    port: int
    public_ip: str
    public_udp_port: int
    data_dir: FilePath
    ice_servers: Callable[[str], list[IceServer]]


class MediaListener(Protocol):
    def path_connected(self, engagement: EngagementId, leg: LegId, path: PathId) -> None: ...
    def path_lost(self, engagement: EngagementId, leg: LegId, path: PathId) -> None: ...
    def ticket_issued(self, engagement: EngagementId, leg: LegId, offer: PathOffer) -> None: ...


class MediaNode:
    """Facade; `listener` is set before `start`."""

    def __init__(self, config: MediaConfig) -> None:
        self._config = config
        self.listener: MediaListener | None = None
        self._drops = Drops()
        self._mux = Mux(self._drops)
        self._plane = PlainPlane(self._drops.count)
        self._legs: dict[LegId, Leg] = {}
        self._certificate = RTCCertificate.generateCertificate()
        self._fingerprint = self._certificate.getFingerprints()[0].value
        self._addresses: list[tuple[str, int]] = []
        self._music: list[bytes] = []
        self._music_at = 0
        self._music_due_s = 0.0
        self._closed = False

    async def start(self) -> None:
        """Bind the port and begin to sweep. Raises: OSError when the port is taken."""
        port = await self._mux.open(self._bind_host(), self._config.port)
        self._addresses = self._candidates(port)
        loop = asyncio.get_running_loop()
        loop.call_later(SWEEP_S, self._sweep)
        self._music = await loop.run_in_executor(None, hold_music.load, self._config.data_dir)
        self._music_due_s = loop.time()
        self._play()

    async def close(self) -> None:
        self._closed = True
        try:
            for leg in list(self._legs.values()):
                leg.close()
        finally:
            self._mux.close()

    # --- what effects order -----------------------------------------------------------------------

    async def open_path(self, engagement: EngagementId, leg: LegId) -> PathOffer:
        """A complete offer for a new path of the leg; the leg is made at its first path."""
        if leg not in self._legs:
            self._legs[leg] = Leg(engagement, leg, self)
            self._plane.add_leg(self._legs[leg])
        return self._offer(self._legs[leg], OFFER_LIFE_S)

    async def apply_answer(self, leg: LegId, path: PathId, revision: int, sdp_text: str) -> PathOffer | None:
        """Take the peer's description; returns the leg's next path in advance (its ticket).

        Raises: NotFound (spent or too old), StaleRevision, InvalidDescription, InvalidTransition,
        NegotiationFailed when the handshake was with somebody else.
        """
        if leg not in self._legs:
            raise LegLost(leg, code="not_found")
        held = self._legs[leg]
        answered = held.path(path)
        if revision != answered.revision:
            raise StaleRevision(revision)
        answered.answer(sdp.parse_answer(sdp_text))
        if answered.closed:
            raise NegotiationFailed("fingerprint", path)
        held.ticket_made_s = time.monotonic()
        return self._offer(held, TICKET_LIFE_S)

    def set_routes(self, engagement: EngagementId, routes: tuple[Route, ...]) -> None:
        self._plane.set_routes(engagement, routes)

    async def close_legs(self, legs: tuple[LegId, ...]) -> None:
        for identity in legs:
            self._plane.drop_leg(identity)
            leg = self._legs.pop(identity, None)
            if leg is not None:
                leg.close()

    def counters(self) -> dict[str, int]:
        """Drops by reason, for `/metrics`."""
        return self._drops.all()

    def leg(self, leg: LegId) -> Leg | None:
        """For statistics and tests."""
        return self._legs.get(leg)

    # --- leg.Listener -----------------------------------------------------------------------------

    def leg_connected(self, leg: Leg, path: Path) -> None:
        self._plane.sink_connected(leg)
        if self.listener is not None:
            self.listener.path_connected(leg.engagement, leg.id, path.id)

    def leg_path_gone(self, leg: Leg, path: Path, *, was_current: bool) -> None:
        self._mux.remove(path)
        if was_current and leg.id in self._legs and not self._closed and self.listener is not None:
            self.listener.path_lost(leg.engagement, leg.id, path.id)

    def leg_packet(self, leg: Leg, path: Path, kind: Kind, packet: bytes) -> None:
        self._plane.packet(leg, path, kind, packet)

    # --- offers -----------------------------------------------------------------------------------

    def _offer(self, leg: Leg, life_s: float) -> PathOffer:
        path = Path(self._certificate, leg, self._mux.send, self._drops.count, life_s)
        self._mux.add(path)
        leg.add(path)
        transport = sdp.Transport(path.ufrag, path.password, self._fingerprint, self._addresses)
        ssrcs = {kind: out.ssrc for kind, out in leg.out.items()}
        return PathOffer(
            engagement=leg.engagement,
            leg=leg.id,
            path=path.id,
            revision=path.revision,
            sdp=sdp.offer(secrets.randbits(62), path.revision, transport, ssrcs),
            expires_ms=int((time.time() + life_s) * 1_000),
            ice_servers=self._config.ice_servers(leg.id),
        )

    def _bind_host(self) -> str:
        """Every address: browsers do not send to loopback from a page that is allowed a microphone
        unless told to, but reach the machine's own address. The guard stands in front of it."""
        return "0.0.0.0" if ":" not in self._config.host else self._config.host

    def _candidates(self, port: int) -> list[tuple[str, int]]:
        if self._config.public_ip:
            return [(self._config.public_ip, self._config.public_udp_port or port)]
        try:
            address = ipaddress.ip_address(self._config.host)
        except ValueError:
            address = ipaddress.ip_address("127.0.0.1")
        if not address.is_unspecified and not address.is_loopback:
            return [(str(address), port)]
        six = address.version == 6
        local = get_host_addresses(use_ipv4=not six, use_ipv6=six)
        loopback = [str(address)] if address.is_loopback else []
        return [(host, port) for host in [*loopback, *local][:4]]

    # --- timers -----------------------------------------------------------------------------------

    def _sweep(self) -> None:
        if self._closed:
            return
        asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)
        now_s = time.monotonic()
        for leg in list(self._legs.values()):
            leg.sweep()
            if leg.is_due_for_ticket(now_s, TICKET_EVERY_S) and self.listener is not None:
                leg.ticket_made_s = now_s
                self.listener.ticket_issued(leg.engagement, leg.id, self._offer(leg, TICKET_LIFE_S))

    def _play(self) -> None:
        """One 20 ms packet of hold music to whoever waits; sleeps longer while nobody does."""
        if self._closed:
            return
        loop = asyncio.get_running_loop()
        sinks = self._plane.music_sinks()
        now_s = loop.time()
        if not sinks:
            loop.call_later(5 * FRAME_S, self._play)
            return
        behind = now_s - self._music_due_s > 10 * FRAME_S
        self._music_due_s = (now_s if behind else self._music_due_s) + FRAME_S
        loop.call_at(self._music_due_s, self._play)
        self._music_at += 1
        payload = self._music[self._music_at % len(self._music)]
        seq, timestamp = self._music_at & 0xFFFF, (self._music_at * 960) & 0xFFFFFFFF
        packet = pack("!BBHLL", 0x80, sdp.OPUS, seq, timestamp, 1) + payload
        header = rtp.Header(sdp.OPUS, False, seq, timestamp, 1, rtp.MIN_HEADER_BYTES)
        for sink in sinks:
            sink.out["audio"].source_leg = None
            self._plane.send(sink, "audio", header, packet, (HOLD_MUSIC, 1))
