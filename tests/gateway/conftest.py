"""The real edge and core on an aiohttp test server, with a fake media node; raw and stock clients."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from msgspec.structs import replace

import server.node as node_module
from server.config import Config, SiteConfig
from server.node import Node, run_node
from tests.fakes import FakeMedia, FakeMediaConfig
from tests.server_process import free_block

BENCH = "bench-token-for-tests"
ORIGIN = "https://www.bank.example"


class World:
    """A running node and ways to reach it."""

    def __init__(self, node: Node, http: aiohttp.ClientSession) -> None:
        self.node = node
        self.http = http
        self.url = f"http://127.0.0.1:{node.config.port}"

    async def credential(self, site: str = "bank") -> str:
        async with self.http.post(f"{self.url}/v1/visitors/session", json={"site": site}) as answer:
            found: str = (await answer.json())["credential"]
            return found

    async def agent_token(self) -> str:
        headers = {"Authorization": f"Bearer {BENCH}"}
        async with self.http.post(f"{self.url}/v1/bench/agents", json={}, headers=headers) as answer:
            found: str = (await answer.json())["agents"][0]["token"]
            return found

    async def raw(self, **headers: str) -> Raw:
        socket = await self.http.ws_connect(
            f"{self.url}/socket.io/?EIO=4&transport=websocket", headers=headers
        )
        raw = Raw(socket)
        await raw.read()  # the engine.io handshake
        return raw

    async def visitor(
        self, site: str = "bank", device: str = "d1", credential: str = "", **headers: str
    ) -> Raw:
        raw = await self.raw(**headers)
        token = credential or await self.credential(site)
        await raw.connect({"protocol": 1, "token": token, "device": device, "site": site})
        return raw

    async def agent(self, device: str = "da") -> Raw:
        raw = await self.raw()
        await raw.connect({"protocol": 1, "token": await self.agent_token(), "device": device})
        return raw


class Raw:
    """A WebSocket that speaks Socket.IO by hand, so that it can also misspeak."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.events: list[tuple[str, Any]] = []
        self.acks: dict[int, Any] = {}
        self.counter = 0
        self.token = ""
        self._ack_id = 0

    async def read(self) -> str | None:
        """The next frame; pings are answered; None when closed."""
        async with asyncio.timeout(5):
            message = await self.socket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            return None
        text: str = message.data
        if text == "2":
            await self.socket.send_str("3")
        elif text.startswith("42"):
            name, data = json.loads(text[2:])
            self.events.append((name, data))
        elif text.startswith("43"):
            digits = text[2:].split("[", 1)[0]
            self.acks[int(digits)] = json.loads(text[2 + len(digits) :])[0]
        return text

    async def connect(self, auth: dict[str, Any]) -> str | None:
        self.token = auth.get("token", "")
        await self.socket.send_str("40" + json.dumps(auth))
        answer = await self.read()
        if answer is not None and answer.startswith("40"):
            await self.event("session.ready")
        return answer

    async def event(self, name: str) -> dict[str, Any]:
        """The next event of that name, also one that came before."""
        while True:
            for number, (known, data) in enumerate(self.events):
                if known == name:
                    del self.events[number]
                    found: dict[str, Any] = data
                    return found
            assert await self.read() is not None, f"closed while waiting for {name}"

    async def error(self) -> str:
        code: str = (await self.event("error"))["error"]["code"]
        return code

    async def call(self, name: str, data: Any) -> dict[str, Any]:
        self._ack_id += 1
        await self.socket.send_str(f"42{self._ack_id}" + json.dumps([name, data]))
        while self._ack_id not in self.acks:
            assert await self.read() is not None, f"closed while waiting for the ack of {name}"
        found: dict[str, Any] = self.acks.pop(self._ack_id)
        return found

    async def durable(self, name: str, **data: Any) -> dict[str, Any]:
        self.counter += 1
        return await self.call(name, {"counter": self.counter, **data})

    async def closed(self) -> int | None:
        """Read until the server closes; the close code."""
        while await self.read() is not None:
            continue
        return self.socket.close_code


@pytest.fixture
def config(tmp_path: Path) -> Config:
    sites = {
        "bank": SiteConfig(name="Bank", origins=(ORIGIN,)),
        "shop": SiteConfig(name="Shop", origins=("https://shop.example",)),
    }
    return Config(port=free_block(), data_dir=tmp_path, sites=sites, bench_token=BENCH, drain_s=1.0)


@pytest.fixture
async def world(config: Config, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(node_module, "MediaNode", FakeMedia)
    monkeypatch.setattr(node_module, "MediaConfig", FakeMediaConfig)
    async with run_node(replace(config)) as node, aiohttp.ClientSession() as http:
        yield World(node, http)
