"""Real Opus for load tests: a tone encoded once by av, 20 ms packets, then only copied."""

from __future__ import annotations

import array
import math

from media.sounds import RATE_HZ, encode


def tone_packets(hz: float = 440.0, seconds: float = 2.0) -> list[bytes]:
    """Opus packets (20 ms) of a tone that swells, so that every packet is another one."""
    samples = array.array("h")
    for index in range(int(RATE_HZ * seconds)):
        at_s = index / RATE_HZ
        loud = 0.6 + 0.4 * math.sin(2 * math.pi * 3 * at_s)
        samples.append(int(12_000 * loud * math.sin(2 * math.pi * hz * at_s)))
    return encode(samples)
