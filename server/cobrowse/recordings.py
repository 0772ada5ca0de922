"""Frames kept with the engagement's clock, only while the visitor allowed it.

Masked ones, as viewers got them.

A recording is a file of sealed blocks per engagement and stream; each block is a list of [at_ms, epoch,
frame] and the first frame of a block is a snapshot or a keyframe, so that reading can begin at any block.
Source: docs/architecture.md, "the shared page".
"""

from __future__ import annotations

import asyncio
import re
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from server.sealing import Box
from signaling.errors import BackendUnavailable

BLOCK_BYTES = 256 * 1024
BLOCK_MS = 5_000
_LENGTH = struct.Struct(">I")
_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,64}")

Entry = tuple[int, int, bytes]


class Recording:
    """What is kept of one engagement. Where `begins(stream)`, `take` gets a whole picture."""

    def __init__(self, directory: Path, box: Box, writer: ThreadPoolExecutor) -> None:
        self._directory = directory
        self._box = box
        self._writer = writer
        self._blocks: dict[str, list[Entry]] = {}
        self._bytes: dict[str, int] = {}

    def begins(self, stream: str) -> bool:
        """Whether what is taken next begins a block."""
        return stream not in self._blocks

    def take(self, stream: str, epoch: int, frame: bytes, at_ms: int) -> None:
        block = self._blocks.setdefault(stream, [])
        if block:
            self._bytes[stream] = self._bytes.get(stream, 0) + len(frame)
        block.append((at_ms, epoch, frame))
        if self._bytes.get(stream, 0) > BLOCK_BYTES or at_ms - block[0][0] > BLOCK_MS:
            self._flush(stream)

    def close(self) -> None:
        for stream in list(self._blocks):
            self._flush(stream)

    def _flush(self, stream: str) -> None:
        block = self._blocks.pop(stream, [])
        self._bytes.pop(stream, None)
        if block and _NAME.fullmatch(stream):
            self._writer.submit(self._write, self._directory / f"{stream.replace(':', '_')}.rec", block)

    def _write(self, path: Path, block: list[Entry]) -> None:
        try:
            sealed = self._box.seal_bytes(msgspec.msgpack.encode(block))
        except BackendUnavailable:
            return
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with path.open("ab") as out:
            out.write(_LENGTH.pack(len(sealed)) + sealed)


class Recordings:
    """All of a node: `DATA/recordings/ENGAGEMENT/STREAM.rec`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._writer = ThreadPoolExecutor(1, "recordings")

    def begin(self, engagement: str, box: Box) -> Recording:
        return Recording(self._directory / engagement, box, self._writer)

    def read(self, engagement: str, box: Box) -> Iterator[tuple[str, list[Entry]]]:
        """(stream, block) of what is kept, oldest block of each stream first; nothing once it was erased."""
        for path in sorted((self._directory / engagement).glob("*.rec")):
            raw = path.read_bytes()
            at = 0
            while at + _LENGTH.size <= len(raw):
                (length,) = _LENGTH.unpack_from(raw, at)
                at += _LENGTH.size
                block = box.open_bytes(raw[at : at + length])
                at += length
                if block is not None:
                    yield path.stem, msgspec.msgpack.decode(block, type=list[Entry])

    async def close(self) -> None:
        await asyncio.to_thread(self._writer.shutdown)
