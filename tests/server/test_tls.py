"""With a certificate everything is https: pages, sockets, and a cookie that only https carries."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from server.config import Config, SiteConfig
from server.node import run_node
from server.records.agents import Agents
from server.records.store import Store
from tests.server_process import free_block


def certificate(directory: Path) -> tuple[str, str]:
    """A self-signed certificate of 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = directory / "cert.pem", directory / "key.pem"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return str(cert_file), str(key_file)


async def test_with_a_certificate_everything_is_https(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    config = Config(
        port=free_block(),
        data_dir=tmp_path,
        tls_cert=cert,
        tls_key=key,
        sites={"bank": SiteConfig(origins=("https://bank.example",))},
        drain_s=0.5,
    )
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    url = f"https://127.0.0.1:{config.port}"
    async with run_node(config) as node, aiohttp.ClientSession() as http:
        assert node.config.origin == url
        store = Store(config.database)
        Agents(store).add(site="bank", login="tess", name="Tess", password="long enough password")
        store.close()
        body = {"login": "tess", "password": "long enough password"}
        async with http.post(f"{url}/v1/agents/login", json=body, ssl=trust) as answer:
            assert answer.status == 200
            cookie = answer.headers["Set-Cookie"]
        for part in ("__Host-talknow_agent=", "HttpOnly", "Secure", "SameSite=Strict", "Path=/"):
            assert part in cookie
        async with http.get(f"{url}/readyz", ssl=trust) as answer:
            assert answer.status == 200
        with pytest.raises(aiohttp.ClientError):
            await http.get(f"http://127.0.0.1:{config.port}/readyz")
