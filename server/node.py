"""Composition root: what a node is made of, what is started in which order, and how it ends.

Order of the end: stop accepting, tell clients to come back, finish mailboxes, close legs, close the
store. One TaskGroup holds every task. Nothing here decides anything about an engagement.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import cast

from aiohttp import web
from msgspec import Struct
from msgspec.structs import replace

from media.ice import ice_servers
from media.node import MediaConfig, MediaNode
from server.auth import Auth
from server.backend.open import Backend, open_backend
from server.cobrowse.members import Counts
from server.cobrowse.node import Cobrowse
from server.config import Config, ConfigError, SiteConfig
from server.edge import bridge, demo, pages, viewer
from server.edge.bench import BenchDoor, Bystander
from server.edge.cobrowse_assets import CobrowseAssets
from server.edge.cobrowse_socket import CobrowseSocket
from server.edge.gateway import Gateway
from server.edge.http_api import HttpApi
from server.edge.origin import OriginGate
from server.edge.problems import answer_problems, secure_headers
from server.edge.proxy import trust_proxies
from server.effects import Effects
from server.hub import Hub
from server.nodes.cluster import Cluster
from server.nodes.database_watch import DatabaseWatch
from server.nodes.link_watch import LinkWatch
from server.nodes.peers import Peers
from server.owner import Owner, Records
from server.presence import Outlets
from server.records.agents import Agents
from server.records.files import Files
from server.records.store import Store
from server.records.visitors import Visitors
from server.render import Names
from server.sealing import Sealer
from server.service import Service
from server.sharing import Sharing
from server.tasks import task_group
from server.telemetry import Metrics
from server.timers import SystemClock
from signaling.actors import engagement_actor
from signaling.protocol import EngagementId

logger = logging.getLogger(__name__)

BACKLOG = 4_096
ALONE_AGAIN_MS = 500
LINGER_S = 2.0
MAX_REQUEST_BYTES = 11 * 1024 * 1024


class Node(Struct):
    """A running node, for those who started it (command line, tests)."""

    config: Config
    hub: Hub
    service: Service
    media: MediaNode
    cluster: Cluster
    cobrowse: Cobrowse
    gateway: Gateway
    metrics: Metrics
    sites: dict[str, SiteConfig]
    ready: bool = False

    async def reload(self, config: Config) -> None:
        """Take the sites of a new configuration; everything else needs a restart."""
        fresh = complete(config).sites
        self.sites.clear()
        self.sites.update(fresh)
        await self.service.open_sites(fresh)


def complete(config: Config) -> Config:
    """Add the sites that come from flags: the demo company, the load tests' site."""
    sites = dict(config.sites)
    if config.demo:
        made = demo.demo_site(config, demo.demo_key(config.keys))
        own = sites.get("demo", made)
        sites["demo"] = replace(
            own,
            origins=tuple(dict.fromkeys((*made.origins, *own.origins))),
            token_issuer=made.token_issuer,
            token_audience=made.token_audience,
            token_keys=made.token_keys,
        )
    if config.bench_token:
        own = sites.get("bench", SiteConfig(name="Bench"))
        sites["bench"] = replace(own, origins=tuple(dict.fromkeys((config.origin, *own.origins))))
    return replace(config, sites=sites)


@asynccontextmanager
async def run_node(config: Config) -> AsyncIterator[Node]:
    """A node that serves while the context is open; leaving it drains within `drain_s`."""
    config = complete(config)
    async with open_backend(config) as backend, _records(config) as store, _media(config) as media:
        sealer = Sealer(config.keys, backend.log)
        agents = Agents(store)
        files = Files(store, backend.blobs, sealer.records)
        sites = dict(config.sites)
        gate = OriginGate(sites, config.origin, *config.node_urls)
        auth = Auth(sites, Visitors(store, sealer.records, sealer.secret), agents)
        async with task_group() as tasks:
            peers = Peers(backend.bus, tasks)
            hub = Hub(backend.log, backend.bus, peers, tasks, SystemClock())
            outlets = Outlets()
            names = Names({agent.id: agent.name for agent in agents.all()})
            effects = Effects(hub, peers, outlets, names, media)
            cobrowse = effects.pages = Cobrowse(config, sites, sealer.secret, config.data_dir)
            records = Records(files, Sharing(hub, cobrowse), agents.find)
            owner = Owner(hub, peers, sealer, effects, outlets, records)
            service = Service(hub, backend.log, sealer, effects, outlets, owner)
            cluster = Cluster(backend.bus, hub, owner, service, effects, outlets)
            database_watch = DatabaseWatch(backend.bus, backend.log, peers, cluster.send_away)
            # From here on others may ask.
            tasks.create_task(peers.run(), name="peers")
            media.relay_only = lambda engagement: _relay_only(hub, sites, engagement)
            media.listener = Bystander(service) if config.bench_token else service
            metrics = Metrics()
            gateway = Gateway(service, auth, gate, metrics, tasks)
            node = Node(config, hub, service, media, cluster, cobrowse, gateway, metrics, sites)
            _watch(metrics, hub, backend, cobrowse)
            pictures = CobrowseAssets(cobrowse, gate, service)
            shared = CobrowseSocket(cobrowse, gate, service, backend.bus.knock)
            await media.start()
            if config.redis_url:
                tasks.create_task(cluster.settle(), name="settle")
            await service.start(config.sites)
            if config.redis_url:
                tasks.create_task(cluster.sweep(), name="sweep")
                tasks.create_task(database_watch.run(), name="database-watch")
                tasks.create_task(LinkWatch(backend.bus, cluster.send_away).run(), name="link-watch")
            api = HttpApi(config, gate, auth, agents, files, service)
            runners = [
                await _serve(config, _main_app(node, api, gate, media, shared, pictures)),
                await _serve(config, _viewer_app(config, pictures), config.viewer_at),
            ]
            if config.demo:
                runners.append(await _serve(config, _demo_app(config), config.demo_at))
            backend.bus.open_door(cast("Callable[[], asyncio.BaseProtocol]", runners[0].server))
            node.ready = True
            try:
                yield node
            finally:
                await _drain(node, runners)


async def _drain(node: Node, runners: list[web.AppRunner]) -> None:
    """Nobody new; what is queued is committed; then others may have our actors, and clients go to them.

    Calls are carried on for LINGER_S: their people hear each other by the old path until a new one is there.
    """
    node.ready = False
    for runner in runners:
        for site in list(runner.sites):
            await site.stop()
    await node.hub.drain(node.config.drain_s)
    node.cluster.hand_over()
    several = bool(node.config.redis_url)
    await node.gateway.say_goodbye("draining", 0 if several else ALONE_AGAIN_MS)
    if several and node.media.calls:
        await asyncio.sleep(LINGER_S)
    await node.cobrowse.close()
    for runner in runners:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await runner.cleanup()


@asynccontextmanager
async def _records(config: Config) -> AsyncIterator[Store]:
    store = Store(config.database)
    try:
        yield store
    finally:
        store.close()


@asynccontextmanager
async def _media(config: Config) -> AsyncIterator[MediaNode]:
    """The media node is started by run_node once its listener is there; it is closed here."""
    media = MediaNode(
        MediaConfig(
            host=config.host,
            port=config.media_port,
            public_ip=config.public_ip,
            public_udp_port=config.public_udp_port,
            data_dir=config.data_dir,
            ice_servers=lambda leg: ice_servers(config, leg),
            engine=config.media_engine,
        )
    )
    try:
        yield media
    finally:
        await media.close()


def _main_app(
    node: Node,
    api: HttpApi,
    gate: OriginGate,
    media: MediaNode,
    shared: CobrowseSocket,
    pictures: CobrowseAssets,
) -> web.Application:
    app = _app(node.config)

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        return web.Response(
            text="ready\n" if node.ready else "not ready\n", status=200 if node.ready else 503
        )

    async def metrics(_: web.Request) -> web.Response:
        body = node.metrics.render(media.counters())
        return web.Response(body=body, content_type="text/plain", charset="utf-8")

    @web.middleware
    async def sockets(request: web.Request, handler: Callable[..., object]) -> web.StreamResponse:
        if request.path.startswith("/socket.io/"):
            gate.check(request)
        return await handler(request)  # type: ignore[misc,no-any-return]

    app.middlewares.append(sockets)
    if node.config.bench_token:
        app.add_routes(BenchDoor(node.config.bench_token, media).routes())
    app.add_routes(shared.routes())
    app.add_routes(pictures.routes())
    app.add_routes(api.routes())
    viewers = dict.fromkeys((node.config.viewer_origin, *node.config.viewer_urls))
    app.add_routes(pages.routes(pages.desk_policy(node.config.node_urls, viewers)))
    app.add_routes(bridge.routes(node.sites))
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    node.gateway.attach(app)
    return app


def _viewer_app(config: Config, pictures: CobrowseAssets) -> web.Application:
    app = web.Application(middlewares=[secure_headers, answer_problems])
    app.add_routes(viewer.routes(" ".join(config.own_origins)))
    app.add_routes(pictures.viewer_routes())
    return app


def _demo_app(config: Config) -> web.Application:
    app = _app(config)
    app.add_routes(demo.DemoCompany(config, config.sites["demo"].token_keys[0].key).routes())
    return app


def _app(config: Config) -> web.Application:
    return web.Application(
        middlewares=[trust_proxies(config.trusted_proxies), secure_headers, answer_problems],
        client_max_size=MAX_REQUEST_BYTES,
    )


async def _serve(config: Config, app: web.Application, port: int | None = None) -> web.AppRunner:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5, max_line_size=8_190)
    await runner.setup()
    context = None
    if config.tls_cert:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(config.tls_cert, config.tls_key)
    site = web.TCPSite(
        runner, config.host, config.port if port is None else port, backlog=BACKLOG, ssl_context=context
    )
    await site.start()
    return runner


def _relay_only(hub: Hub, sites: Mapping[str, SiteConfig], engagement: EngagementId) -> bool:
    """The site's setting; yes for an engagement that is not here, whose offers reach nobody anyway."""
    live = hub.live.get(engagement_actor(engagement))
    return live is None or live.state is None or sites[live.state.site].relay_only


def _watch(metrics: Metrics, hub: Hub, backend: Backend, pages: Cobrowse) -> None:
    metrics.watch("talknow_live_actors", "Actors in memory", lambda: len(hub.live))
    metrics.watch("talknow_tasks", "Tasks of the event loop", lambda: len(asyncio.all_tasks()))
    metrics.watch("talknow_cobrowse_rooms", "Engagements whose page is shared", lambda: len(pages.rooms))
    for name in Counts.__struct_fields__:
        words = f"Shared pages: {name} since start"
        metrics.watch(f"talknow_cobrowse_{name}", words, partial(getattr, pages.counts, name))
    metrics.watch("talknow_nodes", "Other nodes that live", lambda: len(backend.bus.peers()))
    metrics.watch("talknow_lease", "1 while this node may act", lambda: int(backend.bus.holds))
    metrics.watch("talknow_log_commits", "Commits of the log since start", lambda: backend.log.commits)


async def serve_until_stopped(
    config: Config, started: Callable[[Config], None], again: Callable[[], Config]
) -> None:
    """Run until SIGINT or SIGTERM, then drain. SIGHUP takes the sites of `again()`.

    started: called once everything listens. A configuration that is wrong changes nothing.
    """
    stop, wake = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def end() -> None:
        stop.set()
        wake.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    loop.add_signal_handler(signal.SIGHUP, wake.set)
    async with run_node(config) as node:
        started(node.config)
        while True:
            await wake.wait()
            wake.clear()
            if stop.is_set():
                return
            try:
                await node.reload(again())
            except ConfigError as error:
                logger.warning("configuration not taken", extra={"reason": str(error)})
            else:
                logger.info("sites reloaded", extra={"count": len(node.sites)})
