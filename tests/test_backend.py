"""ONE contract for every log, bus and blob store. Whoever implements one runs this."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.backend import IndexQuery, Projection
from server.backend.migrate import HEAD, current, migrate
from server.backend.open import Backend, open_backend
from server.config import Config
from signaling.errors import BackendUnavailable, NotFound, SeqConflict, StaleEpoch
from signaling.protocol import ActorId, EngagementId, ParticipantId, PhaseName, SiteId

ACTOR = ActorId("e:e_1")


def projection(phase: PhaseName = "open", number: int = 1, visitor: str = "v_1") -> Projection:
    return Projection(
        EngagementId(f"e_{number}"), SiteId("bank"), ParticipantId(visitor), None, phase, number, number, 0
    )


@pytest.fixture(params=["embedded"])
async def backend(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Backend]:
    assert request.param == "embedded"
    async with open_backend(Config(data_dir=tmp_path)) as opened:
        yield opened


async def test_what_was_appended_is_loaded_in_order(backend: Backend) -> None:
    owned = await backend.bus.claim(ACTOR)
    assert await backend.log.append(ACTOR, owned.epoch, 0, [b"a", b"b"]) == 2
    assert await backend.log.append(ACTOR, owned.epoch, 2, [b"c"]) == 3
    assert list((await backend.log.load(ACTOR)).records) == [b"a", b"b", b"c"]
    assert list((await backend.log.load(ACTOR, 2)).records) == [b"c"]


async def test_a_gap_or_an_overlap_is_refused_and_nothing_is_written(backend: Backend) -> None:
    owned = await backend.bus.claim(ACTOR)
    await backend.log.append(ACTOR, owned.epoch, 0, [b"a"])
    for after in (0, 5):
        with pytest.raises(SeqConflict):
            await backend.log.append(ACTOR, owned.epoch, after, [b"x"])
    assert list((await backend.log.load(ACTOR)).records) == [b"a"]


async def test_a_later_claim_ends_the_earlier_one(backend: Backend) -> None:
    old = await backend.bus.claim(ACTOR)
    new = await backend.bus.claim(ACTOR)
    assert new.epoch > old.epoch
    with pytest.raises(StaleEpoch):
        await backend.log.append(ACTOR, old.epoch, 0, [b"x"])
    with pytest.raises(StaleEpoch):
        await backend.log.checkpoint(ACTOR, old.epoch, 1, b"s")
    await backend.log.append(ACTOR, new.epoch, 0, [b"y"])


async def test_one_refused_append_does_not_touch_its_neighbours(backend: Backend) -> None:
    actors = [ActorId(f"e:e_{number}") for number in range(20)]
    owned = [await backend.bus.claim(actor) for actor in actors]
    appends = [
        backend.log.append(actor, own.epoch, 7 if number % 3 == 0 else 0, [b"x"])
        for number, (actor, own) in enumerate(zip(actors, owned, strict=True))
    ]
    results = await asyncio.gather(*appends, return_exceptions=True)
    for number, result in enumerate(results):
        assert isinstance(result, SeqConflict) if number % 3 == 0 else result == 1


async def test_many_appends_share_a_commit(backend: Backend) -> None:
    owned = [await backend.bus.claim(ActorId(f"e:g_{number}")) for number in range(200)]
    before = backend.log.commits
    await asyncio.gather(*(backend.log.append(own.actor, own.epoch, 0, [b"x"]) for own in owned))
    assert backend.log.commits - before < 100


async def test_a_checkpoint_replaces_what_came_before_it(backend: Backend) -> None:
    owned = await backend.bus.claim(ACTOR)
    await backend.log.append(ACTOR, owned.epoch, 0, [b"a", b"b", b"c"])
    await backend.log.checkpoint(ACTOR, owned.epoch, 2, b"state")
    loaded = await backend.log.load(ACTOR)
    assert loaded.checkpoint is not None
    assert (loaded.checkpoint.seq, loaded.checkpoint.state) == (2, b"state")
    assert list(loaded.records) == [b"c"]


async def test_the_index_moves_with_the_append_or_not_at_all(backend: Backend) -> None:
    owned = await backend.bus.claim(ACTOR)
    await backend.log.append(ACTOR, owned.epoch, 0, [b"a"], [projection("open")])
    with pytest.raises(SeqConflict):
        await backend.log.append(ACTOR, owned.epoch, 9, [b"b"], [projection("active")])
    rows = await backend.log.query(IndexQuery(site=SiteId("bank"), phases=("open", "active")))
    assert [row.phase for row in rows] == ["open"]
    await backend.log.append(ACTOR, owned.epoch, 1, [b"b"], [projection("active")])
    assert await backend.log.query(IndexQuery(visitor=ParticipantId("v_1"), phases=("open",))) == []


async def test_a_full_or_broken_disk_is_unavailable_never_an_ack(backend: Backend, tmp_path: Path) -> None:
    owned = await backend.bus.claim(ACTOR)
    blocker = sqlite3.connect(tmp_path / "talknow.sqlite3")
    blocker.execute("DROP TABLE events")
    blocker.commit()
    blocker.close()
    with pytest.raises(BackendUnavailable):
        await backend.log.append(ACTOR, owned.epoch, 0, [b"x"])


async def test_blobs_come_back_whole_and_keys_are_no_paths(backend: Backend) -> None:
    key = "k" * 24
    await backend.blobs.put(key, b"bytes" * 1_000)
    assert await backend.blobs.get(key) == b"bytes" * 1_000
    await backend.blobs.delete(key)
    for wrong in (key, "../../etc/passwd", "x"):
        with pytest.raises(NotFound):
            await backend.blobs.get(wrong)


async def test_envelopes_arrive_in_order(backend: Backend) -> None:
    node = backend.bus.node_id
    for number in range(10):
        await backend.bus.send(node, bytes([number]))
    received = backend.bus.receive()
    assert [await anext(received) for _ in range(10)] == [bytes([n]) for n in range(10)]
    await received.aclose()  # type: ignore[attr-defined]


def test_a_new_database_is_brought_to_this_schema_once(tmp_path: Path) -> None:
    database = tmp_path / "new.sqlite3"
    assert current(database) is None
    assert migrate(database)
    assert current(database) == HEAD
    assert not migrate(database)
