"""One frozen Config from defaults, TOML file and environment; nothing else reads settings.

Defaults run the embedded node with no file. Units are in names; secrets come from the
environment or a file path only. An impossible value raises ConfigError naming the key
(the command then ends with exit code 78, EX_CONFIG).
"""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct, field


class TokenKey(Struct, frozen=True, forbid_unknown_fields=True):
    """A key that signs visitor tokens: algorithm EdDSA, RS256 (PEM public key) or HS256 (secret)."""

    kid: str
    algorithm: str
    key: str = ""
    key_file: str = ""


class SiteConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[sites.ID]`: one company page group. Everything stored carries its id."""

    name: str = "Support"
    origins: tuple[str, ...] = ()
    greeting: str = "Hello! How can we help you?"
    language: str = "en"
    token_issuer: str = ""
    token_audience: str = "talknow"
    token_keys: tuple[TokenKey, ...] = ()
    voice: bool = True
    video: bool = True
    offer_timeout_s: int = 20
    agent_grace_s: int = 60
    visitor_grace_s: int = 300
    leg_grace_s: int = 45
    wrap_up_s: int = 120


class Config(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """host/port: HTTP of server and softphone; UDP media port = udp_port or port.

    demo: serve the demo company on port+1. viewer_port: cobrowse viewer's origin (0 = port+2).
    public_ip/public_udp_port: what candidates advertise ("" = every local address).
    trusted_proxies: addresses whose X-Forwarded-For/-Proto are believed.
    turn_secret: coturn's static-auth-secret; turn_urls: turn:/turns: URLs handed to browsers.
    bench_token: when set, `talknow bench --url --token` may make its own agents on site `bench`.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    viewer_port: int = 0
    demo: bool = False
    demo_port: int = 0
    data_dir: Path = Path("data")
    udp_port: int = 0
    udp_host: str = ""
    public_ip: str = ""
    public_udp_port: int = 0
    public_url: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    trusted_proxies: tuple[str, ...] = ()
    turn_urls: tuple[str, ...] = ()
    turn_secret: str = ""
    turn_ttl_s: int = 300
    bench_token: str = ""
    drain_s: float = 3.0
    log_level: str = "INFO"
    sites: dict[str, SiteConfig] = field(default_factory=dict)
