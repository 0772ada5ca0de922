"""A camera file with enough in it: a moving picture with grain, which fills what the network allows."""

from __future__ import annotations

import random
from pathlib import Path

WIDTH, HEIGHT, FPS, FRAMES = 640, 480, 24, 24
GRAIN = 24
"""Height of the noise in steps of brightness. Of Chromium's own test picture an encoder sends 0.55 Mbit/s."""


def write_camera(path: Path) -> Path:
    """One second of 640 x 480 at 24 frames a second, YUV4MPEG2, 4:2:0; Chromium plays it in a loop."""
    chance = random.Random(4)
    grain = bytes(value * GRAIN // 256 for value in range(256))
    grey = bytes([128]) * (WIDTH * HEIGHT // 2)
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FPS}:1 Ip A1:1 C420\n".encode())
        for frame in range(FRAMES):
            file.write(b"FRAME\n")
            for row in range(HEIGHT):
                base = 40 + (row // 16 + frame) % 8 * 20
                noise = chance.randbytes(WIDTH).translate(grain)
                file.write(noise.translate(bytes((value + base) & 0xFF for value in range(256))))
            file.write(grey)
    return path
