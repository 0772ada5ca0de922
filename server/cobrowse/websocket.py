"""The WebSocket of a shared page as bytes: a client's frames to messages, our messages to frames.

Our own, because forwarding is what this server exists for: a message costs no task's turn and no queue. Pure:
bytes in, messages out, one at a time, so that the caller's budget stops a flood before it is inflated. Total:
whatever comes is a message, a wait for more, or `Refused` with a close code of docs/cobrowse_wire.md. Source:
RFC 6455 sections 5 and 7, RFC 7692 section 7.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from struct import Struct
from typing import Final

from cobrowse.ops import MAX_FRAME_BYTES

CONTINUATION: Final = 0
TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10
MAX_CONTROL_BYTES: Final = 125
MAX_FRAGMENTS: Final = 1_024
# What fits one packet is not compressed: it would cost more than all the rest and save nobody a packet.
COMPRESS_OVER: Final = 1_400
MALFORMED, TOO_BIG = 4400, 4413

_FIN: Final = 0x80
_DEFLATED: Final = 0x40
_RESERVED: Final = 0x30
_MASKED: Final = 0x80
_TAIL: Final = b"\0\0\xff\xff"
_ACCEPT: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SHORT, _LONG, _CODE = Struct("!BBH").pack, Struct("!BBQ").pack, Struct("!H").pack

Message = tuple[int, bytes]


class Refused(Exception):
    """What came cannot be; the socket is to be closed with `code`."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class Reader:
    """Frames of one client: `feed` what came, then `next` until it is None.

    deflated: permessage-deflate was agreed. A message is (opcode, payload): BINARY, TEXT, CLOSE, PING, PONG;
    payload <= MAX_FRAME_BYTES, inflated and unmasked.
    """

    def __init__(self, *, deflated: bool) -> None:
        self._inflate = zlib.decompressobj(wbits=-zlib.MAX_WBITS) if deflated else None
        # first bytes of nearly all frames: nothing about them needs a second look
        self._ordinary = {_FIN | BINARY, _FIN | BINARY | _DEFLATED} if deflated else {_FIN | BINARY}
        self._data = b""
        self._at = 0
        # a frame that is not whole yet, and how long it will be at least
        self._rest = bytearray()
        self._need = 0
        # a message that is not whole yet
        self._opcode = 0
        self._packed = False
        self._parts: list[bytes] = []
        self._parts_bytes = 0

    def feed(self, data: bytes) -> None:
        """Take what came; costs the same for a byte whether a frame comes whole or in crumbs."""
        rest = self._rest
        if self._at < len(self._data):
            rest += memoryview(self._data)[self._at :]
            self._need = 0
        if not rest:
            self._data, self._at = data, 0
            return
        rest += data
        if len(rest) >= self._need:
            self._data, self._at = bytes(rest), 0
            rest.clear()
        else:
            self._data, self._at = b"", 0

    def next(self) -> Message | None:
        """The next whole message, or None. Raises: Refused; nothing is to be fed after it."""
        while (found := self._frame()) is not None:
            head, payload = found
            opcode = head & 0x0F
            if opcode >= CLOSE:
                return opcode, payload
            if head & _FIN and not self._parts:
                if opcode == CONTINUATION:
                    raise Refused(MALFORMED, "nothing to continue")
                return opcode, self._whole(payload, packed=bool(head & _DEFLATED))
            message = self._part(head, payload)
            if message is not None:
                return message
        return None

    def _frame(self) -> tuple[int, bytes] | None:
        """(first byte, payload unmasked) of the next frame that is whole."""
        data, at = self._data, self._at
        left = len(data) - at
        if left < 2:
            self._wait(2)
            return None
        head, size = data[at], data[at + 1] - _MASKED
        if size < 0:
            raise Refused(MALFORMED, "not masked")
        begin = at + 6
        if size > MAX_CONTROL_BYTES:
            wide = 2 if size == 126 else 8
            if left < 2 + wide:
                self._wait(2 + wide)
                return None
            size = int.from_bytes(data[at + 2 : at + 2 + wide])
            begin += wide
        if head not in self._ordinary:
            self._check(head, size)
        if size > MAX_FRAME_BYTES:
            raise Refused(TOO_BIG, "too big")
        end = begin + size
        if end > len(data):
            self._wait(end - at)
            return None
        self._at = end
        return head, unmasked(data[begin:end], data[begin - 4 : begin])

    def _wait(self, need: int) -> None:
        """Keep what is there until `need` bytes are."""
        if self._at < len(self._data):
            self._rest += memoryview(self._data)[self._at :]
        self._data, self._at, self._need = b"", 0, need

    def _check(self, head: int, size: int) -> None:
        """RFC 6455, 5.2 and 5.5: reserved bits and opcodes, control frames. RFC 7692, 6: RSV1."""
        opcode = head & 0x0F
        if head & _RESERVED or opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            raise Refused(MALFORMED, "reserved")
        if opcode >= CLOSE and (size > MAX_CONTROL_BYTES or not head & _FIN):
            raise Refused(MALFORMED, "control frame")
        if head & _DEFLATED and (self._inflate is None or opcode not in (TEXT, BINARY)):
            raise Refused(MALFORMED, "not agreed")

    def _part(self, head: int, payload: bytes) -> Message | None:
        """One fragment of a message; the message when it was the last."""
        opcode = head & 0x0F
        if (opcode == CONTINUATION) is not bool(self._parts):
            raise Refused(MALFORMED, "out of order")
        if opcode != CONTINUATION:
            self._opcode, self._packed, self._parts_bytes = opcode, bool(head & _DEFLATED), 0
        self._parts.append(payload)
        self._parts_bytes += len(payload)
        if self._parts_bytes > MAX_FRAME_BYTES or len(self._parts) > MAX_FRAGMENTS:
            raise Refused(TOO_BIG, "too big")
        if not head & _FIN:
            return None
        whole = b"".join(self._parts)
        self._parts.clear()
        return self._opcode, self._whole(whole, packed=self._packed)

    def _whole(self, payload: bytes, *, packed: bool) -> bytes:
        """A message's payload, inflated. A stream that ends itself is refused; no browser writes one."""
        if not packed:
            return payload
        inflate = self._inflate
        assert inflate is not None
        try:
            out = inflate.decompress(payload + _TAIL, MAX_FRAME_BYTES + 1)
        except zlib.error:
            raise Refused(MALFORMED, "not deflate") from None
        if len(out) > MAX_FRAME_BYTES or inflate.unconsumed_tail:
            raise Refused(TOO_BIG, "too big")
        if inflate.eof:
            raise Refused(MALFORMED, "deflate ended")
        return out


def unmasked(payload: bytes, mask: bytes) -> bytes:
    """RFC 6455, 5.3. By one long number: what is quick here without a compiler."""
    size = len(payload)
    if mask == b"\0\0\0\0":
        return payload
    key = int.from_bytes((mask * (size // 4 + 1))[:size], "little")
    return (int.from_bytes(payload, "little") ^ key).to_bytes(size, "little")


# --- what we write -------------------------------------------------------------------------------------


def framed(payload: bytes, first: int = _FIN | BINARY) -> bytes:
    """One unmasked frame, RFC 6455, 5.2."""
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65_536:
        return _SHORT(first, 126, size) + payload
    return _LONG(first, 127, size) + payload


def control(opcode: int, payload: bytes = b"") -> bytes:
    return framed(payload[:MAX_CONTROL_BYTES], _FIN | opcode)


def closing(code: int, reason: str) -> bytes:
    return control(CLOSE, _CODE(code) + reason.encode()[: MAX_CONTROL_BYTES - 2])


class Page:
    """A frame of a page on its way to viewers: framed, and compressed, once for all of them.

    Compressed by itself, with no state of a connection. data: the msgpack bytes.
    """

    __slots__ = ("_deflated", "_plain", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._plain: bytes | None = None
        self._deflated: bytes | None = None

    def wire(self, *, deflated: bool) -> bytes:
        """The bytes for a socket. deflated: permessage-deflate was agreed there."""
        if deflated and len(self.data) > COMPRESS_OVER:
            if self._deflated is None:
                self._deflated = framed(_packed(self.data), _FIN | _DEFLATED | BINARY)
            return self._deflated
        if self._plain is None:
            self._plain = framed(self.data)
        return self._plain


def _packed(data: bytes) -> bytes:
    """RFC 7692, 7.2.1."""
    deflate = zlib.compressobj(zlib.Z_BEST_SPEED, zlib.DEFLATED, -zlib.MAX_WBITS)
    return (deflate.compress(data) + deflate.flush(zlib.Z_SYNC_FLUSH)).removesuffix(_TAIL)


# --- the handshake ---------------------------------------------------------------------------------------


def accepted(key: str) -> str | None:
    """Sec-WebSocket-Accept, or None when the key is none. RFC 6455, 4.2.2."""
    try:
        known = len(base64.b64decode(key, validate=True)) == 16
    except ValueError:
        known = False
    if not known:
        return None
    return base64.b64encode(hashlib.sha1(key.encode() + _ACCEPT, usedforsecurity=False).digest()).decode()


def agreed(offers: str) -> tuple[str, bool] | None:
    """(our answer, whether we compress too) to the first offer of permessage-deflate that we can take.

    offers: Sec-WebSocket-Extensions. RFC 7692, 7.1. A client that wants a smaller window than ours gets
    everything uncompressed.
    """
    for offer in offers.split(","):
        name, *rest = (part.strip() for part in offer.split(";"))
        if name != "permessage-deflate":
            continue
        wishes = dict(_wish(part) for part in rest)
        if len(wishes) == len(rest) and all(_possible(name, value) for name, value in wishes.items()):
            answer = [name]
            if "server_no_context_takeover" in wishes:
                answer.append("server_no_context_takeover")
            bits = wishes.get("server_max_window_bits")
            if bits is not None:
                answer.append(f"server_max_window_bits={bits}")
            return "; ".join(answer), bits in (None, "15")
    return None


def _wish(part: str) -> tuple[str, str | None]:
    name, given, value = part.partition("=")
    return name.strip(), value.strip().strip('"') if given else None


def _possible(name: str, value: str | None) -> bool:
    bits = value in {str(number) for number in range(8, 16)}
    match name:
        case "server_no_context_takeover" | "client_no_context_takeover":
            return value is None
        case "client_max_window_bits":
            return value is None or bits
        case "server_max_window_bits":
            return bits
        case _:
            return False
