"""The relay carries datagrams both ways, spoils them as told, and moves its clients to new ports."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import cast

import pytest

from benchmarks.background_relay import BackgroundRelay
from benchmarks.impairment import Counts, Profile
from benchmarks.relay import UdpRelay


class Echo(asyncio.DatagramProtocol):
    """Answers every datagram to where it came from, and remembers."""

    def __init__(self) -> None:
        self.got: list[tuple[bytes, tuple[str, int]]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)
        self.port: int = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.got.append((data, addr))
        self.transport.sendto(data, addr)


class Client(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.got: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)
        self.address: tuple[str, int] = transport.get_extra_info("sockname")

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.got.append(data)

    def say(self, *data: bytes) -> None:
        for one in data:
            self.transport.sendto(one)


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not check():
            await asyncio.sleep(0.005)


def eventually(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
    yield protocol
    transport.close()
    await asyncio.sleep(0)


@pytest.fixture
async def clients() -> AsyncIterator[list[Client]]:
    made: list[Client] = []
    yield made
    for client in made:
        client.transport.close()
    await asyncio.sleep(0)


async def connect(relay: UdpRelay, clients: list[Client]) -> Client:
    loop = asyncio.get_running_loop()
    _, client = await loop.create_datagram_endpoint(Client, remote_addr=("127.0.0.1", relay.port))
    clients.append(client)
    return client


def numbered(n: int) -> list[bytes]:
    return [f"{number:04}".encode() for number in range(n)]


async def test_each_client_has_a_source_of_its_own_and_gets_its_own_answers(
    echo: Echo, clients: list[Client]
) -> None:
    async with UdpRelay(("127.0.0.1", echo.port)) as relay:
        one, two = await connect(relay, clients), await connect(relay, clients)
        one.say(b"one")
        two.say(b"two")
        await until(lambda: one.got == [b"one"] and two.got == [b"two"])
        assert len({address for _, address in echo.got}) == 2
        assert relay.clients == (one.address, two.address)


async def test_a_delayed_link_keeps_the_order(echo: Echo, clients: list[Client]) -> None:
    profile = Profile(delay_s=0.02, jitter_s=0.05)
    async with UdpRelay(("127.0.0.1", echo.port), up=profile, down=profile) as relay:
        client = await connect(relay, clients)
        client.say(*numbered(200))
        await until(lambda: len(client.got) == 200)
        assert client.got == numbered(200)


async def test_each_direction_loses_for_itself_and_can_be_changed_while_it_runs(
    echo: Echo, clients: list[Client]
) -> None:
    async with UdpRelay(("127.0.0.1", echo.port), up=Profile(loss=0.5), seed=3) as relay:
        client = await connect(relay, clients)
        client.say(*numbered(200))
        await until(lambda: relay.up.counts.packets == 200 and len(client.got) == len(echo.got))
        lost = relay.up.counts.lost
        assert 60 < lost < 140
        assert len(echo.got) == 200 - lost
        assert relay.down.counts == Counts(packets=200 - lost, bytes=(200 - lost) * 32, delivered=200 - lost)
        relay.up.setting.profile, relay.down.setting.profile = Profile(), Profile(loss=1)
        client.say(*numbered(50))
        await until(lambda: relay.down.counts.lost == 50)
        assert relay.up.counts.lost == lost


async def test_the_same_seed_loses_the_same_packets(echo: Echo, clients: list[Client]) -> None:
    survived = []
    for _ in range(2):
        echo.got.clear()
        async with UdpRelay(("127.0.0.1", echo.port), up=Profile(loss=0.3), seed=11) as relay:
            client = await connect(relay, clients)
            client.say(*numbered(100))
            await until(lambda: len(echo.got) == relay.up.counts.delivered > 0)
            await until(lambda: relay.up.counts.packets == 100 and len(echo.got) == relay.up.counts.delivered)
            survived.append([data for data, _ in echo.got])
    assert survived[0] == survived[1]


async def test_duplicates_and_reordered_datagrams_arrive_as_such(echo: Echo, clients: list[Client]) -> None:
    async with UdpRelay(("127.0.0.1", echo.port), up=Profile(duplicate=0.2, reorder=0.2)) as relay:
        client = await connect(relay, clients)
        client.say(*numbered(100))
        await until(lambda: len(echo.got) == 100 + relay.up.counts.duplicated > 100)
        firsts = list(dict.fromkeys(data for data, _ in echo.got))
        assert firsts != sorted(firsts) == numbered(100)


async def test_a_cut_stops_everything_until_it_is_mended(echo: Echo, clients: list[Client]) -> None:
    async with UdpRelay(("127.0.0.1", echo.port)) as relay:
        client = await connect(relay, clients)
        relay.up.setting.cut = True
        client.say(b"lost")
        await until(lambda: relay.up.counts.cut == 1)
        relay.up.setting.cut = False
        client.say(b"through")
        await until(lambda: client.got == [b"through"])


async def test_after_a_rebinding_the_target_sees_another_port_and_answers_arrive_from_it(
    echo: Echo, clients: list[Client]
) -> None:
    async with UdpRelay(("127.0.0.1", echo.port)) as relay:
        one, two = await connect(relay, clients), await connect(relay, clients)
        one.say(b"a")
        two.say(b"b")
        await until(lambda: len(one.got) == len(two.got) == 1)
        relay.rebind(one.address)
        one.say(b"c")
        two.say(b"d")
        await until(lambda: len(one.got) == len(two.got) == 2)
        sources = {data: address for data, address in echo.got}
        assert sources[b"c"] != sources[b"a"]
        assert sources[b"d"] == sources[b"b"]
        with pytest.raises(KeyError):
            relay.rebind(("127.0.0.1", 1))


async def test_what_comes_to_the_port_before_a_rebinding_is_lost(echo: Echo, clients: list[Client]) -> None:
    async with UdpRelay(("127.0.0.1", echo.port), up=Profile(delay_s=0.05)) as relay:
        client = await connect(relay, clients)
        client.say(b"a")
        await until(lambda: client.got == [b"a"])
        old = echo.got[0][1]
        relay.rebind()
        echo.transport.sendto(b"to the old port", old)
        client.say(b"b")
        await until(lambda: client.got[-1] == b"b")
        assert client.got == [b"a", b"b"]
        assert relay.rebindings == 1


async def test_a_taken_port_is_an_error(echo: Echo) -> None:
    with pytest.raises(OSError, match="in use"):
        async with UdpRelay(("127.0.0.1", 9), listen=("127.0.0.1", echo.port)):
            pass


def test_the_background_relay_does_the_same_without_a_loop() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as target,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        target.bind(("127.0.0.1", 0))
        for sock in (target, client):
            sock.settimeout(5)
        with BackgroundRelay(target.getsockname()) as relay:
            client.connect(("127.0.0.1", relay.port))
            client.send(b"one")
            data, before = target.recvfrom(100)
            target.sendto(b"answer", before)
            assert (data, client.recv(100)) == (b"one", b"answer")
            relay.rebind(client.getsockname())
            client.send(b"two")
            data, after = target.recvfrom(100)
            assert data == b"two"
            assert after != before
            relay.impair(up=Profile(loss=1))
            client.send(b"three")
            eventually(lambda: relay.counts()[0].lost == 1)
            relay.impair(Profile())
            relay.cut(up=False, down=True)
            target.sendto(b"lost", after)
            eventually(lambda: relay.counts()[1].cut == 1)
            relay.mend()
            client.send(b"five")
            assert target.recvfrom(100)[0] == b"five"
            up, down = relay.counts()
            assert (up.packets, up.delivered, down.packets, down.delivered) == (4, 3, 2, 1)
            assert relay.clients == (client.getsockname(),)
    assert not [thread for thread in threading.enumerate() if thread.name == "relay"]


def test_a_background_relay_that_cannot_listen_leaves_no_thread() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        with (
            pytest.raises(OSError, match="in use"),
            BackgroundRelay(("127.0.0.1", 9), listen=taken.getsockname()),
        ):
            pass
    assert not [thread for thread in threading.enumerate() if thread.name == "relay"]
