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
from typing import Any, Protocol

from media import stun
from media.dtls import Dtls, Identity
from media.guard import Address, Kind
from media.sdp import Answer
from media.tracks import Binding
from signaling.errors import InvalidDescription, InvalidTransition
from signaling.protocol import PathId

MAX_ADDRESSES = 4
SILENT_S = 6.0
HANDSHAKE_S = 10.0
MAX_PACKETS_PER_S = 4_000
MAX_SSRCS = 8
MOVED_AFTER_S = 0.15
MAX_SEEN = 1_024  # three quarters of an hour of checks, one each 2.5 s; 150 bytes each
UFRAG_CHARS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class Owner(Protocol):
    """Whose path it is (media/leg.py)."""

    def path_connected(self, path: Path) -> None: ...
    def path_closed(self, path: Path) -> None: ...
    def path_rtp(self, path: Path, packet: bytes) -> None: ...
    def path_rtcp(self, path: Path, packet: bytes) -> None: ...


class Path:
    """A peer connection's transport. All calls are synchronous; `send` gives datagrams to the port.

    srtp_in/srtp_out: libsrtp's own handles once connected, for an engine that calls it in place.
    """

    def __init__(
        self,
        identity: Identity,
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
        self.target: Any = None  # the fast engine's form of `address`, made by it
        self.target_of: Address | None = None
        self.expires_s = time.monotonic() + life_s
        self.heard_s = time.monotonic()
        self.budget = MAX_PACKETS_PER_S
        self.bindings: dict[int, Binding] = {}
        self.connected = False
        self.closed = False
        self.srtp_in: Any = None
        self.srtp_out: Any = None
        self.owner = owner
        self._identity = identity
        self._answer: Answer | None = None
        self._peer_ufrag: str | None = None
        self._seen: dict[bytes, Address] = {}
        self._send = send
        self._drop = drop
        self._dtls: Dtls | None = None
        self._started_s = 0.0

    @property
    def answered(self) -> bool:
        return self._answer is not None

    @property
    def handshake_over(self) -> bool:
        return self._dtls is not None and self._dtls.connected

    @property
    def takes_rtx(self) -> bool:
        return self._answer is not None and self._answer.rtx

    @property
    def srtp_profile(self) -> str:
        return self._dtls.profile if self._dtls is not None else ""

    # --- what the peer says by signaling --------------------------------------------------------

    def answer(self, answer: Answer) -> None:
        """The first one says who the peer is; a later revision may only change what it takes.

        Raises: InvalidTransition for a path that is over, InvalidDescription for another peer.
        """
        if self.closed:
            raise InvalidTransition("already over")
        before, self._answer = self._answer, answer
        if before is not None and (before.ufrag, before.fingerprints) != (answer.ufrag, answer.fingerprints):
            self._answer = before
            raise InvalidDescription("another peer")
        self.revision += 1
        self._confirm()

    # --- what arrives at the port -----------------------------------------------------------------

    def check(self, request: stun.Request, address: Address) -> bytes | None:
        """Answer a binding request; None (and a drop) unless it is authenticated."""
        password = self.password.encode()
        known = self._peer_ufrag in (None, request.theirs)
        if self.closed or not known or not request.authentic(password):
            self._drop("stun_unauthenticated")
            return None
        if self._seen.setdefault(request.transaction, address) != address:
            self._drop("stun_replay")  # a captured check, sent again from elsewhere, would lead media there
            return None
        if len(self._seen) > MAX_SEEN:
            del self._seen[next(iter(self._seen))]
        self._known(address)
        self._peer_ufrag = request.theirs
        self.heard_s = time.monotonic()
        if self.address is None or request.nominates:
            self.address = address
        return stun.response(request, address, password)

    def checked(self, request: stun.Request) -> None:
        """The answer to a check has left: only now does a browser read what comes after it."""
        if self._dtls is None:
            self._started_s = self.heard_s
            self._dtls = Dtls(self._identity, client=True, send=self._send_dtls)
            self._dtls.start()
        elif request.nominates:
            self._dtls.nudge()

    def _known(self, address: Address) -> None:
        if address not in self.addresses:
            if len(self.addresses) >= MAX_ADDRESSES:
                self.addresses.remove(next(a for a in self.addresses if a != self.address))
            self.addresses.append(address)

    def move(self, data: bytes, address: Address) -> bool:
        """Follow the peer to a new address from which authentic, fresh media comes.

        Only while the known one is silent: who copies packets cannot lead a call away that still speaks.
        """
        if not self.connected or self.closed or self._dtls is None or self._dtls.inbound is None:
            return False
        if time.monotonic() - self.heard_s < MOVED_AFTER_S:
            return False
        try:
            packet = self._dtls.inbound.unprotect(data)
        except Exception:  # as in _unprotected: not the peer's, or an old one
            return False
        self._known(address)
        self.address = address
        self.heard_s = time.monotonic()
        self.owner.path_rtp(self, packet)
        return True

    def receive(self, kind: Kind, data: bytes) -> None:
        """A DTLS, RTP or RTCP datagram from an address that has authenticated itself."""
        if self.closed or self._dtls is None:
            return
        self.budget -= 1
        if self.budget < 0:
            self._drop("flood")
        elif kind is Kind.DTLS:
            self._handshake(self._dtls, data)
        elif not self.connected or self._dtls.inbound is None:
            self._drop("early_media")
        elif kind is Kind.RTCP:
            self._unprotected(self._dtls.inbound.unprotect_rtcp, data, self.owner.path_rtcp)
        else:
            self._unprotected(self._dtls.inbound.unprotect, data, self.owner.path_rtp)

    def _unprotected(
        self, unprotect: Callable[[bytes], bytes], data: bytes, give: Callable[[Path, bytes], None]
    ) -> None:
        try:
            packet = unprotect(data)
        except Exception as error:  # pylibsrtp raises its own Error, and ValueError for sizes
            self._drop("srtp_replay" if "replay" in str(error) else "srtp_auth")
            return
        self.heard_s = time.monotonic()
        give(self, packet)

    def _handshake(self, dtls: Dtls, data: bytes) -> None:
        dtls.receive(data)
        if not dtls.over:
            self._confirm()
            return
        if not dtls.connected:
            self._drop("dtls_failed")
        self.close()

    def refill(self) -> None:
        """Once a second: how many more datagrams it may send us."""
        self.budget = MAX_PACKETS_PER_S

    # --- what leaves ------------------------------------------------------------------------------

    def protect(self, packet: bytes) -> bytes | None:
        """An RTP packet protected for this peer; None while nothing may be sent."""
        if not self.connected or self._dtls is None or self._dtls.outbound is None:
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
        if self.connected and self._dtls is not None and self._dtls.outbound is not None:
            self.send(self._dtls.outbound.protect_rtcp(packet))

    def close(self) -> None:
        """Idempotent; tells the owner once."""
        if self.closed:
            return
        self.closed = True
        if self._dtls is not None:
            self._dtls.close()
        self.owner.path_closed(self)

    def is_silent(self, now_s: float) -> bool:
        """Nothing authenticated for SILENT_S, no handshake in HANDSHAKE_S, or never used in time."""
        if self.connected:
            return now_s - self.heard_s > SILENT_S
        if self._dtls is not None and not self._dtls.connected and now_s - self._started_s > HANDSHAKE_S:
            self._drop("dtls_failed")
            return True
        return now_s > self.expires_s

    def _confirm(self) -> None:
        """Handshake and description are both here: is the peer who signaling says it is?"""
        dtls = self._dtls
        if self.connected or self._answer is None or dtls is None or not dtls.connected:
            return
        genuine = self._peer_ufrag == self._answer.ufrag and all(
            hmac.compare_digest(dtls.fingerprint(algorithm), value)
            for algorithm, value in self._answer.fingerprints
        )
        if not genuine:
            self._drop("fingerprint_mismatch")
            self.close()
            return
        self.connected = True
        self.srtp_in, self.srtp_out = dtls.handles()
        self.heard_s = time.monotonic()
        self.owner.path_connected(self)

    def _send_dtls(self, data: bytes) -> None:
        if self.address is not None:
            self._send(data, self.address)
