"""What is heard at the other side is the tone that was played: packets through the node, read by av."""

from __future__ import annotations

import asyncio

import av
import numpy as np

from benchmarks.media_source import tone_packets
from benchmarks.peer import Voice
from media import sounds
from media.node import MediaNode
from signaling.effects import Route
from tests.media.conftest import A, B, Client, E, until

RATE_HZ = 48_000


def heard_hz(packets: list[bytes]) -> float:
    """The loudest frequency in decoded Opus packets."""
    decoder = av.CodecContext.create("libopus", "r")
    frames = [frame for packet in packets for frame in decoder.decode(av.Packet(packet))]
    samples = [f.to_ndarray().reshape(f.samples, -1)[:, 0].astype(np.float64) for f in frames]
    wave = np.concatenate(samples)
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
    return float(np.argmax(spectrum[1:]) + 1) * RATE_HZ / len(wave)


async def test_each_side_hears_the_others_tone(node: MediaNode) -> None:
    a, b = Client(node, A), Client(node, B)
    node.set_routes(E, (Route(A, B, "audio"), Route(B, A, "audio")))
    await asyncio.gather(a.connect(), b.connect())
    for client, hz in ((a, 440.0), (b, 1_000.0)):
        voice = Voice(tone_packets(hz, 1.0))
        voice.path = client.path
        for _ in range(40):
            voice.send_one()
            await asyncio.sleep(0)
    await until(lambda: len(a.got) == 40 and len(b.got) == 40)
    assert abs(heard_hz([packet[12:] for _, packet in b.got]) - 440) < 15
    assert abs(heard_hz([packet[12:] for _, packet in a.got]) - 1_000) < 15


def test_sounds_is_audible_and_stays_below_full_scale() -> None:
    tune = np.frombuffer(sounds.tune().tobytes(), dtype=np.int16).astype(np.float64)
    assert 500 < np.sqrt(np.mean(tune**2)) < 12_000
    assert np.max(np.abs(tune)) < 32_000
