"""The company whose pages `talknow bench cobrowse` records, and how each recorder is started in them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web
from msgspec import Struct

from benchmarks.serving import served

SITE = "bench"
WORKLOADS_JS = Path(__file__).parent / "pages" / "workloads.js"
ASSETS = Path(__file__).parents[1] / "server" / "web" / "assets"


class Workload(Struct, frozen=True):
    """One way a page changes. page: on which of the four pages; nodes: how big that page is, about."""

    name: str
    page: str
    nodes: int


WORKLOADS = (
    Workload("typing", "form", 200),
    Workload("ticker", "form", 200),
    Workload("animation", "dashboard", 4_000),
    Workload("churn", "dashboard", 4_000),
    Workload("route", "dashboard", 4_000),
    Workload("sort", "table", 14_000),
    Workload("virtual", "table", 14_000),
    Workload("storm", "catalog", 28_000),
)

# Start a recorder that was loaded before, so that its script's compilation is not part of the figures.
START = {
    "none": "() => {}",
    "talknow": """({ url, token }) => {
      window.__recorder = new window.Recorder({ url, token, keepToken: () => {} });
      window.__recorder.start();
    }""",
    "rrweb": """({ url }) => new Promise((resolve) => {
      const socket = new WebSocket(url);
      socket.onopen = () => {
        window.rrwebRecord.record({ emit: (event) => socket.send(JSON.stringify(event)) });
        resolve();
      };
    })""",
}


def built_script(name: str) -> str:
    """The file name of a part of the built recorder. Raises: RuntimeError when there is none."""
    found = sorted(ASSETS.glob(f"{name}-*.js"))
    if not found:
        raise RuntimeError("the web client is not built: run `make web`")
    return found[0].name


class Company:
    """`server`, `yardstick`: where the two recorders come from; set before the first page is asked for."""

    def __init__(self) -> None:
        self.server = ""
        self.yardstick = ""
        self.origin = ""

    async def page(self, request: web.Request) -> web.Response:
        load = {
            "none": "",
            "rrweb": f'<script src="{self.yardstick}/record.js"></script>',
            "talknow": '<script type="module">'
            f'import {{ Recorder }} from "{self.server}/assets/{built_script("recorder")}";'
            f'import "{self.server}/assets/{built_script("live")}";'
            "window.Recorder = Recorder;</script>",
        }[request.match_info["recorder"]]
        text = (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Bench</title>{load}'
            f'</head><body><script src="/workloads.js"></script>'
            f'<script>Bench.open("{request.match_info["page"]}")</script></body></html>'
        )
        # Cross-origin isolated: clocks of 5 us instead of 100.
        headers = {
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Embedder-Policy": "credentialless",
        }
        return web.Response(text=text, content_type="text/html", headers=headers)

    async def workloads(self, _: web.Request) -> web.Response:
        return web.Response(body=WORKLOADS_JS.read_bytes(), content_type="text/javascript")


@contextlib.asynccontextmanager
async def company() -> AsyncIterator[Company]:
    """Served on a port of its own."""
    made = Company()
    routes = [
        web.get("/workloads.js", made.workloads),
        web.get("/{recorder:none|talknow|rrweb}/{page}", made.page),
    ]
    async with served(routes) as made.origin:
        yield made
