"""The yardstick's server: passes what rrweb recorded to the page that replays it, and serves both bundles.

`python -m benchmarks.peers.rrweb_relay PORT`. Over the same kind of deflated WebSocket as ours; it looks into
nothing and keeps nothing.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from aiohttp import WSMsgType, web

MODULES = Path(__file__).parents[2] / "web_client" / "node_modules" / "@rrweb"
BUNDLES = {
    "record.js": MODULES / "record" / "dist" / "record.umd.min.cjs",
    "replay.js": MODULES / "replay" / "dist" / "replay.umd.min.cjs",
    "replay.css": MODULES / "replay" / "dist" / "style.min.css",
}
TYPES = {".js": "text/javascript", ".css": "text/css"}
REPLAY = """<!doctype html><html><head><link rel="stylesheet" href="/replay.css"></head><body>
<div id="screen"></div><script src="/replay.js"></script><script>
const { Replayer } = window.rrwebReplay ?? window.rrweb;
let replayer;
const first = [];
const socket = new WebSocket(`ws://${location.host}/watch`);
socket.onopen = () => { window.__open = true; };
socket.onmessage = ({ data }) => {
  const event = JSON.parse(data);
  if (replayer) return replayer.addEvent(event);
  first.push(event);
  if (event.type !== 2) return;
  replayer = new Replayer(first, { root: document.getElementById("screen"), liveMode: true });
  replayer.startLive(Date.now());
  window.__page = () => replayer.iframe.contentDocument;
};
</script></body></html>"""


class RrwebRelay:
    """One recorder, one replayer at a time."""

    def __init__(self) -> None:
        self._watching: set[web.WebSocketResponse] = set()

    async def record(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=True, max_msg_size=0)
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                for watching in list(self._watching):
                    with contextlib.suppress(ConnectionError):  # its page has just gone
                        await watching.send_str(message.data)
        return socket

    async def watch(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=True)
        await socket.prepare(request)
        self._watching.add(socket)
        async for _ in socket:
            pass
        self._watching.discard(socket)
        return socket

    async def bundle(self, request: web.Request) -> web.Response:
        file = BUNDLES[request.match_info["name"]]
        kind = TYPES[Path(request.match_info["name"]).suffix]
        return web.Response(
            body=file.read_bytes(), content_type=kind, headers={"Access-Control-Allow-Origin": "*"}
        )

    async def replay(self, _: web.Request) -> web.Response:
        return web.Response(text=REPLAY, content_type="text/html")

    def app(self) -> web.Application:
        app = web.Application()
        names = "|".join(BUNDLES).replace(".", r"\.")
        app.add_routes(
            [
                web.get("/record", self.record),
                web.get("/watch", self.watch),
                web.get("/replay", self.replay),
                web.get(f"/{{name:{names}}}", self.bundle),
            ]
        )
        return app


if __name__ == "__main__":
    web.run_app(RrwebRelay().app(), host="127.0.0.1", port=int(sys.argv[1]), print=lambda *_: None)
