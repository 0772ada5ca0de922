"""Mailboxes: ack = committed, a failed append is no append, recovery finishes what a crash cut off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from server.backend import Projection
from server.backend.memory_bus import MemoryBus
from server.backend.open import open_backend
from server.cobrowse.node import Cobrowse
from server.config import Config, SiteConfig
from server.edge.gateway import Connection
from server.effects import QUEUE_NEWS_S, Effects
from server.hub import AWAY_S, Hub
from server.nodes.peers import Peers
from server.owner import Owner, Records
from server.presence import Outlets
from server.render import Names
from server.sealing import Sealer
from server.service import Service
from server.sessions import Session
from server.sharing import Sharing
from server.tasks import task_group
from signaling import protocol as p
from signaling.actors import engagement_actor, routing_actor
from signaling.errors import BackendUnavailable, Overloaded, OwnershipLost
from signaling.events import EngagementGone, ParticipantAway
from signaling.protocol import DeviceId, NodeId, ParticipantId, SiteId
from signaling.sharing import SecretsMasked
from signaling.state import Presence
from tests.fakes import FakeMedia

SITES = {"bank": SiteConfig(origins=("https://bank.example",))}
VISITOR = Session(
    role="visitor", participant=ParticipantId("v_1"), site=SiteId("bank"), device=DeviceId("d1")
)
AGENT = Session(
    role="agent", participant=ParticipantId("a_1"), site=SiteId("bank"), device=DeviceId("da"), capacity=2
)


class FakeClock:
    """Time that only moves when told to."""

    def __init__(self) -> None:
        self.ms = 1_000_000
        self._timers: list[tuple[int, Callable[[], None], asyncio.TimerHandle]] = []

    def now_ms(self) -> int:
        return self.ms

    def call_at_ms(self, due_ms: int, fire: Callable[[], None]) -> asyncio.TimerHandle:
        handle = asyncio.get_running_loop().call_later(10_000, fire)
        self._timers.append((due_ms, fire, handle))
        return handle

    def advance(self, ms: int) -> None:
        self.ms += ms
        due = [timer for timer in self._timers if timer[0] <= self.ms]
        self._timers = [timer for timer in self._timers if timer[0] > self.ms]
        for _, fire, handle in due:
            if not handle.cancelled():
                handle.cancel()
                fire()


class StubbornLog:
    """The real log, but appends can be held back or made to fail."""

    def __init__(self, log: Any) -> None:
        self._log = log
        self.held = asyncio.Event()
        self.held.set()
        self.fail = 0
        self.away = False

    async def reached(self, seconds: float) -> bool:
        return not self.away

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def append(
        self,
        actor: p.ActorId,
        epoch: int,
        after_seq: int,
        records: Sequence[bytes],
        projections: Sequence[Projection] = (),
    ) -> int:
        await self.held.wait()
        if self.away:
            raise BackendUnavailable("away")
        if self.fail:
            self.fail -= 1
            raise BackendUnavailable("disk full")
        seq: int = await self._log.append(actor, epoch, after_seq, records, projections)
        return seq


class Outlet:
    """A connection that remembers what it was sent."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.sent: list[Any] = []
        self._held: list[Any] | None = []
        self.moves = 0

    def begin(self, ready: p.SessionReady) -> None:
        held, self._held = self._held or [], None
        self.sent += [ready, *held]

    def start_over(self) -> bool:
        self.moves -= 1
        return self.moves >= 0

    def send(self, event: p.ServerEvent) -> None:
        (self.sent if self._held is None else self._held).append(event)

    def relay(self, text: str) -> None:
        raise AssertionError("there is no other node")

    def come_back(self, code: str, retry_after_ms: int) -> None:
        self.sent.append(p.SessionClosing(code, retry_after_ms))

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.sent if isinstance(event, kind)]


class NoFiles:
    async def info(self, file: p.FileId, session: Session) -> p.FileInfo:
        raise AssertionError("no files here")

    async def share(self, file: p.FileId, engagement: p.EngagementId) -> None:
        raise AssertionError("no files here")


class Core:
    """Everything but the edge."""

    def __init__(self, hub: Hub, log: StubbornLog, service: Service, clock: FakeClock) -> None:
        self.hub, self.log, self.service, self.clock = hub, log, service, clock

    async def settled(self) -> None:
        """Until nothing is queued anywhere."""
        for _ in range(20):
            await asyncio.sleep(0.005)
            for actor in list(self.hub.live):
                await self.hub.inspect(actor, lambda live: None)


async def nobody(site: str, login: str) -> None:
    return None


@asynccontextmanager
async def core(directory: Path, clock: FakeClock) -> AsyncIterator[Core]:
    async with open_backend(Config(data_dir=directory)) as backend, task_group() as tasks:
        log = StubbornLog(backend.log)
        peers = Peers(backend.bus, tasks)
        hub = Hub(log, backend.bus, peers, tasks, clock)
        media = FakeMedia()
        outlets = Outlets()
        effects = Effects(hub, peers, outlets, Names({}), media)
        sealer = Sealer(directory / "keys", backend.log)
        sharing = Sharing(hub, Cobrowse(Config(), SITES, sealer.secret, directory))
        records = Records(NoFiles(), sharing, nobody)
        owner = Owner(hub, peers, sealer, effects, outlets, records)
        service = Service(hub, log, sealer, effects, outlets, owner)
        media.listener = service
        await service.start(SITES)
        yield Core(hub, log, service, clock)
        await hub.drain(1)


async def test_nothing_is_acked_before_the_commit(tmp_path: Path) -> None:
    async with core(tmp_path, FakeClock()) as world:
        await world.service.execute(VISITOR, p.ChatSend(counter=1, text="hello"))
        world.log.held.clear()
        waiting = asyncio.ensure_future(world.service.execute(VISITOR, p.ChatSend(counter=2, text="held")))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        world.log.held.set()
        assert (await waiting).seq > 2


async def test_a_failed_append_is_no_append_and_the_retry_is_stored_once(tmp_path: Path) -> None:
    async with core(tmp_path, FakeClock()) as world:
        opened = await world.service.execute(VISITOR, p.ChatSend(counter=1, text="hello"))
        assert opened.engagement is not None
        await world.settled()
        world.log.fail = 1
        said = p.ChatSend(counter=2, text="again", engagement=opened.engagement)
        with pytest.raises(BackendUnavailable):
            await world.service.execute(VISITOR, said)
        first = await world.service.execute(VISITOR, said)
        assert (await world.service.execute(VISITOR, said)).seq == first.seq
        sync = await world.service.execute(VISITOR, p.EngagementSync(engagement=opened.engagement))
        assert sync.snapshot is not None
        texts = [item.text for item in sync.snapshot.items if isinstance(item, p.MessageItem)]
        assert texts == ["hello", "again"]


async def test_an_actor_whose_log_is_away_stays_as_it_is_and_refuses(tmp_path: Path) -> None:
    async with core(tmp_path, FakeClock()) as world:
        engagement = await chat(world)
        await world.settled()
        live = world.hub.live[engagement_actor(engagement)]
        world.log.away = True
        said = p.ChatSend(counter=2, text="again", engagement=engagement)
        for _ in range(3):
            with pytest.raises(BackendUnavailable):
                await world.service.execute(VISITOR, said)
        with pytest.raises(BackendUnavailable):
            await world.service.execute(VISITOR, p.EngagementSync(engagement=engagement))
        world.log.away = False
        await asyncio.sleep(2 * AWAY_S)
        assert (await world.service.execute(VISITOR, said)).seq > 2
        assert world.hub.live[live.actor] is live, "it was not given up"


async def test_what_was_told_while_the_log_was_away_is_made_good_by_a_load(tmp_path: Path) -> None:
    async with core(tmp_path, FakeClock()) as world:
        engagement = await chat(world)
        await world.settled()
        live = world.hub.live[engagement_actor(engagement)]
        assert live.state.participants[VISITOR.participant].presence is Presence.ONLINE
        world.log.away = True
        gone = ParticipantAway(at_ms=1, by=VISITOR.participant, reason="lost")
        world.hub.tell(live.actor, gone)
        while not live.unheard:
            await asyncio.sleep(0.01)
        assert not live.stopped
        world.log.away = False
        while world.hub.live.get(live.actor, live) is live:  # nobody says again that somebody has left
            await asyncio.sleep(0.01)
        assert live.stopped
        visitor = await world.hub.inspect(live.actor, lambda one: one.state.participants[VISITOR.participant])
        assert visitor.presence is not Presence.ONLINE


async def test_a_recovery_that_could_not_be_stored_is_not_forgotten(tmp_path: Path) -> None:
    """It is what marks as away whoever did not come back with a node."""
    clock = FakeClock()
    async with core(tmp_path, clock) as world:
        engagement = await chat(world)
    async with core(tmp_path, clock) as world:
        actor = engagement_actor(engagement)
        world.log.away = True
        assert await world.hub.locate(actor) is None
        await asyncio.sleep(AWAY_S)
        world.log.away = False
        while True:
            try:
                visitor = await world.hub.inspect(
                    actor, lambda one: one.state.participants[VISITOR.participant]
                )
                if visitor.presence is not Presence.ONLINE:
                    break
            except (BackendUnavailable, OwnershipLost):
                pass
            await asyncio.sleep(0.01)


async def test_a_full_inbox_refuses_and_keeps_what_it_has(tmp_path: Path) -> None:
    async with core(tmp_path, FakeClock()) as world:
        opened = await world.service.execute(VISITOR, p.ChatSend(counter=1, text="hello"))
        world.log.held.clear()
        posts = [
            asyncio.ensure_future(
                world.service.execute(VISITOR, p.ChatSend(counter=n, text="x", engagement=opened.engagement))
            )
            for n in range(2, 2_500)
        ]
        await asyncio.sleep(0.5)
        world.log.held.set()
        results = await asyncio.gather(*posts, return_exceptions=True)
        refused = [result for result in results if isinstance(result, Overloaded)]
        stored = [result for result in results if isinstance(result, p.Ack)]
        assert refused and len(refused) + len(stored) == len(posts)
        assert len({ack.seq for ack in stored}) == len(stored)


async def test_the_first_command_sent_again_after_a_restart_finds_its_engagement(tmp_path: Path) -> None:
    clock = FakeClock()
    first = p.ChatSend(counter=1, text="hello")
    async with core(tmp_path, clock) as world:
        ack = await world.service.execute(VISITOR, first)
    async with core(tmp_path, clock) as world:
        again = await world.service.execute(VISITOR, first)
    assert (again.engagement, again.seq) == (ack.engagement, ack.seq)


async def test_an_offer_runs_out_and_rings_at_the_next_agent(tmp_path: Path) -> None:
    clock = FakeClock()
    async with core(tmp_path, clock) as world:
        first = Outlet(AGENT)
        await world.service.attach(first)
        await world.service.execute(AGENT, p.AgentSetAvailability(availability="ready"))
        await world.service.execute(VISITOR, p.ChatSend(counter=1, text="hello"))
        await world.settled()
        assert len(first.of(p.OfferMade)) == 1
        other = Session(
            role="agent",
            participant=ParticipantId("a_2"),
            site=SiteId("bank"),
            device=DeviceId("db"),
            capacity=1,
        )
        second = Outlet(other)
        await world.service.attach(second)
        await world.service.execute(other, p.AgentSetAvailability(availability="ready"))
        clock.advance(20_000)
        await world.settled()
        assert [event.reason for event in first.of(p.OfferWithdrawn)] == ["timeout"]
        assert second.of(p.OfferMade)[0].first_text == "hello"


async def test_agents_of_a_queue_that_is_given_up_come_back(tmp_path: Path) -> None:
    async with core(tmp_path, FakeClock()) as world:
        agent, visitor = Outlet(AGENT), Outlet(VISITOR)
        await world.service.attach(agent)
        await world.service.attach(visitor)
        world.hub.drop(world.hub.live[routing_actor("bank")])
        assert [event.code for event in agent.of(p.SessionClosing)] == ["moved"]
        assert not visitor.of(p.SessionClosing)
        await world.service.attach(Outlet(AGENT))
        assert world.hub.live[routing_actor("bank")].state.agents[AGENT.participant].connected


async def chat(world: Core) -> p.EngagementId:
    """The visitor has written, and all that follows is stored."""
    opened = await world.service.execute(VISITOR, p.ChatSend(counter=1, text="hello"))
    assert opened.engagement is not None
    await world.settled()
    return opened.engagement


async def test_after_the_lease_was_away_nothing_is_told_that_may_be_old(tmp_path: Path) -> None:
    async with core(tmp_path, FakeClock()) as world:
        engagement = await chat(world)
        actor = engagement_actor(engagement)
        mine = world.hub.live[actor]
        world.hub.doubt()
        with pytest.raises(OwnershipLost):
            await world.hub.inspect(actor, lambda live: live.state.seq)
        with pytest.raises(OwnershipLost):
            await world.service.execute(VISITOR, p.CobrowseStop(counter=9, engagement=engagement))
        await world.hub.verify()
        assert await world.hub.inspect(actor, lambda live: live) is mine
        world.hub.doubt()
        await world.log.claim(actor, NodeId("n_other"))
        await world.hub.verify()
        assert await world.hub.inspect(actor, lambda live: live) is not mine


async def test_what_was_taken_by_who_did_not_know_of_us_is_not_told(tmp_path: Path) -> None:
    async with core(tmp_path, FakeClock()) as world:
        engagement = await chat(world)
        actor = engagement_actor(engagement)
        mine = world.hub.live[actor]
        world.hub.settled = False
        assert await world.hub.inspect(actor, lambda live: live) is mine
        await world.log.claim(actor, NodeId("n_other"))
        with pytest.raises(OwnershipLost):
            await world.hub.inspect(actor, lambda live: live)
        assert await world.hub.inspect(actor, lambda live: live) is not mine


async def test_a_place_is_told_of_what_is_stored(tmp_path: Path) -> None:
    async with core(tmp_path, FakeClock()) as world:
        engagement = await chat(world)
        await asyncio.sleep(2 * QUEUE_NEWS_S)  # what there is to tell of that has been told
        world.clock.advance(1)  # who comes later
        other = replace(VISITOR, participant=ParticipantId("v_2"), device=DeviceId("d2"))
        outlet = Outlet(other)
        await world.service.attach(outlet)
        await world.service.execute(other, p.ChatSend(counter=1, text="me too"))
        queue = world.hub.live[routing_actor("bank")]
        while len(queue.state.order) < 2:
            await asyncio.sleep(0.001)
        world.log.held.clear()
        world.log.fail = 9  # whoever else is held fails too
        gone = EngagementGone(
            at_ms=world.clock.now_ms(),
            origin=engagement_actor(engagement),
            post=99,
            engagement=engagement,
        )
        world.hub.tell(queue.actor, gone)
        await asyncio.sleep(2 * QUEUE_NEWS_S)
        assert not outlet.of(p.QueueMoved)
        world.log.held.set()
        await asyncio.sleep(0.05)
        world.log.fail = 0
        while not outlet.of(p.QueueMoved):
            await asyncio.sleep(0.01)
        assert [event.position for event in outlet.of(p.QueueMoved)] == [2]


async def test_what_moves_while_a_connection_begins_is_asked_for_anew(tmp_path: Path) -> None:
    async with core(tmp_path, FakeClock()) as world:
        await world.service.execute(VISITOR, p.ChatSend(counter=1, text="hello"))
        outlet = Outlet(VISITOR)
        outlet.moves = 2
        await world.service.attach(outlet)
        assert [type(event) for event in outlet.sent] == [p.SessionReady]
        restless = Outlet(VISITOR)
        restless.moves = 99
        with pytest.raises(BackendUnavailable):
            await world.service.attach(restless)


async def test_who_comes_to_a_node_that_steps_down_is_sent_on_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its engagement is with a node that is not reached; this one gave way while it looked for it."""
    async with core(tmp_path, FakeClock()) as world:
        await world.service.execute(VISITOR, p.ChatSend(counter=1, text="hello"))
        await world.settled()
        looked: list[p.ActorId] = []

        async def locate(actor: p.ActorId, *_: object) -> None:
            looked.append(actor)
            raise OwnershipLost(actor)

        with monkeypatch.context() as patched:
            patched.setattr(world.hub, "locate", locate)
            patched.setattr(MemoryBus, "holds", property(lambda _: len(looked) < 3))
            with pytest.raises(OwnershipLost):
                await world.service.attach(Outlet(VISITOR))
        assert len(looked) == 3


def test_who_is_to_come_back_before_it_began_starts_over() -> None:
    class Socket:
        closed = closing = False
        queue: asyncio.Queue[Any] = asyncio.Queue()

    ended: list[int] = []
    connection = Connection(Socket(), VISITOR, lambda: ended.append(1))
    connection.relay("of the node that died")
    connection.come_back("moved", 0)
    assert connection.start_over() and not connection.start_over() and not ended
    connection.begin(p.SessionReady(1, VISITOR.participant, "visitor", "", VISITOR.site, 0, []))
    assert Socket.queue.qsize() == 1, "only session.ready: the rest was forgotten"
    connection.come_back("moved", 0)
    assert ended


async def test_timers_and_places_survive_a_restart(tmp_path: Path) -> None:
    clock = FakeClock()
    async with core(tmp_path, clock) as world:
        ack = await world.service.execute(VISITOR, p.ChatSend(counter=1, text="hello"))
        assert ack.engagement is not None
        await world.settled()
    async with core(tmp_path, clock) as world:
        queue = world.hub.live[routing_actor("bank")].state
        assert [engagement for _, engagement in queue.order] == [ack.engagement]
        await world.settled()
        clock.advance(301_000)
        await world.settled()
        live = world.hub.live[engagement_actor(ack.engagement)].state
        assert (live.phase.value, live.end_reason) == ("ended", "abandoned")
        assert world.hub.live[routing_actor("bank")].state.order == []


async def test_who_drains_is_told_nothing_more(tmp_path: Path) -> None:
    """Sockets end after the mailboxes, and their timers fire later still: neither is a fault."""
    async with core(tmp_path, FakeClock()) as world:
        ack = await world.service.execute(VISITOR, p.ChatSend(counter=1, text="hello"))
        assert ack.engagement is not None
    # Its task group is over: a task for this would be refused with an exception in whoever told it.
    world.hub.tell(engagement_actor(ack.engagement), SecretsMasked(at_ms=1, count=1))
