"""Visitors and their browsers' credentials; each company token is redeemed once.

A visitor is anonymous (one browser of one site) or a verified subject of a site. The credential is
opaque, stored hashed, and bound to site and visitor. Source: docs/protocol.md, section 8.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, structs
from sqlalchemy import Connection, delete, insert, select, update

from server.backend.schema import redeemed_tokens, visitor_credentials, visitors
from server.records.store import Store
from server.sealing import Box
from server.together import Together
from signaling.errors import TokenReplayed
from signaling.events import Sealed
from signaling.protocol import ParticipantId

CREDENTIAL_MS = 30 * 24 * 3_600_000

Held = tuple[str, str]  # site and credential


class Claims(Struct, frozen=True):
    """What we believe of a verified company token; expires_ms: until when its jti is remembered."""

    subject: str
    jti: str
    expires_ms: int
    name: str = ""


class Identity(Struct, frozen=True):
    subject: str = ""
    name: str = ""


class Visitor(Struct, frozen=True):
    id: ParticipantId
    site: str
    identity: Identity
    credential: str
    expires_ms: int

    @property
    def verified(self) -> bool:
        return bool(self.identity.subject)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


class Visitors:
    """`box` seals identities; `secret` keys the hash by which a subject is found again."""

    def __init__(self, store: Store, box: Box, secret: bytes) -> None:
        self._store = store
        self._box = box
        self._secret = secret
        self._resumed: Together[Held, Visitor] = Together(self._resume_all)

    async def resume(self, site: str, credential: str) -> Visitor | None:
        """The visitor of a credential of this site, or None. A thousand who come back at once ask once."""
        return await self._resumed.ask((site, credential))

    async def anonymous(self, site: str) -> Visitor:
        def work(connection: Connection) -> Visitor:
            return self._issue(connection, site, self._create(connection, site, None, None), Identity())

        return await self._store.run(work)

    async def redeem(self, site: str, claims: Claims, credential: str | None) -> Visitor:
        """Trade a company token for a credential; with the credential it was traded for, resume.

        With an anonymous visitor's credential that one signs in: it stays who it is, so that what goes on
        goes on, and is verified from now on.
        Raises: TokenReplayed when the token was redeemed for another credential.
        """

        def work(connection: Connection) -> Visitor:
            jti = _hash(claims.jti)
            expired = redeemed_tokens.c.expires_ms < _now_ms()
            connection.execute(delete(redeemed_tokens).where(expired))
            held = (site, credential) if credential else None
            resumed = self._read(connection, [held]).get(held) if held else None
            mine = resumed is not None and resumed.identity.subject == claims.subject
            row = connection.execute(
                select(redeemed_tokens.c.credential_hash).where(
                    redeemed_tokens.c.site == site, redeemed_tokens.c.jti_hash == jti
                )
            ).first()
            if row is not None:
                if not mine or credential is None or row.credential_hash != _hash(credential):
                    raise TokenReplayed(site)
                assert resumed is not None
                return resumed
            if resumed is not None and mine:
                visitor = resumed
            elif resumed is not None and not resumed.verified:
                visitor = self._signed_in(connection, site, claims, resumed)
            else:
                visitor = self._verified(connection, site, claims)
            connection.execute(
                insert(redeemed_tokens).values(
                    site=site,
                    jti_hash=jti,
                    credential_hash=_hash(visitor.credential),
                    expires_ms=claims.expires_ms,
                )
            )
            return visitor

        return await self._store.run(work)

    def _verified(self, connection: Connection, site: str, claims: Claims) -> Visitor:
        identity = Identity(claims.subject, claims.name)
        sealed = self._box.seal(identity)
        subject_hash = self._subject_hash(site, claims.subject)
        visitor = self._known(connection, site, subject_hash)
        if visitor is None:
            visitor = self._create(connection, site, subject_hash, sealed)
        else:
            connection.execute(update(visitors).where(visitors.c.id == visitor).values(identity=sealed))
        return self._issue(connection, site, visitor, identity)

    def _signed_in(self, connection: Connection, site: str, claims: Claims, anonymous: Visitor) -> Visitor:
        """A subject that was here before keeps its older visitor: its next token alone finds that one."""
        identity = Identity(claims.subject, claims.name)
        values: dict[str, Any] = {"identity": self._box.seal(identity)}
        subject_hash = self._subject_hash(site, claims.subject)
        if self._known(connection, site, subject_hash) is None:
            values["subject_hash"] = subject_hash
        connection.execute(update(visitors).where(visitors.c.id == anonymous.id).values(**values))
        return structs.replace(anonymous, identity=identity)

    def _known(self, connection: Connection, site: str, subject_hash: bytes) -> ParticipantId | None:
        row = connection.execute(
            select(visitors.c.id).where(visitors.c.site == site, visitors.c.subject_hash == subject_hash)
        ).first()
        return None if row is None else ParticipantId(row.id)

    def _subject_hash(self, site: str, subject: str) -> bytes:
        return hmac.digest(self._secret, f"{site}|{subject}".encode(), "sha256")

    def _create(
        self, connection: Connection, site: str, subject_hash: bytes | None, identity: Sealed | None
    ) -> ParticipantId:
        visitor = ParticipantId(f"v_{secrets.token_urlsafe(16)}")
        connection.execute(
            insert(visitors).values(
                id=visitor, site=site, subject_hash=subject_hash, identity=identity, created_ms=_now_ms()
            )
        )
        return visitor

    def _issue(
        self, connection: Connection, site: str, visitor: ParticipantId, identity: Identity
    ) -> Visitor:
        credential = secrets.token_urlsafe(32)
        now_ms = _now_ms()
        expires_ms = now_ms + CREDENTIAL_MS
        connection.execute(delete(visitor_credentials).where(visitor_credentials.c.expires_ms < now_ms))
        connection.execute(
            insert(visitor_credentials).values(
                token_hash=_hash(credential),
                site=site,
                visitor=visitor,
                created_ms=now_ms,
                expires_ms=expires_ms,
            )
        )
        return Visitor(visitor, site, identity, credential, expires_ms)

    async def _resume_all(self, held: Sequence[Held]) -> Mapping[Held, Visitor]:
        return await self._store.run(lambda connection: self._read(connection, held))

    def _read(self, connection: Connection, held: Sequence[Held]) -> dict[Held, Visitor]:
        """Those whose credential is known, of that site, and not too old."""
        asked = {(site, _hash(credential)): (site, credential) for site, credential in held}
        rows: Any = connection.execute(
            select(
                visitors.c.id,
                visitors.c.identity,
                visitor_credentials.c.token_hash,
                visitor_credentials.c.site,
                visitor_credentials.c.expires_ms,
            )
            .join(visitor_credentials, visitor_credentials.c.visitor == visitors.c.id)
            .where(
                visitor_credentials.c.token_hash.in_({hashed for _, hashed in asked}),
                visitor_credentials.c.expires_ms > _now_ms(),
            )
        )
        known = ((asked.get((row.site, row.token_hash)), row) for row in rows)
        return {found: self._visitor(row, found) for found, row in known if found is not None}

    def _visitor(self, row: Any, held: Held) -> Visitor:
        site, credential = held
        sealed = None if row.identity is None else Sealed(row.identity)
        identity = self._box.open(sealed, Identity) or Identity()
        return Visitor(ParticipantId(row.id), site, identity, credential, row.expires_ms)
