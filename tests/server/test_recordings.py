"""Frames that the visitor allowed to keep: sealed, readable from any block, gone with their key."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from server.cobrowse.recordings import BLOCK_MS, Recordings
from server.sealing import Box

WORDS = b"a page of a bank"


def files(directory: Path) -> list[bytes]:
    return [path.read_bytes() for path in directory.rglob("*.rec")]


async def kept(directory: Path, box: Box) -> Recordings:
    recordings = Recordings(directory)
    recording = recordings.begin("e_1", box)
    for number in range(4):
        frame = b"whole " + WORDS if recording.begins("d_1") else b"frame %d" % number
        recording.take("d_1", 1, frame, number * BLOCK_MS * 2 // 3)
    recording.close()
    await recordings.close()
    return recordings


async def test_each_block_begins_with_a_whole_picture_and_has_the_servers_clock(tmp_path: Path) -> None:
    box = Box(AESGCM.generate_key(256))
    blocks = list((await kept(tmp_path, box)).read("e_1", box))
    assert [stream for stream, _ in blocks] == ["d_1", "d_1"]
    for _, block in blocks:
        assert block[0][2] == b"whole " + WORDS
    assert [at_ms for _, block in blocks for at_ms, _, _ in block] == [0, 3_333, 6_666, 10_000]


async def test_nothing_of_it_is_readable_without_the_key(tmp_path: Path) -> None:
    box = Box(AESGCM.generate_key(256))
    recordings = await kept(tmp_path, box)
    assert files(tmp_path) and all(WORDS not in content for content in files(tmp_path))
    assert list(recordings.read("e_1", Box(None))) == []
    assert list(recordings.read("e_1", Box(AESGCM.generate_key(256)))) == []


async def test_a_stream_cannot_name_a_path(tmp_path: Path) -> None:
    recordings = Recordings(tmp_path / "kept")
    recording = recordings.begin("e_1", Box(AESGCM.generate_key(256)))
    recording.take("../../escape", 1, b"frame", 0)
    recording.close()
    await recordings.close()
    assert not files(tmp_path)
