"""One path: ICE-lite answering, DTLS, SRTP keys, and the check that the peer is who signaling says.

Passive: it answers authenticated checks and sends none; the first one starts DTLS (we are its client, so
the peer can talk one round trip earlier). The handshake may finish before the peer's description is
here; nothing passes until the posted fingerprint equals the handshake's. Only this file closes a path.
Source: RFC 8445 (lite), RFC 8827; docs/architecture.md, "calls".
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable
from typing import Protocol

from aioice import stun
from aiortc.rtcdtlstransport import RTCCertificate

from media.dtls import Dtls
from media.guard import Address, Kind
from media.sdp import Answer
from signaling.errors import InvalidTransition
from signaling.protocol import MediaKind, PathId

MAX_ADDRESSES = 4
SILENT_S = 6.0
HANDSHAKE_S = 10.0
UFRAG_CHARS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class Owner(Protocol):
    """Whose path it is (media/leg.py)."""

    def path_connected(self, path: Path) -> None: ...
    def path_closed(self, path: Path) -> None: ...
    def path_packet(self, path: Path, kind: Kind, packet: bytes) -> None: ...


class Path:
    """A peer connection's transport. All calls are synchronous; `send` gives datagrams to the port."""

    def __init__(
        self,
        certificate: RTCCertificate,
        owner: Owner,
        send: Callable[[bytes, Address], None],
        drop: Callable[[str], None],
        life_s: float,
    ) -> None:
        self.id = PathId(f"p_{secrets.token_urlsafe(12)}")
        self.ufrag = "".join(secrets.choice(UFRAG_CHARS) for _ in range(12))
        self.password = secrets.token_urlsafe(24).replace("-", "+").replace("_", "/")
        self.revision = 0
        self.addresses: list[Address] = []
        self.address: Address | None = None
        self.expires_s = time.monotonic() + life_s
        self.heard_s = time.monotonic()
        self.ssrcs: dict[MediaKind, int] = {}
        self.connected = False
        self.closed = False
        self._answer: Answer | None = None
        self._peer_ufrag: str | None = None
        self._owner = owner
        self._send = send
        self._drop = drop
        self._dtls = Dtls(certificate, client=True, send=self._send_dtls)
        self._started_s: float | None = None

    @property
    def answered(self) -> bool:
        return self._answer is not None

    @property
    def srtp_profile(self) -> str:
        return self._dtls.profile

    # --- what the peer says by signaling --------------------------------------------------------

    def answer(self, answer: Answer) -> None:
        """Raises: InvalidTransition for a second answer, or a path that is over."""
        if self._answer is not None or self.closed:
            raise InvalidTransition("already answered")
        self._answer = answer
        self._confirm()

    # --- what arrives at the port -----------------------------------------------------------------

    def check(self, message: stun.Message, address: Address) -> bytes | None:
        """Answer a binding request; None (and a drop) unless it is authenticated."""
        username = str(message.attributes.get("USERNAME", ""))
        _, _, theirs = username.partition(":")
        if self.closed or not message.check_message_integrity(self.password.encode()):
            self._drop("stun_unauthenticated")
            return None
        if self._peer_ufrag not in (None, theirs):
            self._drop("stun_unauthenticated")
            return None
        if address not in self.addresses:
            if len(self.addresses) >= MAX_ADDRESSES:
                self.addresses.remove(next(a for a in self.addresses if a != self.address))
            self.addresses.append(address)
        self._peer_ufrag = theirs
        self.heard_s = time.monotonic()
        if self.address is None or "USE-CANDIDATE" in message.attributes:
            self.address = address
        if self._started_s is None:
            self._started_s = self.heard_s
            self._dtls.start()
        response = stun.Message(
            stun.Method.BINDING, stun.Class.RESPONSE, transaction_id=message.transaction_id
        )
        response.attributes["XOR-MAPPED-ADDRESS"] = address
        response.add_message_integrity(self.password.encode())
        return bytes(response)

    def receive(self, kind: Kind, data: bytes) -> None:
        """A DTLS, RTP or RTCP datagram from an address that has authenticated itself."""
        if self.closed:
            return
        if kind is Kind.DTLS:
            self._dtls.receive(data)
            if self._dtls.over:
                if not self._dtls.connected:
                    self._drop("dtls_failed")
                self.close()
            else:
                self._confirm()
            return
        if not self.connected or self._dtls.inbound is None:
            self._drop("early_media")
            return
        try:
            unprotect = self._dtls.inbound.unprotect
            packet = self._dtls.inbound.unprotect_rtcp(data) if kind is Kind.RTCP else unprotect(data)
        except Exception as error:  # pylibsrtp raises its own Error, and ValueError for sizes
            self._drop("srtp_replay" if "replay" in str(error) else "srtp_auth")
            return
        self.heard_s = time.monotonic()
        self._owner.path_packet(self, kind, packet)

    # --- what leaves ------------------------------------------------------------------------------

    def protect(self, packet: bytes) -> bytes | None:
        """An RTP packet protected for this peer; None while nothing may be sent."""
        if not self.connected or self._dtls.outbound is None:
            return None
        try:
            protected: bytes = self._dtls.outbound.protect(packet)
        except Exception:  # as above: too large for the library's buffer
            self._drop("oversize")
            return None
        return protected

    def send(self, protected: bytes) -> None:
        if self.address is not None:
            self._send(protected, self.address)

    def send_rtcp(self, packet: bytes) -> None:
        if self.connected and self._dtls.outbound is not None:
            self.send(self._dtls.outbound.protect_rtcp(packet))

    def close(self) -> None:
        """Idempotent; tells the owner once."""
        if self.closed:
            return
        self.closed = True
        self._dtls.close()
        self._owner.path_closed(self)

    def is_silent(self, now_s: float) -> bool:
        """Nothing authenticated for SILENT_S, no handshake in HANDSHAKE_S, or never used in time."""
        if self.connected:
            return now_s - self.heard_s > SILENT_S
        if self._started_s is not None and not self._dtls.connected:
            if now_s - self._started_s > HANDSHAKE_S:
                self._drop("dtls_failed")
                return True
        return now_s > self.expires_s

    def _confirm(self) -> None:
        """Handshake and description are both here: is the peer who signaling says it is?"""
        if self.connected or self._answer is None or not self._dtls.connected:
            return
        genuine = self._peer_ufrag == self._answer.ufrag and all(
            hmac.compare_digest(self._dtls.fingerprint(algorithm), value)
            for algorithm, value in self._answer.fingerprints
        )
        if not genuine:
            self._drop("fingerprint_mismatch")
            self.close()
            return
        self.connected = True
        self.heard_s = time.monotonic()
        self._owner.path_connected(self)

    def _send_dtls(self, data: bytes) -> None:
        if self.address is not None:
            self._send(data, self.address)
