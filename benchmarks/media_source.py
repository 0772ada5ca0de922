"""Real media for load tests, encoded once by av and then only copied: Opus of 20 ms, VP8 of 720p."""

from __future__ import annotations

import array
import math
import random
from fractions import Fraction
from typing import Any

from msgspec import Struct

from media.sdp import CLOCK_HZ, OPUS, SECTIONS, VP8
from media.sounds import RATE_HZ, encode


def tone_packets(hz: float = 440.0, seconds: float = 2.0) -> list[bytes]:
    """Opus packets (20 ms) of a tone that swells, so that every packet is another one."""
    samples = array.array("h")
    for index in range(int(RATE_HZ * seconds)):
        at_s = index / RATE_HZ
        loud = 0.6 + 0.4 * math.sin(2 * math.pi * 3 * at_s)
        samples.append(int(12_000 * loud * math.sin(2 * math.pi * hz * at_s)))
    return encode(samples)


VIDEO_SIZE, FRAMES_PER_S, VIDEO_BPS = (1280, 720), 30, 1_000_000
MAX_PAYLOAD_BYTES = 1_150


class Media(Struct, frozen=True):
    """RTP payloads in a row. offsets: where each begins and the last ends; frames: first payload of each
    frame, and the end; step: RTP clock units per frame; packets of one frame leave together.
    """

    name: str
    payload_type: int
    mid: str
    data: bytes
    offsets: list[int]
    frames: list[int]
    step: int
    period_s: float

    @property
    def packets_per_s(self) -> float:
        return (len(self.offsets) - 1) / ((len(self.frames) - 1) * self.period_s)

    @property
    def mean_bytes(self) -> float:
        return len(self.data) / (len(self.offsets) - 1)


def media(name: str, kind: str, payload_type: int, frames: list[list[bytes]], rate: int) -> Media:
    """frames: the payloads of each; rate: frames per second."""
    payloads = [payload for frame in frames for payload in frame]
    offsets, firsts = [0], [0]
    for payload in payloads:
        offsets.append(offsets[-1] + len(payload))
    for frame in frames:
        firsts.append(firsts[-1] + len(frame))
    mid = next(section.mid for section in SECTIONS if section.kind == kind)
    step = CLOCK_HZ["audio" if kind == "audio" else "video"] // rate
    return Media(name, payload_type, mid, b"".join(payloads), offsets, firsts, step, 1 / rate)


def voice(seconds: float = 8.0) -> Media:
    """Opus of two gliding tones and noise: about 58 bytes a packet, and no two alike."""
    noise = random.Random(3)
    samples, phase = array.array("h"), 0.0
    for index in range(int(RATE_HZ * seconds)):
        at_s = index / RATE_HZ
        phase += 2 * math.pi * (300 + 200 * math.sin(0.9 * at_s)) / RATE_HZ
        loud = 0.6 + 0.4 * math.sin(2 * math.pi * 3 * at_s)
        samples.append(int(9_000 * loud * (math.sin(phase) + 0.2 * noise.uniform(-1, 1))))
    return media("voice", "audio", OPUS, [[packet] for packet in encode(samples)], 50)


def video(seconds: float = 4.0) -> Media:
    """VP8 of a moving picture, 1280x720 at 30 frames and about 1 Mbit a second; frames cut for RTP."""
    import av

    codec = av.CodecContext.create("libvpx", "w")
    codec.width, codec.height = VIDEO_SIZE
    codec.pix_fmt, codec.bit_rate = "yuv420p", VIDEO_BPS
    codec.time_base = Fraction(1, FRAMES_PER_S)
    codec.options = {
        "deadline": "realtime",
        "cpu-used": "8",
        "lag-in-frames": "0",
        "minrate": "1000000",
        "maxrate": "1000000",
        "g": "3000",
        "static-thresh": "0",
    }
    frames = []
    for number in range(int(FRAMES_PER_S * seconds)):
        picture = _picture(number)
        picture.pts = number
        frames += [cut(bytes(packet)) for packet in codec.encode(picture)]
    return media("video", "video", VP8, frames, FRAMES_PER_S)


def _picture(number: int) -> Any:
    """A grid of grey fields that wander: enough for the encoder to fill its rate."""
    import av

    frame = av.VideoFrame(*VIDEO_SIZE, "yuv420p")
    noise = random.Random(11)
    tile = noise.randbytes(4096 + 1280)
    for at, plane in enumerate(frame.planes):
        shift = number * 7 % 1024
        rows = [
            bytes(
                120 + (tile[(x // 8 + y // 8 * 37 + shift) % 4096] >> 3) for x in range(0, plane.line_size, 8)
            )
            for y in range(0, plane.height, 8)
        ]
        wide = [b"".join(bytes([value]) * 8 for value in row)[: plane.line_size] for row in rows]
        plane.update(
            b"".join(wide[y // 8] for y in range(plane.height))
            if at == 0
            else bytes([128]) * plane.buffer_size
        )
    return frame


def cut(frame: bytes) -> list[bytes]:
    """Payloads of one VP8 frame: descriptor with S bit on the first. Source: RFC 7741, section 4.2."""
    count = -(-len(frame) // MAX_PAYLOAD_BYTES)
    size = -(-len(frame) // count)
    return [bytes([0x10 if at == 0 else 0]) + frame[at : at + size] for at in range(0, len(frame), size)]
