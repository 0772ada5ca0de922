"""ONE contract for whoever plays the media node: the real one and the fake that other tests use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peer import PeerPath, close_all
from media.node import MediaConfig, MediaNode
from signaling.effects import Route
from signaling.errors import TalkError
from signaling.protocol import PathId
from tests.fakes import FakeMedia
from tests.media.conftest import A, B, E, Heard, until


@pytest.fixture(params=["real", "fake"])
async def media(request: pytest.FixtureRequest, music_dir: Path, heard: Heard) -> AsyncIterator[Any]:
    if request.param == "real":
        node: Any = MediaNode(MediaConfig("127.0.0.1", 0, "", 0, music_dir, lambda leg: []))
    else:
        node = FakeMedia()
    node.listener = heard
    await node.start()
    yield node
    close_all()
    await node.close()


async def connect(media: Any, heard: Heard) -> tuple[PathId, Any]:
    offer = await media.open_path(E, A)
    sdp = "v=0\r\n"
    if isinstance(media, MediaNode):
        peer = PeerPath(offer.sdp, lambda *_: None)
        await peer.start()
        sdp = peer.answer_sdp
    reply = await media.apply_answer(A, offer.path, offer.revision, sdp)
    assert (reply.offer.path, reply.offer.revision) == (offer.path, 1)
    ticket = reply.ticket
    await until(lambda: len(heard.connected) == 1)
    return offer.path, ticket


async def test_an_offer_names_its_leg_and_every_path_is_another(media: Any) -> None:
    first, second = await media.open_path(E, A), await media.open_path(E, A)
    assert (first.engagement, first.leg, first.revision) == (E, A, 0)
    assert first.path != second.path


async def test_an_answer_connects_the_path_and_brings_the_next_one(media: Any, heard: Heard) -> None:
    path, ticket = await connect(media, heard)
    assert heard.connected == [(A, path)]
    assert (ticket.leg, ticket.engagement) == (A, E)
    assert ticket.path != path


async def test_an_unknown_path_or_leg_is_not_found(media: Any) -> None:
    offer = await media.open_path(E, A)
    for leg, path in ((A, PathId("p_other")), (B, offer.path)):
        with pytest.raises(TalkError) as refused:
            await media.apply_answer(leg, path, 0, "v=0\r\n")
        assert refused.value.wire_code == "not_found"


async def test_routes_may_name_legs_that_are_not_there_and_closing_is_silent(
    media: Any, heard: Heard
) -> None:
    media.set_routes(E, (Route(A, B, "audio"),))
    await connect(media, heard)
    await media.close_legs((A, B))
    media.set_routes(E, ())
    assert heard.lost == []
    assert isinstance(media.counters(), dict)
