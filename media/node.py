"""The media node: what the server sees of media. Legs open paths, routes say who hears whom.

One port, one certificate, one plane; no tasks, only timers: everything happens in datagram callbacks and
short calls. The listener hears when a leg is carried, when its last path is lost, who speaks, and gets
fresh tickets.
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
from typing import Literal, Protocol

from aioice.ice import get_host_addresses
from msgspec import Struct

from media import batch, port, rtp, sdp, sounds
from media.dtls import Identity
from media.fast import FastPlane
from media.guard import Drops, Kind
from media.leg import Leg
from media.mux import Mux
from media.path import Path
from media.plain import PlainPlane
from media.plane import Plane
from media.tracks import Binding, Out, Track
from signaling.effects import Route
from signaling.errors import LegLost, NegotiationFailed, StaleRevision
from signaling.protocol import AnswerReply, EngagementId, IceServer, LegId, PathId, PathOffer

logger = logging.getLogger(__name__)

OFFER_LIFE_S = 30.0
TICKET_LIFE_S = 150.0
TICKET_EVERY_S = 60.0
SWEEP_S, SWEEPS = 1.0, 20
FRAME_S = 0.020
REPORT_S = 0.1
WATCH_S = 0.2

Engine = Literal["auto", "plain", "fast"]


class MediaConfig(Struct, frozen=True):
    """host/port to bind; public_*: what candidates say instead; ice_servers(leg): for the browser.

    engine: `auto` is the fast one where the system has what it needs, else the plain one.
    """

    host: str
    port: int
    public_ip: str
    public_udp_port: int
    data_dir: FilePath
    ice_servers: Callable[[str], list[IceServer]]
    engine: Engine = "auto"


class MediaListener(Protocol):
    def path_connected(self, engagement: EngagementId, leg: LegId, path: PathId) -> None: ...
    def path_lost(self, engagement: EngagementId, leg: LegId, path: PathId) -> None: ...
    def ticket_issued(self, engagement: EngagementId, leg: LegId, offer: PathOffer) -> None: ...
    def speaker_changed(self, engagement: EngagementId, leg: LegId) -> None: ...


class MediaNode:
    """Facade; `listener` is set before `start`, and `relay_only` where a site may ask for TURN alone."""

    def __init__(self, config: MediaConfig) -> None:
        self._config = config
        self.listener: MediaListener | None = None
        self.relay_only: Callable[[EngagementId], bool] = lambda _: False
        self._drops = Drops()
        self._mux = Mux(self._drops)
        self._plane, self._port = _engine(config.engine, self._mux, self._drops)
        self._mux.port = self._port
        self._plane.bound = self._mux.bound
        self._legs: dict[LegId, Leg] = {}
        self._identity = Identity()
        self._addresses: list[tuple[str, int]] = []
        self._music = _Player(self._plane)
        self._tone = _Player(self._plane)
        self._play_due_s = 0.0
        self._swept = 0
        self._closed = False

    @property
    def engine(self) -> str:
        return self._plane.name

    async def start(self) -> None:
        """Bind the port and begin to sweep. Raises: OSError when the port is taken."""
        sock = port.bind(self._bind_host(), self._config.port)
        self._addresses = self._candidates(sock.getsockname()[1])
        await self._port.open(sock)
        loop = asyncio.get_running_loop()
        loaded = await loop.run_in_executor(None, sounds.load, self._config.data_dir)
        self._music.packets, self._tone.packets = loaded.music, loaded.tone
        self._play_due_s = loop.time()
        for every_s, work in (
            (SWEEP_S / SWEEPS, self._sweep),
            (REPORT_S, self._plane.report),
            (WATCH_S, self._watch),
        ):
            self._repeat(every_s, work)
        self._play()

    async def close(self) -> None:
        self._closed = True
        try:
            for leg in list(self._legs.values()):
                leg.close()
        finally:
            self._port.close()

    # --- what effects order -----------------------------------------------------------------------

    @property
    def calls(self) -> int:
        """Calls that are carried now."""
        return len({leg.engagement for leg in self._legs.values()})

    async def open_path(self, engagement: EngagementId, leg: LegId) -> PathOffer:
        """A complete offer for a new path of the leg; the leg is made at its first path."""
        if leg not in self._legs:
            self._legs[leg] = Leg(engagement, leg, self)
            self._plane.add_leg(self._legs[leg])
        return self._offer(self._legs[leg], OFFER_LIFE_S)

    async def apply_answer(self, leg: LegId, path: PathId, revision: int, sdp_text: str) -> AnswerReply:
        """Take the peer's description. To the first one of a path: its next revision and the leg's ticket.

        Raises: NotFound (spent or too old), StaleRevision, InvalidDescription, InvalidTransition,
        NegotiationFailed when the handshake was with somebody else.
        """
        if leg not in self._legs:
            raise LegLost(leg, code="not_found")
        held = self._legs[leg]
        answered = held.path(path)
        if revision != answered.revision or revision > 1:
            raise StaleRevision(revision)
        answered.answer(sdp.parse_answer(sdp_text))
        if answered.closed:
            raise NegotiationFailed("fingerprint", path)
        if revision > 0:
            return AnswerReply()
        held.ticket_made_s = time.monotonic()
        return AnswerReply(self._offer(held, TICKET_LIFE_S), self._offer_of(held, answered, OFFER_LIFE_S))

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
        path = Path(self._identity, leg, self._mux.send, self._drops.count, life_s)
        self._mux.add(path)
        leg.add(path)
        return self._offer_of(leg, path, life_s)

    def _offer_of(self, leg: Leg, path: Path, life_s: float) -> PathOffer:
        """The description of a path in its present revision."""
        transport = sdp.Transport(path.ufrag, path.password, self._identity.fingerprint, self._addresses)
        ssrcs = {out.section.mid: (out.ssrc, out.rtx_ssrc) for out in leg.outs.values()}
        return PathOffer(
            engagement=leg.engagement,
            leg=leg.id,
            path=path.id,
            revision=path.revision,
            sdp=sdp.offer(secrets.randbits(62), path.revision, transport, ssrcs),
            expires_ms=int((time.time() + life_s) * 1_000),
            ice_servers=self._config.ice_servers(leg.id),
            relay_only=self.relay_only(leg.engagement),
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

    def _repeat(self, every_s: float, work: Callable[[], None]) -> None:
        if not self._closed:
            asyncio.get_running_loop().call_later(every_s, self._repeat, every_s, work)
            work()

    def _sweep(self) -> None:
        """A part of the legs at a time, all of them in SWEEP_S: no packet waits for all."""
        now_s = time.monotonic()
        self._swept = (self._swept + 1) % SWEEPS
        for leg in list(self._legs.values())[self._swept :: SWEEPS]:
            leg.sweep()
            if leg.is_due_for_ticket(now_s, TICKET_EVERY_S) and self.listener is not None:
                leg.ticket_made_s = now_s
                self.listener.ticket_issued(leg.engagement, leg.id, self._offer(leg, TICKET_LIFE_S))

    def _watch(self) -> None:
        for engagement, leg in self._plane.watch(time.monotonic()):
            if self.listener is not None:
                self.listener.speaker_changed(engagement, leg)

    def _play(self) -> None:
        """One 20 ms packet to whoever waits or misses somebody; sleeps longer while nobody does."""
        if self._closed:
            return
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        waiting, missing = list(self._plane.music.outs), self._plane.missing(time.monotonic())
        if not waiting and not missing:
            loop.call_later(5 * FRAME_S, self._play)
            return
        behind = now_s - self._play_due_s > 10 * FRAME_S
        self._play_due_s = (now_s if behind else self._play_due_s) + FRAME_S
        loop.call_at(self._play_due_s, self._play)
        self._music.play(waiting)
        self._tone.play(missing)


class _Player:
    """One of our own sounds: the same packet to all its sinks, then the next."""

    def __init__(self, plane: Plane) -> None:
        self.packets: list[bytes] = []
        self._plane = plane
        self._binding = Binding(Track(None, "audio"), None, 1)
        self._at = 0

    def play(self, outs: list[Out]) -> None:
        self._at += 1
        payload = self.packets[self._at % len(self.packets)]
        seq, timestamp = self._at & 0xFFFF, (self._at * 960) & 0xFFFFFFFF
        packet = pack("!BBHLL", 0x80, sdp.OPUS, seq, timestamp, 1) + payload
        size = rtp.MIN_HEADER_BYTES
        header = rtp.Header(sdp.OPUS, False, seq, timestamp, 1, size, len(payload))
        for out in outs:
            self._plane.play(out, self._binding, header, packet)


def _engine(engine: Engine, mux: Mux, drops: Drops) -> tuple[Plane, port.PlainPort | FastPlane]:
    """The chosen engine and its port; the fast engine is its own."""
    if engine == "fast" or (engine == "auto" and batch.available()):
        fast = FastPlane(drops.count)
        fast.mux = mux
        return fast, fast
    return PlainPlane(drops.count), port.PlainPort(mux, drops)
