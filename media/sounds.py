"""What the server itself plays: hold music, and a soft tone while the other side's path is being replaced.

Made and encoded to Opus once (av), then only copied packet by packet. No recording of anybody is needed:
both are synthesised (a slow arpeggio with long decays; a quiet pulse). The packets are cached in the data
directory. Source: RFC 7587 (48 kHz clock, 20 ms frames).
"""

from __future__ import annotations

import array
import math
import os
from pathlib import Path

import msgspec
from msgspec import Struct

RATE_HZ = 48_000
FRAME_SAMPLES = 960
SECONDS = 16
NOTE_S = 0.5
_CHORDS = ((261.6, 329.6, 392.0, 493.9), (220.0, 261.6, 329.6, 392.0), (174.6, 220.0, 261.6, 329.6))
_CHORD_ORDER = (0, 1, 2, 0)
TONE_SECONDS = 2
TONE_HZ = 392.0
VERSION = 2


class Sounds(Struct, frozen=True):
    """Opus packets of 20 ms each, to be played in a loop."""

    music: list[bytes]
    tone: list[bytes]


def load(directory: Path) -> Sounds:
    """The sounds; made at first use."""
    path = directory / f"sounds-{VERSION}.msgpack"
    try:
        return _decode(path.read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):
        sounds = Sounds(encode(tune()), encode(pulse()))
    directory.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    with beside.open("wb") as out:
        out.write(msgspec.msgpack.encode(sounds))
        out.flush()
        os.fsync(out.fileno())
    beside.rename(path)
    return sounds


def _decode(data: bytes) -> Sounds:
    return msgspec.msgpack.decode(data, type=Sounds)


def tune() -> array.array[int]:
    """Mono 16-bit samples at RATE_HZ; the end fades into the beginning."""
    total = RATE_HZ * SECONDS
    mix = array.array("f", bytes(4 * total))
    notes = int(SECONDS / NOTE_S)
    for number in range(notes):
        chord = _CHORDS[_CHORD_ORDER[number // 8 % 4]]
        _pluck(mix, int(number * NOTE_S * RATE_HZ), chord[(0, 1, 2, 3, 2, 1, 2, 1)[number % 8]])
    return array.array("h", (int(max(-1.0, min(1.0, sample)) * 9_000) for sample in mix))


def pulse() -> array.array[int]:
    """A quiet note every two seconds: somebody is still there, just not to be heard now."""
    mix = array.array("f", bytes(4 * RATE_HZ * TONE_SECONDS))
    _pluck(mix, 0, TONE_HZ)
    return array.array("h", (int(max(-1.0, min(1.0, sample)) * 4_000) for sample in mix))


def _pluck(mix: array.array[float], start: int, hz: float) -> None:
    """One decaying note of 1.2 s, wrapped around the end."""
    total = len(mix)
    step = 2 * math.pi * hz / RATE_HZ
    length = int(1.2 * RATE_HZ)
    decay = math.exp(-4.5 / length)
    loud = 0.5
    for index in range(length):
        attack = min(1.0, index / 480)
        mix[(start + index) % total] += loud * attack * math.sin(step * index)
        loud *= decay


def encode(samples: array.array[int]) -> list[bytes]:
    """Opus packets of the samples, 20 ms each."""
    import av

    codec = av.CodecContext.create("libopus", "w")
    codec.sample_rate = RATE_HZ
    codec.layout = "mono"
    codec.format = "s16"
    codec.bit_rate = 24_000
    packets: list[bytes] = []
    for at in range(0, len(samples) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
        frame = av.AudioFrame(format="s16", layout="mono", samples=FRAME_SAMPLES)
        frame.sample_rate = RATE_HZ
        frame.pts = at
        frame.planes[0].update(samples[at : at + FRAME_SAMPLES].tobytes())
        packets += [bytes(packet) for packet in codec.encode(frame)]
    return packets
