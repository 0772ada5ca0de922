"""Agents' local accounts: argon2 hashes, browser sessions and short-lived access tokens."""

from __future__ import annotations

import hashlib
import secrets
import time
from functools import cache
from typing import Any, Literal

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error
from msgspec import Struct
from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from server.backend.schema import agent_sessions, agents
from server.records.store import Store
from signaling.protocol import ParticipantId, SiteId

SESSION_MS = 12 * 3_600_000
ACCESS_MS = 15 * 60_000
ROLES = ("agent", "supervisor", "admin")

_hasher = PasswordHasher()


@cache
def _nobody() -> str:
    """Verified for unknown logins too, so that timing does not tell who exists."""
    return _hasher.hash(secrets.token_urlsafe())


class Agent(Struct, frozen=True):
    id: ParticipantId
    site: SiteId
    login: str
    name: str
    role: Literal["agent", "supervisor", "admin"]
    capacity: int


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _agent(row: Any) -> Agent:
    return Agent(row.id, row.site, row.login, row.name, row.role, row.capacity)


class Agents:
    """Accounts of all sites. Times in epoch ms."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(
        self, *, site: str, login: str, name: str, password: str, role: str = "agent", capacity: int = 3
    ) -> ParticipantId:
        """Raises: ValueError for an impossible value or a login that exists."""
        if role not in ROLES:
            raise ValueError(f"role must be one of {', '.join(ROLES)}")
        if len(password) < 10:
            raise ValueError("password: at least 10 characters")
        identity = ParticipantId(f"a_{secrets.token_urlsafe(12)}")

        def work(connection: Connection) -> None:
            exists = ValueError(f"login {login!r} exists already")
            if connection.execute(select(agents.c.id).where(agents.c.login == login)).first():
                raise exists
            values = {
                "id": identity,
                "site": site,
                "login": login,
                "name": name,
                "role": role,
                "password_hash": _hasher.hash(password),
                "capacity": capacity,
                "created_ms": _now_ms(),
            }
            try:
                connection.execute(insert(agents).values(values))
            except IntegrityError:  # another node was faster
                raise exists from None

        self._store.run_now(work)
        return identity

    def set_password(self, login: str, password: str) -> None:
        """Also ends every session of the account. Raises: ValueError for an unknown login."""

        def work(connection: Connection) -> None:
            row = connection.execute(select(agents.c.id).where(agents.c.login == login)).first()
            if row is None:
                raise ValueError(f"no agent with login {login!r}")
            values = {"password_hash": _hasher.hash(password)}
            connection.execute(update(agents).where(agents.c.id == row.id).values(**values))
            connection.execute(delete(agent_sessions).where(agent_sessions.c.agent == row.id))

        self._store.run_now(work)

    def all(self) -> list[Agent]:
        def work(connection: Connection) -> list[Agent]:
            return [_agent(row) for row in connection.execute(select(agents).order_by(agents.c.login))]

        return self._store.run_now(work)

    async def find(self, site: SiteId, login: str) -> ParticipantId | None:
        """The id behind an active login of a site."""

        def work(connection: Connection) -> ParticipantId | None:
            same = (agents.c.site == site, agents.c.login == login, agents.c.active)
            row = connection.execute(select(agents.c.id).where(*same)).first()
            return row.id if row else None

        return await self._store.run(work)

    async def verify(self, login: str, password: str) -> Agent | None:
        """The agent whose password this is, or None, in the same time for every reason."""

        def work(connection: Connection) -> Agent | None:
            row = connection.execute(select(agents).where(agents.c.login == login, agents.c.active)).first()
            try:
                _hasher.verify(row.password_hash if row else _nobody(), password)
            except Argon2Error:
                return None
            return _agent(row) if row else None

        return await self._store.run(work)

    async def open_session(
        self, agent: ParticipantId, kind: Literal["session", "access"], life_ms: int | None = None
    ) -> tuple[str, int]:
        """A new token of that kind and when it ends (life_ms: not at the usual time)."""
        token = secrets.token_urlsafe(32)
        now_ms = _now_ms()
        expires_ms = now_ms + (life_ms or (SESSION_MS if kind == "session" else ACCESS_MS))

        def work(connection: Connection) -> None:
            connection.execute(delete(agent_sessions).where(agent_sessions.c.expires_ms < now_ms))
            connection.execute(
                insert(agent_sessions).values(
                    token_hash=_hash(token), kind=kind, agent=agent, created_ms=now_ms, expires_ms=expires_ms
                )
            )

        await self._store.run(work)
        return token, expires_ms

    async def by_token(self, token: str, kind: Literal["session", "access"]) -> Agent | None:
        def work(connection: Connection) -> Agent | None:
            row = connection.execute(
                select(agents)
                .join(agent_sessions, agent_sessions.c.agent == agents.c.id)
                .where(
                    agent_sessions.c.token_hash == _hash(token),
                    agent_sessions.c.kind == kind,
                    agent_sessions.c.expires_ms > _now_ms(),
                    agents.c.active,
                )
            ).first()
            return _agent(row) if row else None

        return await self._store.run(work)

    async def close_session(self, token: str) -> None:
        """Log out: the session and every access token of its agent end."""

        def work(connection: Connection) -> None:
            row = connection.execute(
                select(agent_sessions.c.agent).where(agent_sessions.c.token_hash == _hash(token))
            ).first()
            connection.execute(delete(agent_sessions).where(agent_sessions.c.token_hash == _hash(token)))
            if row is not None:
                connection.execute(
                    delete(agent_sessions).where(
                        agent_sessions.c.agent == row.agent, agent_sessions.c.kind == "access"
                    )
                )

        await self._store.run(work)

    async def bench(self, count: int, capacity: int) -> list[ParticipantId]:
        """Accounts nobody can log in to, on the site `bench`: load tests hold their access tokens."""
        made = [ParticipantId(f"a_bench{number}_{secrets.token_urlsafe(6)}") for number in range(count)]

        def work(connection: Connection) -> None:
            for identity in made:
                connection.execute(
                    insert(agents).values(
                        id=identity,
                        site="bench",
                        login=identity,
                        name="Bench",
                        role="agent",
                        password_hash="-",
                        capacity=capacity,
                        created_ms=_now_ms(),
                    )
                )

        await self._store.run(work)
        return made
