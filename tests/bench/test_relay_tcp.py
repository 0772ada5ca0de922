"""The TCP relay carries bytes both ways unchanged, slowly if told, and stalls or resets in a cut."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest

from benchmarks.impairment import Profile
from benchmarks.relay_tcp import TcpRelay
from tests.bench.test_relay import until


async def echo_back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(10_000):
            writer.write(data)
            await writer.drain()
        writer.write(b"bye")
    except ConnectionError:
        pass
    finally:
        writer.close()


@pytest.fixture
async def target() -> AsyncIterator[tuple[str, int]]:
    server = await asyncio.start_server(echo_back, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()
    server.close()
    await asyncio.sleep(0.05)


async def connect(relay: TcpRelay) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", relay.port)


@pytest.mark.parametrize(
    "profile", [Profile(), Profile(delay_s=0.02, jitter_s=0.05, bandwidth_bps=20_000_000)]
)
async def test_bytes_come_back_equal_and_the_end_of_the_stream_too(
    target: tuple[str, int], profile: Profile
) -> None:
    data = secrets.token_bytes(400_000)
    async with TcpRelay(target, up=profile, down=profile) as relay:
        reader, writer = await connect(relay)
        writer.write(data)
        writer.write_eof()
        async with asyncio.timeout(10):
            assert await reader.read() == data + b"bye"
        writer.close()
        await until(lambda: relay.connections == 0)
        assert relay.up.counts.bytes == len(data)
        assert relay.down.counts.bytes == len(data) + 3


async def test_a_slow_reader_holds_the_sender_back(target: tuple[str, int]) -> None:
    async with TcpRelay(target, up=Profile(bandwidth_bps=80_000)) as relay:
        _, writer = await connect(relay)
        writer.write(bytes(20_000_000))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await writer.drain()
        assert relay.up.counts.bytes < 5_000_000
        writer.transport.abort()


async def test_a_cut_stalls_and_loses_nothing(target: tuple[str, int]) -> None:
    async with TcpRelay(target) as relay:
        reader, writer = await connect(relay)
        relay.up.setting.cut = True
        writer.write(b"later")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await reader.read(10)
        relay.up.setting.cut = False
        async with asyncio.timeout(5):
            assert await reader.readexactly(5) == b"later"
        writer.close()


async def test_a_cut_may_reset_who_sends_and_refuse_who_comes(target: tuple[str, int]) -> None:
    async with TcpRelay(target) as relay:
        relay.resets = True
        reader, writer = await connect(relay)
        writer.write(b"a")
        assert await reader.readexactly(1) == b"a"
        relay.up.setting.cut = True
        writer.write(b"b")
        with pytest.raises(ConnectionError):
            async with asyncio.timeout(5):
                await reader.read(10)
        writer.close()
        late_reader, late_writer = await connect(relay)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            async with asyncio.timeout(5):
                await late_reader.readexactly(1)
        late_writer.close()
        await until(lambda: relay.connections == 0)


async def test_every_connection_can_be_reset_at_once(target: tuple[str, int]) -> None:
    async with TcpRelay(target) as relay:
        ends = [await connect(relay) for _ in range(3)]
        for reader, writer in ends:
            writer.write(b"x")
            await reader.readexactly(1)
        relay.reset()
        for reader, writer in ends:
            with pytest.raises(ConnectionError):
                async with asyncio.timeout(5):
                    await reader.read(1)
            writer.close()
        await until(lambda: relay.connections == 0)


async def test_a_target_that_is_not_there_ends_only_its_connection() -> None:
    async with TcpRelay(("127.0.0.1", 9)) as relay:
        for _ in range(2):
            reader, writer = await connect(relay)
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                async with asyncio.timeout(5):
                    await reader.readexactly(1)
            writer.close()
