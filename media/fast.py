"""The fast engine: batches of datagrams, libsrtp called in place, headers rewritten in place.

A packet is never copied but for a second sink, and no object is made for it. What is not an RTP packet of a
known address goes the plain way through `mux.py`. The rules are `plain.py`'s, packet for packet
(tests/media runs both). Needs Linux and no compiler (`batch.py`).
Source: docs/media.md, "Engines"; RFC 3550, RFC 8285, RFC 4588.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from struct import Struct
from typing import Any

from pylibsrtp._binding import lib

from media import rtp
from media.batch import COPIES, RECEIVED, SENT, SLOT_BYTES, Batch
from media.guard import MAX_DATAGRAM_BYTES, Address
from media.leg import Leg
from media.mux import Mux
from media.path import Path
from media.plane import Plane
from media.tracks import HALF, Binding, Out

ROUNDS = 4
# Waking up costs more than a packet. When they come often, one that woke us waits for those behind it.
GATHER_S = 0.000_2
GATHER_ABOVE_PPS = 3_000
RATE_EVERY_S = 0.1
REPLAY = (9, 10)
_HEADER = Struct("!BBHLL").unpack_from
_NUMBERS = Struct("!HLL").pack_into
_VOICE = Struct("!LBBBB").unpack_from
_SEQ = Struct("!H")


class FastPlane(Plane):
    """Plane over a Batch. `receive` is the hot loop of the whole server."""

    name = "fast"

    def __init__(self, drop: Callable[[str], None]) -> None:
        super().__init__(drop)
        self.mux: Mux | None = None
        self._sock: socket.socket | None = None
        self._batch: Batch = None  # type: ignore[assignment]
        self._by_key: dict[Any, Path] = {}
        # By address of a peer: its key, and which of our addresses it asked.
        self._peers: dict[Address, tuple[Any, bytes]] = {}
        self._asking: tuple[Address, bytes] = (("", 0), b"")
        self._queued = 0
        self._copied = 0
        self._gathers = False
        self._counted = 0
        self._rated_s = 0.0

    # --- mux.Port -------------------------------------------------------------------------------

    async def open(self, sock: socket.socket) -> None:
        self._sock = sock
        self._batch = Batch(sock)
        loop = asyncio.get_running_loop()
        loop.add_reader(sock.fileno(), self._readable)
        self._rate_again()

    def close(self) -> None:
        if self._sock is not None and self._sock.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._sock.fileno())
            self._sock.close()

    def send(self, data: bytes, address: Address) -> None:
        """From the address that was asked: a peer takes no answer from another one."""
        if self._sock is None:
            return
        ours = self._asking[1] if self._asking[0] == address else self._asked(address)
        try:
            self._sock.sendmsg((data,), self._batch.ancillary(ours), 0, address)
        except OSError:
            self.drop("socket_error")

    def forget(self, address: Address) -> None:
        if (peer := self._peers.pop(address, None)) is not None:
            self._by_key.pop(peer[0], None)

    def _asked(self, address: Address) -> bytes:
        return self._peers[address][1] if address in self._peers else b""

    # --- the loop -------------------------------------------------------------------------------

    def _readable(self) -> None:
        if self._gathers:
            time.sleep(GATHER_S)
        for _ in range(ROUNDS):
            count = self._batch.receive()
            self._counted += count
            if count:
                self._process(count)
                self._flush()
            if count < RECEIVED:
                return

    def _rate_again(self) -> None:
        """Whether packets come so often that gathering them pays."""
        if self._sock is None or self._sock.fileno() < 0:
            return
        asyncio.get_running_loop().call_later(RATE_EVERY_S, self._rate_again)
        now_s = time.monotonic()
        passed_s = now_s - self._rated_s
        self._gathers = self._counted > GATHER_ABOVE_PPS * passed_s
        self._counted, self._rated_s = 0, now_s

    def _process(self, count: int) -> None:
        batch = self._batch
        view, sizes, lengths = batch.view, batch.sizes, batch.lengths
        unprotect, by_key, v6, names = lib.srtp_unprotect, self._by_key, batch.v6, batch.names
        now_s = time.monotonic()
        for slot in range(count):
            size = sizes[slot * 16 + 14]
            at = slot * SLOT_BYTES
            path = by_key.get(batch.key(slot) if v6 else names[slot * 4])
            if (
                path is None
                or not 12 <= size <= MAX_DATAGRAM_BYTES
                or view[at] & 0xC0 != 0x80
                or 192 <= view[at + 1] <= 223
                or not path.connected
            ):
                self._other(slot, bytes(view[at : at + size]))
                continue
            path.budget -= 1
            if path.budget < 0:
                self.drop("flood")
                continue
            lengths[slot] = size
            status = unprotect(path.srtp_in, batch.pointers[slot], batch.length_pointers[slot])
            if status:
                self.drop("srtp_replay" if status in REPLAY else "srtp_auth")
                continue
            path.heard_s = now_s
            leg: Leg = path.owner  # type: ignore[assignment]
            if leg.speaking is path or leg.turn_to(path):
                self._forward(leg, path, slot, lengths[slot], now_s)

    def _forward(self, leg: Leg, path: Path, slot: int, size: int, now_s: float) -> None:
        """One unprotected packet in its slot: whose it is, where its extensions lie, then to its sinks."""
        view = self._batch.view
        at = slot * SLOT_BYTES
        flags, _, seq, timestamp, ssrc = _HEADER(view, at)
        binding = path.bindings.get(ssrc)
        if binding is not None and flags == 0x90 and (voice := _voice_extension(view, at, size)):
            level, mid = voice
            binding.track.level = view[level] & 0x7F
            self._fan_out(binding, slot, size, (seq, timestamp, size - 20, 0, mid), now_s)
            return
        header = rtp.parse(view, at, at + size)
        if header is None:
            self.drop("rtp_malformed")
            return
        binding = binding or self.bind(leg, path, header)
        if binding is None:
            return
        if header.level:
            binding.track.level = view[header.level] & 0x7F
        if header.twcc and leg.arrivals is not None:
            leg.arrivals.add(view[header.twcc] << 8 | view[header.twcc + 1], now_s)
        if binding.rtx:
            self._again(binding, slot, size, header)
        else:
            numbers = (seq, timestamp, header.payload, header.twcc, header.mid)
            self._fan_out(binding, slot, size, numbers, now_s)

    def _fan_out(
        self, binding: Binding, slot: int, size: int, found: tuple[int, int, int, int, int], now_s: float
    ) -> None:
        """To every sink of the track: the last one in place, the others as copies."""
        seq, timestamp, payload, twcc, mid = found
        view = self._batch.view
        at = slot * SLOT_BYTES
        track = binding.track
        track.source = binding
        track.heard_s = now_s
        left = len(track.outs)
        for out in track.outs:
            left -= 1
            to = out.sink.current
            if to is None:
                out.miss(binding, bytes(view[at : at + size]), now_s)
                continue
            if out.source is not binding:
                out.take_over(binding, seq, timestamp, now_s)
            sent_seq = (seq + out.seq_offset) & 0xFFFF
            sent_timestamp = (timestamp + out.timestamp_offset) & 0xFFFFFFFF
            use = self._copy(slot, size) if left else slot
            shift = use * SLOT_BYTES
            _NUMBERS(view, shift + 2, sent_seq, sent_timestamp, out.ssrc)
            if mid:
                view[shift + mid - at] = out.mid
            if twcc:
                self._number(binding, out, shift, twcc - at)
            if out.video:
                out.keep(sent_seq, bytes(view[shift : shift + size]))
            if self._protect(to, use, size):
                out.packets += 1
                out.octets += payload
                if (sent_seq - out.last_seq) & 0xFFFF < HALF:
                    out.last_seq, out.last_timestamp, out.last_s = sent_seq, sent_timestamp, now_s

    def _again(self, binding: Binding, slot: int, size: int, header: rtp.Header) -> None:
        """A retransmission of the source: numbered anew, its original number as the sink knows it."""
        view, at = self._batch.view, slot * SLOT_BYTES
        for out in binding.track.outs:
            to, source = out.sink.current, out.source
            if to is None or source is None or source.path is not binding.path or not to.takes_rtx:
                continue
            use = self._copy(slot, size)
            shift = use * SLOT_BYTES
            timestamp = (header.timestamp + out.timestamp_offset) & 0xFFFFFFFF
            _NUMBERS(view, shift + 2, out.next_rtx_seq(), timestamp, out.rtx_ssrc)
            if header.mid:
                view[shift + header.mid - at] = out.mid
            if header.twcc:
                self._number(binding, out, shift, header.twcc - at)
            if header.payload >= 2:
                original = _SEQ.unpack_from(view, at + header.size)[0] + out.seq_offset
                _SEQ.pack_into(view, shift + header.size, original & 0xFFFF)
            self._protect(to, use, size)

    def _number(self, binding: Binding, out: Out, shift: int, twcc: int) -> None:
        """A transport-wide number: kept, and remembered, only when the sink's report reaches the source."""
        leg: Leg = binding.track.leg  # type: ignore[assignment]
        if leg.through is out.sink and leg.passed is not None:
            leg.passed.add(_SEQ.unpack_from(self._batch.view, shift + twcc)[0])
            return
        packet = self._batch.view[shift : shift + SLOT_BYTES]
        rtp.blank_twcc(packet, twcc, rtp.is_two_byte(packet))

    def _copy(self, slot: int, size: int) -> int:
        """The packet of a slot once more, in a slot of its own; sends first when there is none left."""
        use = self._spare()
        view = self._batch.view
        at, to = slot * SLOT_BYTES, use * SLOT_BYTES
        view[to : to + size] = view[at : at + size]
        return use

    def _protect(self, path: Path, slot: int, size: int) -> bool:
        """Protect in place and queue for the path's address."""
        batch = self._batch
        address = path.address
        batch.lengths[slot] = size
        if address is None or lib.srtp_protect(
            path.srtp_out, batch.pointers[slot], batch.length_pointers[slot]
        ):
            self.drop("protect")
            return False
        if path.target_of is not address:
            path.target_of = address
            path.target = batch.target(address, self._asked(address))
        queued = self._queued
        words, at = batch.targets, 8 * queued
        words[at], words[at + 4], words[at + 5], _ = path.target
        batch.parts[2 * queued] = batch.bases[slot]
        batch.parts[2 * queued + 1] = batch.lengths[slot]
        self._queued = queued + 1
        if self._queued == SENT:
            self._flush()
        return True

    def _flush(self) -> None:
        if self._queued:
            refused = self._batch.send(self._queued)
            for _ in range(refused):
                self.drop("send_refused")
        self._queued = self._copied = 0

    def _other(self, slot: int, data: bytes) -> None:
        """Checks, handshakes, feedback, strangers: the plain way; then remember whose address it is."""
        assert self.mux is not None
        address, ours = self._batch.address(slot), self._batch.asked(slot)
        self._asking = (address, ours)
        self.mux.datagram(data, address)
        if (path := self.mux.path_at(address)) is not None:
            if self._asked(address) != ours:
                path.target_of = None
            key = self._batch.key(slot)
            self._by_key[key], self._peers[address] = path, (key, ours)

    def move(self, leg: Leg, path: Path, packet: bytes) -> None:
        """Media that came the plain way (an address just learned): in at the front of a spare slot."""
        use = self._spare()
        view = self._batch.view
        view[use * SLOT_BYTES : use * SLOT_BYTES + len(packet)] = packet
        self._forward(leg, path, use, len(packet), time.monotonic())
        self._flush()

    def _spare(self) -> int:
        if self._copied == COPIES:
            self._flush()
        self._copied += 1
        return RECEIVED + self._copied - 1


def _voice_extension(view: memoryview, at: int, size: int) -> tuple[int, int] | None:
    """(level, mid) when the extensions are one word that begins with the audio level: a browser's voice."""
    if size < 20:
        return None
    form, first, _, second, mid = _VOICE(view, at + 12)
    if form != 0xBEDE0001 or first != 0x10 or not (second == 0x40 or not (second or mid)):
        return None
    return at + 17, at + 19 if second else 0
