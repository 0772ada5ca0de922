"""Company tokens: what is believed and what is not; each is redeemed once."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from server.auth import Auth, verify_token
from server.backend.migrate import migrate
from server.config import SiteConfig, TokenKey
from server.records.agents import Agents
from server.records.store import Store
from server.records.visitors import Visitors
from server.sealing import Box
from signaling.errors import InvalidToken, LimitExceeded, NotFound, TokenReplayed, Unauthenticated

SECRET = "a secret of more than thirty-two bytes"
ED = ed25519.Ed25519PrivateKey.generate()
RSA = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


def pem(key: Any) -> str:
    public: bytes = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return public.decode()


SITE = SiteConfig(
    origins=("https://bank.example",),
    token_issuer="https://bank.example",
    token_keys=(
        TokenKey(kid="hs", algorithm="HS256", key=SECRET),
        TokenKey(kid="ed", algorithm="EdDSA", key=pem(ED)),
        TokenKey(kid="rs", algorithm="RS256", key=pem(RSA)),
    ),
)


def token(
    key: Any = SECRET,
    algorithm: str = "HS256",
    headers: dict[str, Any] | None = None,
    without: str = "",
    **change: Any,
) -> str:
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": "https://bank.example",
        "aud": "talknow",
        "sub": "customer-1",
        "name": "Anna",
        "jti": "0123456789",
        "iat": now,
        "exp": now + 120,
    } | change
    claims.pop(without, None)
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": "hs"} | (headers or {}))


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"), [(SECRET, "HS256", "hs"), (ED, "EdDSA", "ed"), (RSA, "RS256", "rs")]
)
def test_three_algorithms_are_believed(key: Any, algorithm: str, kid: str) -> None:
    claims = verify_token(SITE, token(key, algorithm, {"kid": kid}))
    assert (claims.subject, claims.name) == ("customer-1", "Anna")


NOW = int(time.time())
BAD: dict[str, str] = {
    "algorithm none": token("", "none"),
    "HS256 with the public key's kid": token(SECRET, "HS256", {"kid": "ed"}),
    "unknown crit": token(headers={"crit": ["x"], "x": 1}),
    "kid is a path": token(headers={"kid": "../../x"}),
    "no kid": token(headers={"kid": ""}),
    "wrong secret": token("another secret of more than 32 bytes.."),
    "other site's audience": token(aud="other"),
    "other issuer": token(iss="https://evil.example"),
    "expired": token(iat=NOW - 400, exp=NOW - 200),
    "lives a day": token(exp=NOW + 86_400),
    "from the future": token(iat=NOW + 600, exp=NOW + 700),
    **{f"no {claim}": token(without=claim) for claim in ("exp", "iat", "iss", "aud", "sub", "jti")},
    "jti too short": token(jti="1"),
    "not a token": "a.b.c",
    "empty": "",
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_token_is_refused_without_a_reason_for_its_sender(name: str) -> None:
    with pytest.raises(InvalidToken) as refused:
        verify_token(SITE, BAD[name])
    assert refused.value.wire_code == "invalid_token"
    assert name not in refused.value.public


@pytest.fixture
async def auth(tmp_path: Path) -> AsyncIterator[Auth]:
    database = f"sqlite:///{tmp_path}/t.sqlite3"
    migrate(database)
    store = Store(database)
    agents = Agents(store)
    agents.add(site="bank", login="tess", name="Tess", password="long enough password")
    yield Auth({"bank": SITE, "shop": SITE}, Visitors(store, Box(b"k" * 32), b"s" * 32), agents)
    store.close()


async def test_a_token_is_redeemed_once_and_its_credential_resumes(auth: Auth) -> None:
    signed = token()
    first = await auth.visitor("bank", signed, None)
    assert first.verified
    again = await auth.visitor("bank", signed, first.credential)
    assert (again.id, again.credential) == (first.id, first.credential)
    for credential in (None, "stolen", (await auth.visitor("bank", None, None)).credential):
        with pytest.raises(TokenReplayed):
            await auth.visitor("bank", signed, credential)


async def test_a_fresh_token_of_the_same_customer_keeps_the_credential(auth: Auth) -> None:
    first = await auth.visitor("bank", token(), None)
    second = await auth.visitor("bank", token(jti="another-jti"), first.credential)
    assert second.credential == first.credential
    elsewhere = await auth.visitor("bank", token(jti="third-jti-9"), None)
    assert (elsewhere.id, elsewhere.credential != first.credential) == (first.id, True)


async def test_another_customer_in_the_same_browser_is_another_visitor(auth: Auth) -> None:
    first = await auth.visitor("bank", token(), None)
    other = await auth.visitor("bank", token(sub="customer-2", jti="other-jti-1"), first.credential)
    assert other.id != first.id


async def test_whoever_signs_in_stays_who_it_is(auth: Auth) -> None:
    before = await auth.visitor("bank", None, None)
    now = await auth.visitor("bank", token(), before.credential)
    assert (now.id, now.credential, now.verified) == (before.id, before.credential, True)
    assert (await auth.session(before.credential, "d", site="bank")).subject == now.identity.subject
    assert (await auth.visitor("bank", token(jti="another-jti"), None)).id == before.id


async def test_signing_in_gives_no_way_to_what_the_customer_did_elsewhere(auth: Auth) -> None:
    older = await auth.visitor("bank", token(), None)
    before = await auth.visitor("bank", None, None)
    now = await auth.visitor("bank", token(jti="another-jti"), before.credential)
    assert (now.id, now.verified) == (before.id, True)
    assert (await auth.visitor("bank", token(jti="third-jti-9"), None)).id == older.id
    other = await auth.visitor("bank", token(sub="customer-2", jti="fourth-jti-1"), now.credential)
    assert other.id not in (before.id, older.id)


async def test_credentials_are_bound_to_their_site(auth: Auth) -> None:
    first = await auth.visitor("bank", None, None)
    assert (await auth.visitor("shop", None, first.credential)).id != first.id
    with pytest.raises(Unauthenticated):
        await auth.session(first.credential, "d", site="shop")
    with pytest.raises(NotFound):
        await auth.visitor("nowhere", None, None)


async def test_an_anonymous_visitor_is_stable_per_browser(auth: Auth) -> None:
    first = await auth.visitor("bank", None, None)
    assert (await auth.visitor("bank", None, first.credential)).id == first.id


async def test_logins_are_checked_and_slowed(auth: Auth) -> None:
    assert (await auth.login("tess", "long enough password", "::1")).name == "Tess"
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            await auth.login("tess", "wrong", "::1")
    with pytest.raises(LimitExceeded):
        await auth.login("tess", "long enough password", "::1")
