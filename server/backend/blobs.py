"""Photos and other bytes as files in one directory; keys are random and never contain a path."""

from __future__ import annotations

import asyncio
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from signaling.errors import BackendUnavailable, NotFound

_KEY = re.compile(r"^[A-Za-z0-9_-]{16,80}$")


def check_key(key: str) -> None:
    """Raises: NotFound for what no `put` could have made."""
    if not _KEY.match(key):
        raise NotFound("blob")


class DirectoryBlobs:
    """Whole objects; `put` is atomic (written beside, then renamed) and durable (fsync)."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._directory.mkdir(parents=True, exist_ok=True)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="blobs")

    async def put(self, key: str, data: bytes) -> None:
        await self._run(self._write, self._path(key), data)

    async def get(self, key: str) -> bytes:
        return await self._run(self._read, self._path(key))

    async def delete(self, key: str) -> None:
        await self._run(lambda path: path.unlink(missing_ok=True), self._path(key))

    def close(self) -> None:
        self._thread.shutdown()

    def _path(self, key: str) -> Path:
        check_key(key)
        return self._directory / key[:2] / key

    async def _run(self, work: object, *arguments: object) -> bytes:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, work, *arguments)  # type: ignore[arg-type]
        except FileNotFoundError:
            raise NotFound("blob") from None
        except OSError as error:
            raise BackendUnavailable("blobs", error.errno) from error

    @staticmethod
    def _read(path: Path) -> bytes:
        return path.read_bytes()

    @staticmethod
    def _write(path: Path, data: bytes) -> None:
        path.parent.mkdir(exist_ok=True)
        beside = path.with_suffix(".part")
        try:
            with beside.open("wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            beside.rename(path)
        except OSError:
            beside.unlink(missing_ok=True)  # where the disk is full, it is needed for better
            raise
