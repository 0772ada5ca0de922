"""Who somebody is: company tokens, visitor credentials, agent logins. Never what they may do.

Company tokens are JWTs of the site's own keys: algorithm bound to the key, exact `kid`, every claim
required, five minutes at most. Why a token was refused is for our log, not for its sender.
Source: RFC 7519, RFC 8725; docs/protocol.md, section 8.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict, deque
from collections.abc import Mapping

import jwt

from server.config import SiteConfig, TokenKey
from server.records.agents import Agent, Agents
from server.records.visitors import Claims, Visitor, Visitors
from server.sessions import Session
from signaling.errors import InvalidToken, LimitExceeded, NotFound, Unauthenticated
from signaling.protocol import DeviceId, Page, ParticipantId, RoleName, SiteId

logger = logging.getLogger(__name__)

REQUIRED = ["exp", "iat", "iss", "aud", "sub", "jti"]
MAX_LIFE_S = 300
MAX_SKEW_S = 60
LOGIN_TRIES = 5
LOGIN_WINDOW_S = 60.0
MAX_REMEMBERED = 10_000


def verify_token(site: SiteConfig, token: str, now_s: float | None = None) -> Claims:
    """Raises: InvalidToken; the reason goes to our log only."""
    try:
        return _verify(site, token, time.time() if now_s is None else now_s)
    except (jwt.PyJWTError, ValueError) as error:
        logger.info("company token refused", extra={"reason": type(error).__name__})
        raise InvalidToken(type(error).__name__) from None


def _verify(site: SiteConfig, token: str, now_s: float) -> Claims:
    header = jwt.get_unverified_header(token)
    if "crit" in header:
        raise ValueError("critical header")
    key = _key(site, header.get("kid"))
    payload = jwt.decode(
        token,
        key.key,
        algorithms=[key.algorithm],
        audience=site.token_audience,
        issuer=site.token_issuer,
        options={"require": REQUIRED},
    )
    if payload["exp"] - payload["iat"] > MAX_LIFE_S or payload["iat"] > now_s + MAX_SKEW_S:
        raise ValueError("life or clock")
    subject, jti, name = payload["sub"], payload["jti"], payload.get("name", "")
    if not isinstance(jti, str) or not 8 <= len(jti) <= 256 or not 1 <= len(subject) <= 256:
        raise ValueError("jti or sub")
    if not isinstance(name, str):
        raise ValueError("name")
    return Claims(subject, jti, int(payload["exp"] + 2 * MAX_SKEW_S) * 1_000, name[:120])


def _key(site: SiteConfig, kid: object) -> TokenKey:
    for key in site.token_keys:
        if key.kid == kid:
            return key
    raise ValueError("unknown kid")


class Auth:
    """Sessions from credentials and tokens."""

    def __init__(self, sites: Mapping[str, SiteConfig], visitors: Visitors, agents: Agents) -> None:
        self._sites = sites
        self._visitors = visitors
        self._agents = agents
        self._failures: dict[str, deque[float]] = defaultdict(deque)

    def site(self, site: str) -> SiteConfig:
        """Raises: NotFound."""
        if site not in self._sites:
            raise NotFound(site)
        return self._sites[site]

    async def visitor(self, site: str, token: str | None, credential: str | None) -> Visitor:
        """A visitor session: token redeemed, credential resumed, or a new anonymous visitor."""
        config = self.site(site)
        if token is not None:
            return await self._visitors.redeem(site, verify_token(config, token), credential)
        if credential is not None:
            resumed = await self._visitors.resume(site, credential)
            if resumed is not None:
                return resumed
        return await self._visitors.anonymous(site)

    async def session(
        self, token: str, device: str, *, site: str | None = None, page: Page | None = None
    ) -> Session:
        """Who holds this bearer token: with `site` a visitor's credential, else an agent's access token.

        Raises: Unauthenticated.
        """
        if site is not None:
            visitor = await self._visitors.resume(site, token) if site in self._sites else None
            if visitor is None:
                raise Unauthenticated("credential")
            return visitor_session(visitor, device, page)
        agent = await self._agents.by_token(token, "access")
        if agent is None:
            raise Unauthenticated("access token")
        return agent_session(agent, device)

    async def bearer(self, token: str, device: str) -> Session:
        """The same for HTTP, where the token alone must tell whose it is."""
        for site in self._sites:
            if (visitor := await self._visitors.resume(site, token)) is not None:
                return visitor_session(visitor, device, None)
        return await self.session(token, device)

    async def login(self, login: str, password: str, address: str) -> Agent:
        """Raises: Unauthenticated; LimitExceeded after LOGIN_TRIES failures in a minute."""
        keys = (f"l:{login.casefold()}", f"a:{address}")
        now = time.monotonic()
        self._forget_old(now)
        for key in keys:
            failures = self._failures[key]
            while failures and now - failures[0] > LOGIN_WINDOW_S:
                failures.popleft()
            if len(failures) >= LOGIN_TRIES * (1 if key.startswith("l:") else 4):
                raise LimitExceeded("logins", retry_after_ms=int(LOGIN_WINDOW_S * 1_000))
        agent = await self._agents.verify(login, password)
        if agent is None:
            for key in keys:
                self._failures[key].append(now)
            raise Unauthenticated("login")
        for key in keys:
            self._failures.pop(key, None)
        return agent

    def _forget_old(self, now: float) -> None:
        """Guesses with ever new names must not fill the memory."""
        if len(self._failures) > MAX_REMEMBERED:
            fresh = {k: v for k, v in self._failures.items() if v and now - v[-1] <= LOGIN_WINDOW_S}
            self._failures = defaultdict(deque, fresh)


def visitor_session(visitor: Visitor, device: str, page: Page | None) -> Session:
    return Session(
        role="visitor",
        participant=visitor.id,
        site=SiteId(visitor.site),
        device=DeviceId(device),
        name=visitor.identity.name,
        subject=visitor.identity.subject,
        verified=visitor.verified,
        page=page,
    )


def agent_session(agent: Agent, device: str) -> Session:
    role: RoleName = "supervisor" if agent.role in ("supervisor", "admin") else "agent"
    return Session(
        role=role,
        participant=ParticipantId(agent.id),
        site=SiteId(agent.site),
        device=DeviceId(device),
        name=agent.name,
        capacity=agent.capacity,
    )
