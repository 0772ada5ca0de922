"""DTLS 1.2 of one path, without sockets: bytes in, bytes out, keys at the end.

Certificate, TLS context and SRTP profiles are aiortc's; the handshake loop is ours, because it may
finish before the peer's description is here: who the peer is (its fingerprint) is asked afterwards, and
no media passes before. Only AES-GCM is offered. Source: RFC 5764, RFC 7714, RFC 8827.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiortc.rtcdtlstransport import (
    SRTP_AEAD_AES_128_GCM,
    SRTP_AEAD_AES_256_GCM,
    RTCCertificate,
    certificate_digest,
)
from OpenSSL import SSL
from pylibsrtp import Policy, Session

from media.guard import handshake_records

PROFILES = [SRTP_AEAD_AES_128_GCM, SRTP_AEAD_AES_256_GCM]
MAX_FLIGHT_BYTES = 16_384
MAX_DATAGRAM_BYTES = 1_200
RECORD_HEADER_BYTES = 13
REPLAY_WINDOW = 1_024
# A browser drops what arrives before its ICE is writable, and OpenSSL waits a second: the flight goes out
# again sooner. Waits in seconds, each after the one before; small, and only to an address that was checked.
QUICK_S = (0.015, 0.015, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3)
MAX_NUDGES = 6


class Identity:
    """Who we are on every path of this process: one certificate and one TLS context, made once."""

    def __init__(self) -> None:
        certificate = RTCCertificate.generateCertificate()
        self.fingerprint: str = certificate.getFingerprints()[0].value
        self.context: SSL.Context = certificate._create_ssl_context(srtp_profiles=PROFILES)


class Dtls:
    """One DTLS association. `send` gets datagrams; afterwards look at `connected` and `over`."""

    def __init__(self, identity: Identity, *, client: bool, send: Callable[[bytes], None]) -> None:
        self._client = client
        self._send = send
        self._ssl = SSL.Connection(identity.context)
        if client:
            self._ssl.set_connect_state()
        else:
            self._ssl.set_accept_state()
        self._timer: asyncio.TimerHandle | None = None
        self._flight: list[bytes] = []
        self._quick: list[float] = []
        self._nudges = 0
        self.connected = False
        self.over = False
        self.inbound: Session | None = None
        self.outbound: Session | None = None
        self.profile = ""

    def start(self) -> None:
        """The client speaks first; the server waits."""
        if self._client:
            self._advance()

    def receive(self, datagram: bytes) -> None:
        """Feed one datagram. Afterwards look at `connected` and `over`."""
        if self.over:
            return
        if self._client and not self.connected:
            datagram = handshake_records(datagram)
        try:
            self._ssl.bio_write(datagram)
        except SSL.Error:
            return
        if self.connected:
            self._read()
        else:
            self._advance()

    def nudge(self) -> None:
        """The peer can hear us now: say again what it has not answered."""
        if not self.connected and not self.over and self._nudges < MAX_NUDGES:
            self._nudges += 1
            self._repeat()

    def handles(self) -> tuple[Any, Any]:
        """libsrtp's contexts (inbound, outbound) for calls in place; they live as long as this object."""
        assert self.inbound is not None and self.outbound is not None
        return self.inbound._srtp[0], self.outbound._srtp[0]

    def fingerprint(self, algorithm: str) -> str:
        """The peer's certificate digest in SDP form; "" before there is one."""
        peer = self._ssl.get_peer_certificate(as_cryptography=True)
        return "" if peer is None else certificate_digest(peer, algorithm)

    def close(self) -> None:
        """Say goodbye (close_notify) and stop."""
        if self._timer is not None:
            self._timer.cancel()
        if self.connected and not self.over:
            try:
                self._ssl.shutdown()
            except SSL.Error:
                pass
            self._flush()
        self.over = True

    def _advance(self) -> None:
        try:
            self._ssl.do_handshake()
        except SSL.WantReadError:
            self._flush()
            self._arm()
            return
        except SSL.Error:
            self._flush()
            self.over = True
            return
        self._flush()
        self._export()

    def _read(self) -> None:
        try:
            self._ssl.recv(MAX_DATAGRAM_BYTES)
        except SSL.ZeroReturnError:
            self.over = True
        except SSL.Error:
            pass
        self._flush()

    def _arm(self) -> None:
        """Retransmission: first by QUICK_S, then when OpenSSL says."""
        if self._timer is not None:
            self._timer.cancel()
        wait_s = self._ssl.DTLSv1_get_timeout()
        if wait_s is not None and not self.over:
            soon_s = min(wait_s, self._quick.pop()) if self._quick else wait_s
            self._timer = asyncio.get_running_loop().call_later(soon_s, self._again)

    def _repeat(self) -> None:
        for datagram in self._flight:
            self._send(datagram)

    def _again(self) -> None:
        if self.over or self.connected:
            return
        if (self._ssl.DTLSv1_get_timeout() or 0) > 0:
            self._repeat()
            self._arm()
            return
        try:
            self._ssl.DTLSv1_handle_timeout()
        except SSL.Error:
            self.over = True
            return
        self._flush()
        self._arm()

    def _flush(self) -> None:
        try:
            flight = self._ssl.bio_read(MAX_FLIGHT_BYTES)
        except SSL.Error:
            return
        if not flight:
            return
        self._flight = datagrams(flight)
        self._quick = list(reversed(QUICK_S))
        self._repeat()

    def _export(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        chosen = self._ssl.get_selected_srtp_profile()
        profile = next((p for p in PROFILES if p.openssl_profile == chosen), None)
        if profile is None:
            self.over = True
            return
        size = 2 * (profile.key_length + profile.salt_length)
        material = self._ssl.export_keying_material(b"EXTRACTOR-dtls_srtp", size)
        ours, theirs = (0, 1) if self._client else (1, 0)
        self.inbound = _session(profile, profile.get_key_and_salt(material, theirs), inbound=True)
        self.outbound = _session(profile, profile.get_key_and_salt(material, ours), inbound=False)
        self.profile = profile.openssl_profile.decode()
        self.connected = True


def datagrams(flight: bytes) -> list[bytes]:
    """Cut a flight between its records, so that each datagram holds whole ones."""
    found: list[bytes] = []
    current = b""
    at = 0
    while at + RECORD_HEADER_BYTES <= len(flight):
        size = RECORD_HEADER_BYTES + int.from_bytes(flight[at + 11 : at + 13], "big")
        record = flight[at : at + size]
        if current and len(current) + len(record) > MAX_DATAGRAM_BYTES:
            found.append(current)
            current = b""
        current += record
        at += size
    return [*found, current] if current else found


def _session(profile: object, key: bytes, *, inbound: bool) -> Session:
    kind = Policy.SSRC_ANY_INBOUND if inbound else Policy.SSRC_ANY_OUTBOUND
    policy = Policy(key=key, ssrc_type=kind, srtp_profile=profile.libsrtp_profile)  # type: ignore[attr-defined]
    policy.allow_repeat_tx = not inbound
    policy.window_size = REPLAY_WINDOW
    return Session(policy)
