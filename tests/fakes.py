"""Stand-ins with the real interface: a media node that makes offers without a socket."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from signaling.effects import Route
from signaling.errors import NotFound
from signaling.protocol import AnswerReply, EngagementId, LegId, PathId, PathOffer


class FakeMedia:
    """As media.node.MediaNode, but a path connects when its answer says `connect`."""

    def __init__(self, config: Any = None) -> None:
        self.config = config
        self.listener: Any = None
        self.routes: dict[EngagementId, tuple[Route, ...]] = {}
        self.closed: list[LegId] = []
        self.offers: dict[PathId, PathOffer] = {}
        self._numbers = itertools.count(1)

    async def start(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        self.offers.clear()

    async def open_path(self, engagement: EngagementId, leg: LegId) -> PathOffer:
        path = PathId(f"p_{next(self._numbers)}")
        offer = PathOffer(engagement, leg, path, 0, "v=0\r\n", 0)
        self.offers[path] = offer
        return offer

    async def apply_answer(self, leg: LegId, path: PathId, revision: int, sdp: str) -> AnswerReply:
        offer = self.offers.get(path)
        if offer is None or offer.leg != leg:
            raise NotFound(path)
        self.listener.path_connected(offer.engagement, leg, path)
        more = replace(offer, revision=1)
        return AnswerReply(await self.open_path(offer.engagement, leg), more)

    def set_routes(self, engagement: EngagementId, routes: tuple[Route, ...]) -> None:
        self.routes[engagement] = routes

    async def close_legs(self, legs: tuple[LegId, ...]) -> None:
        self.closed.extend(legs)

    def counters(self) -> dict[str, int]:
        return {}


class FakeMediaConfig:
    """Takes what MediaConfig takes."""

    def __init__(self, **settings: Any) -> None:
        self.data_dir: Path = settings["data_dir"]
