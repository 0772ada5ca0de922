"""One frozen Config from defaults, TOML file, environment and flags; nothing else reads settings.

Defaults run the embedded node with no file. Units are in names; secrets come from the
environment or a file path only. An impossible value raises ConfigError naming the key
(the command then ends with exit code 78, EX_CONFIG).
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from cobrowse.patterns import NATIONAL_IDS
from cobrowse.policy import CobrowsePolicy
from signaling.policy import Policy

ENVIRONMENT = "TALKNOW_"
MIN_SECRET_BYTES = 32
DATABASES = ("postgresql", "postgres")
REDISES = ("redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster")
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class ConfigError(Exception):
    """A setting is impossible; the text names the key and says what would do."""


class TokenKey(Struct, frozen=True, forbid_unknown_fields=True):
    """A key that signs visitor tokens: EdDSA or RS256 (PEM public key), HS256 (secret).

    key_file/key_env: where it lies; `key` itself is filled when the configuration is loaded.
    """

    kid: str
    algorithm: str
    key_file: str = ""
    key_env: str = ""
    key: str = ""


class SiteConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[sites.ID]`: the pages of one company. Everything stored carries its id.

    origins: exact origins whose pages may embed the widget. token_*: see docs/embed.md.
    relay_only: browsers send media through our TURN servers only (they need turn_urls).
    *_s: how long an offer rings, how long somebody may be away, how long wrap-up may take.
    cobrowse: what may be seen of its pages (docs/cobrowse.md).
    direct_calls: two-party calls go from browser to browser where they can (shows addresses to each other).
    """

    name: str = "Support"
    origins: tuple[str, ...] = ()
    greeting: str = "Hello! How can we help you?"
    language: str = "en"
    token_issuer: str = ""
    token_audience: str = "talknow"
    token_keys: tuple[TokenKey, ...] = ()
    voice: bool = True
    video: bool = True
    relay_only: bool = False
    offer_timeout_s: int = 20
    agent_grace_s: int = 60
    visitor_grace_s: int = 300
    leg_grace_s: int = 45
    wrap_up_s: int = 120
    direct_calls: bool = False
    cobrowse: CobrowsePolicy = CobrowsePolicy()

    def policy(self) -> Policy:
        return Policy(
            offer_timeout_ms=self.offer_timeout_s * 1_000,
            agent_grace_ms=self.agent_grace_s * 1_000,
            visitor_grace_ms=self.visitor_grace_s * 1_000,
            leg_grace_ms=self.leg_grace_s * 1_000,
            wrap_up_ms=self.wrap_up_s * 1_000,
            direct_calls=self.direct_calls,
            control_ms=self.cobrowse.control_ttl_s * 1_000,
            control_kinds=self.cobrowse.control,
            records=self.cobrowse.record,
        )


class Config(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """host/port: HTTP of server and softphone; the UDP media port is udp_port or port.

    demo: serve the demo company on demo_port or port+1. viewer_port: the shared-page viewer's
    origin (0: port+2). public_ip, public_udp_port: what media candidates advertise (default: host).
    public_url, viewer_url: how browsers reach us and the viewer's origin behind a proxy. trusted_proxies:
    addresses or networks whose X-Forwarded-* count. turn_urls, turn_secret: TURN servers and coturn's
    static-auth-secret.
    bench_token: when set, `talknow bench --url --token` may make its own agents on the site `bench`.
    media_engine: how packets are forwarded: auto, fast or plain (docs/media.md). insecure_http: allow plain
    HTTP off loopback (only behind a proxy that ends TLS).
    Several nodes (docs/scaling.md): database_url (postgresql://…) and redis_url (redis://, rediss://,
    redis+sentinel://, redis+cluster://) are what they share, redis_prefix sets deployments apart.
    keys_dir: the same keys on every node (default data_dir/keys). link_listen: host:port for other nodes,
    link_address: as they reach it (default the same). node_url: how browsers reach this very node, where
    they can. node_urls, viewer_urls: those of all nodes, for policies that say where pages may connect to.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    viewer_port: int = 0
    demo: bool = False
    demo_port: int = 0
    data_dir: Path = Path("data")
    udp_port: int = 0
    public_ip: str = ""
    public_udp_port: int = 0
    public_url: str = ""
    viewer_url: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    trusted_proxies: tuple[str, ...] = ()
    insecure_http: bool = False
    turn_urls: tuple[str, ...] = ()
    turn_secret: str = ""
    turn_ttl_s: int = 300
    bench_token: str = ""
    media_engine: Literal["auto", "fast", "plain"] = "auto"
    database_url: str = ""
    redis_url: str = ""
    redis_prefix: str = "talknow"
    keys_dir: Path | None = None
    link_listen: str = ""
    link_address: str = ""
    node_url: str = ""
    node_urls: tuple[str, ...] = ()
    viewer_urls: tuple[str, ...] = ()
    drain_s: float = 3.0
    log_level: str = "INFO"
    sites: dict[str, SiteConfig] = field(default_factory=dict)

    @property
    def database_file(self) -> Path:
        return self.data_dir / "talknow.sqlite3"

    @property
    def database(self) -> str:
        """SQLAlchemy's URL of where everything is."""
        if self.database_url:
            return "postgresql+psycopg://" + self.database_url.split("://", 1)[1]
        return f"sqlite:///{self.database_file}"

    @property
    def keys(self) -> Path:
        return self.keys_dir or self.data_dir / "keys"

    @property
    def link_at(self) -> tuple[str, int]:
        """Where links from other nodes are taken: port+3 unless said."""
        host, _, port = (self.link_listen or f"{self.host}:{self.port + 3}").rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def link(self) -> str:
        """How other nodes reach it."""
        return self.link_address or ":".join(map(str, self.link_at))

    @property
    def media_port(self) -> int:
        return self.udp_port or self.port

    @property
    def demo_at(self) -> int:
        return self.demo_port or self.port + 1

    @property
    def viewer_at(self) -> int:
        return self.viewer_port or self.port + 2

    @property
    def scheme(self) -> str:
        return "https" if self.tls_cert else "http"

    @property
    def origin(self) -> str:
        """The origin of server and softphone as browsers name it."""
        shown = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host
        return self.public_url.rstrip("/") or f"{self.scheme}://{shown}:{self.port}"

    @property
    def own_origins(self) -> tuple[str, ...]:
        """Where softphones run: as configured, or by any loopback name; other nodes' too."""
        ours = [self.origin]
        if not self.public_url and self.host in LOOPBACK_NAMES:
            ours = [f"{self.scheme}://{name}:{self.port}" for name in ("127.0.0.1", "localhost")]
        return tuple(dict.fromkeys((*ours, *self.node_urls)))

    @property
    def viewer_origin(self) -> str:
        """The origin on which shared pages are shown."""
        shown = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host
        return self.viewer_url.rstrip("/") or f"{self.scheme}://{shown}:{self.viewer_at}"


_LISTS = ("turn_urls", "trusted_proxies", "node_urls", "viewer_urls")
_SECRETS = ("turn_secret", "bench_token", "database_url", "redis_url")


def load(file: Path | None, flags: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Config:
    """Defaults < file < TALKNOW_* environment < flags, checked. Raises: ConfigError."""
    settings: dict[str, Any] = {}
    if file is not None:
        settings.update(_read(file))
    settings.update(_from_environment(os.environ if environ is None else environ))
    settings.update({key: value for key, value in flags.items() if value is not None})
    try:
        config = msgspec.convert(settings, Config, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(str(error)) from error
    config = replace(config, sites={name: _with_keys(name, site) for name, site in config.sites.items()})
    check(config)
    return config


def check(config: Config) -> None:
    """Raises: ConfigError for the first setting that cannot work or would not be safe."""
    for key in ("port", "udp_port", "demo_port", "viewer_port", "public_udp_port"):
        if not 0 <= getattr(config, key) <= 65_535:
            raise ConfigError(f"{key}: {getattr(config, key)} is not a port")
    if bool(config.tls_cert) != bool(config.tls_key):
        raise ConfigError("tls_cert and tls_key belong together: give both or none")
    _check_addresses(config)
    if config.host not in LOOPBACK_NAMES and not config.tls_cert and not config.insecure_http:
        raise ConfigError(
            "tls_cert: browsers give no microphone to plain HTTP off loopback; give tls_cert and tls_key, "
            "or insecure_http = true when a proxy in front of us ends TLS"
        )
    _check_turn(config)
    _check_nodes(config)
    if config.bench_token and len(config.bench_token) < 16:
        raise ConfigError("bench_token: at least 16 characters")
    for name, site in config.sites.items():
        _check_site(f"sites.{name}", site)


def _check_addresses(config: Config) -> None:
    if config.public_ip:
        try:
            ip_address(config.public_ip)
        except ValueError:
            raise ConfigError(f"public_ip: {config.public_ip!r} is not an IP address") from None
    for proxy in config.trusted_proxies:
        try:
            ip_network(proxy)
        except ValueError as error:
            raise ConfigError(f"trusted_proxies: {error}") from None


def _check_nodes(config: Config) -> None:
    if config.database_url and urlsplit(config.database_url).scheme not in DATABASES:
        raise ConfigError(f"database_url: begins with one of {', '.join(DATABASES)}://")
    if config.redis_url and urlsplit(config.redis_url).scheme not in REDISES:
        raise ConfigError(f"redis_url: begins with one of {', '.join(REDISES)}://")
    if "sentinel" in urlsplit(config.redis_url).scheme and len(urlsplit(config.redis_url).path) < 2:
        raise ConfigError("redis_url: redis+sentinel://host:port/NAME, the name Sentinel knows it by")
    if config.redis_url and not config.database_url:
        raise ConfigError("redis_url: several nodes share a PostgreSQL; give database_url too")
    if config.redis_url and config.link.rpartition(":")[0].strip("[]") in ("0.0.0.0", "::", ""):
        raise ConfigError("link_address: how other nodes reach this one; 0.0.0.0 is everybody")
    for key in ("link_listen", "link_address"):
        value = getattr(config, key)
        if value and not re.fullmatch(r".+:\d{1,5}", value):
            raise ConfigError(f"{key}: {value!r} is not host:port")


def _check_turn(config: Config) -> None:
    if config.turn_urls and len(config.turn_secret) < 16:
        raise ConfigError("turn_secret: turn_urls need coturn's static-auth-secret (TALKNOW_TURN_SECRET)")
    for name, site in config.sites.items():
        if site.relay_only and not config.turn_urls:
            raise ConfigError(f"sites.{name}.relay_only: needs turn_urls, or no call of the site connects")
        if site.relay_only and site.direct_calls:
            raise ConfigError(f"sites.{name}.direct_calls: shows browsers' addresses, which relay_only hides")


def _check_site(key: str, site: SiteConfig) -> None:
    if not site.origins:
        raise ConfigError(f"{key}.origins: empty; name the origins whose pages embed the widget")
    for origin in site.origins:
        parts = urlsplit(origin)
        plain = parts.scheme in ("http", "https") and parts.netloc and f"{parts.scheme}://{parts.netloc}"
        if origin == "*" or plain != origin:
            raise ConfigError(
                f"{key}.origins: {origin!r} is not an exact origin like https://www.bank.example"
            )
    for number, token_key in enumerate(site.token_keys):
        _check_key(f"{key}.token_keys[{number}]", token_key)
    if site.token_keys and not site.token_issuer:
        raise ConfigError(f"{key}.token_issuer: needed with token_keys")
    for name in ("offer_timeout_s", "agent_grace_s", "visitor_grace_s", "leg_grace_s", "wrap_up_s"):
        if getattr(site, name) < 1:
            raise ConfigError(f"{key}.{name}: at least 1")
    _check_cobrowse(f"{key}.cobrowse", site.cobrowse)
    for origin in site.cobrowse.continue_on_origins:
        if origin not in site.origins:
            raise ConfigError(
                f"{key}.cobrowse.continue_on_origins: {origin!r} is not one of the site's origins"
            )


def _check_cobrowse(key: str, policy: CobrowsePolicy) -> None:
    for name in ("mask", "allow", "block", "allow_pages", "private_pages", "patterns"):
        if not all(text.strip() for text in getattr(policy, name)):
            raise ConfigError(f"{key}.{name}: an empty entry; leave it out")
    for pattern in policy.patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ConfigError(f"{key}.patterns: {pattern!r} is no regular expression: {error}") from None
    if unknown := set(policy.ids) - NATIONAL_IDS.keys():
        raise ConfigError(f"{key}.ids: {sorted(unknown)} unknown; there are {sorted(NATIONAL_IDS)}")
    if not 10 <= policy.control_ttl_s <= 86_400:
        raise ConfigError(f"{key}.control_ttl_s: between 10 and 86400")


def _check_key(where: str, key: TokenKey) -> None:
    if key.algorithm not in ("EdDSA", "RS256", "HS256"):
        raise ConfigError(f"{where}.algorithm: {key.algorithm!r} is none of EdDSA, RS256, HS256")
    if not key.key:
        raise ConfigError(f"{where}: give key_file or key_env")
    if key.algorithm == "HS256" and len(key.key.encode()) < MIN_SECRET_BYTES:
        raise ConfigError(f"{where}.key: shorter than {MIN_SECRET_BYTES} bytes")


def _read(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as source:
            settings = tomllib.load(source)
    except FileNotFoundError:
        raise ConfigError(f"{file}: no such file") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: {error}") from error
    for key in _SECRETS:
        if key in settings:
            raise ConfigError(f"{key}: a secret; set {ENVIRONMENT}{key.upper()} instead of writing it here")
    return settings


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """TALKNOW_PORT=9000 and so on; lists are comma-separated. TALKNOW_SITES is not read."""
    found: dict[str, Any] = {}
    for name in Config.__struct_fields__:
        raw = environ.get(ENVIRONMENT + name.upper())
        if raw is None or name == "sites":
            continue
        found[name] = [part for part in raw.split(",") if part] if name in _LISTS else raw
    return found


def _with_keys(name: str, site: SiteConfig) -> SiteConfig:
    keys = []
    for number, key in enumerate(site.token_keys):
        where = f"sites.{name}.token_keys[{number}]"
        if key.key_file:
            try:
                key = replace(key, key=Path(key.key_file).read_text().strip())
            except OSError as error:
                raise ConfigError(f"{where}.key_file: {error}") from error
        elif key.key_env:
            key = replace(key, key=os.environ.get(key.key_env, ""))
        keys.append(key)
    return replace(site, token_keys=tuple(keys))
