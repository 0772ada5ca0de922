"""ONE contract for every log, bus and blob store. Whoever implements one runs this."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from server.backend import IndexQuery, Projection
from server.backend.migrate import HEAD, current, migrate
from server.backend.open import Backend, open_backend
from server.config import Config
from signaling.errors import BackendUnavailable, NotFound, SeqConflict, StaleEpoch
from signaling.protocol import ActorId, EngagementId, NodeId, ParticipantId, PhaseName, SiteId

ACTOR = ActorId("e:e_1")


def projection(phase: PhaseName = "open", number: int = 1, visitor: str = "v_1") -> Projection:
    return Projection(
        EngagementId(f"e_{number}"), SiteId("bank"), ParticipantId(visitor), None, phase, number, number, 0
    )


@pytest.fixture(params=["embedded", "several nodes"])
async def backend(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Backend]:
    """One node; of several, the first one."""
    if request.param == "embedded":
        config = Config(data_dir=tmp_path)
    else:
        config = request.getfixturevalue("shared").node(tmp_path)
    async with open_backend(config) as opened:
        yield opened


@pytest.fixture
def database(backend: Backend, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """SQLAlchemy's URL of the backend's database."""
    several = "several nodes" in request.node.name
    return (
        request.getfixturevalue("shared").node(tmp_path) if several else Config(data_dir=tmp_path)
    ).database


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


async def test_a_broken_database_is_unavailable_never_an_ack(backend: Backend, database: str) -> None:
    owned = await backend.bus.claim(ACTOR)
    blocker = create_engine(database)
    with blocker.begin() as connection:
        connection.execute(text("DROP TABLE events"))
    blocker.dispose()
    with pytest.raises(BackendUnavailable):
        await backend.log.append(ACTOR, owned.epoch, 0, [b"x"])


async def test_only_who_is_not_claimed_by_the_living_is_taken(backend: Backend) -> None:
    other = NodeId("n_other")
    theirs = await backend.log.claim(ACTOR, other)
    assert (theirs.node, theirs.epoch) == (other, 1)
    assert await backend.log.claim(ACTOR, backend.bus.node_id, [other]) == theirs
    ours = await backend.log.claim(ACTOR, backend.bus.node_id, [])
    assert (ours.node, ours.epoch) == (backend.bus.node_id, 2)
    assert await backend.log.kept([theirs]) == set()
    assert await backend.log.kept([ours]) == {ACTOR}
    await backend.log.release([ACTOR], backend.bus.node_id)
    assert (await backend.log.claim(ACTOR, other, [backend.bus.node_id])).node == other


async def test_orphans_have_work_to_do_and_no_owner_that_lives(backend: Backend) -> None:
    phases: tuple[PhaseName, ...] = ("active", "ended", "queued")
    for number, phase in enumerate(phases, 1):
        actor = ActorId(f"e:e_{number}")
        node = NodeId("n_living" if number == 3 else "n_dead")
        owned = await backend.log.claim(actor, node)
        await backend.log.append(actor, owned.epoch, 0, [b"x"], [projection(phase, number)])
    queue = ActorId("q:bank")
    await backend.log.claim(queue, NodeId("n_dead"))
    assert set(await backend.log.orphans([NodeId("n_living")], 10)) == {ActorId("e:e_1"), queue}
    assert len(await backend.log.orphans([], 2)) == 2


async def test_one_at_a_time_under_one_name(backend: Backend) -> None:
    inside, most = 0, 0

    async def enter(name: str) -> None:
        nonlocal inside, most
        async with backend.log.alone(name):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.01)
            inside -= 1

    await asyncio.gather(*(enter("a") for _ in range(5)))
    assert most == 1
    await asyncio.gather(enter("a"), enter("b"))
    assert most == 2


async def test_who_says_first_is_agreed_with(backend: Backend) -> None:
    assert await backend.log.agree("colour", b"red") == b"red"
    assert await backend.log.agree("colour", b"blue") == b"red"


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
        backend.bus.send(node, bytes([number]))
    received = backend.bus.receive()
    assert [await anext(received) for _ in range(10)] == [(node, bytes([n])) for n in range(10)]
    await received.aclose()  # type: ignore[attr-defined]


def test_a_new_database_is_brought_to_this_schema_once(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/new.sqlite3"
    assert current(database) is None
    assert migrate(database)
    assert current(database) == HEAD
    assert not migrate(database)
