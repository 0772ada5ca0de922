"""Pictures and fonts of shared pages.

Kept by site and SHA-256, given to whoever may look at that site's pages.

What a file is follows from its first bytes, never from what its sender says; nothing is ever fetched.
Source: docs/cobrowse_wire.md, "asset"; docs/cobrowse.md, "pictures".
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from pathlib import Path

from cobrowse.ops import MAX_ASSET_BYTES
from signaling.errors import LimitExceeded, Malformed, NotFound

SITE_BYTES = 512 * 1024 * 1024
_SHA256 = re.compile(r"[0-9a-f]{64}")

_MAGIC: tuple[tuple[bytes, int, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"GIF87a", 0, "image/gif"),
    (b"GIF89a", 0, "image/gif"),
    (b"WEBP", 8, "image/webp"),
    (b"ftypavif", 4, "image/avif"),
    (b"ftypavis", 4, "image/avif"),
    (b"BM", 0, "image/bmp"),
    (b"\x00\x00\x01\x00", 0, "image/x-icon"),
    (b"wOF2", 0, "font/woff2"),
    (b"wOFF", 0, "font/woff"),
    (b"OTTO", 0, "font/otf"),
    (b"\x00\x01\x00\x00", 0, "font/ttf"),
    (b"true", 0, "font/ttf"),
)
_SVG = re.compile(
    rb"^(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*|<!DOCTYPE[^>]*>\s*)*<svg[\s>]", re.S
)


def kind_of(data: bytes) -> str:
    """The media type by the first bytes. Raises: Malformed for anything that is no picture or font."""
    for magic, at, kind in _MAGIC:
        if data[at : at + len(magic)] == magic:
            return kind
    if _SVG.match(data[:2_048]):
        return "image/svg+xml"
    raise Malformed(code="file_type_not_allowed")


class Assets:
    """`DIRECTORY/SITE/SHA256`. Sizes are counted once and kept."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known: dict[str, dict[str, int]] = {}

    def lacks(self, site: str, digests: list[str]) -> list[str]:
        """Which of these are not here."""
        known = self._sizes(site)
        return [digest for digest in digests if digest not in known]

    async def put(self, site: str, digest: str, data: bytes) -> None:
        """Raises: Malformed, LimitExceeded."""
        if not _SHA256.fullmatch(digest) or hashlib.sha256(data).hexdigest() != digest:
            raise Malformed(code="invalid_digest")
        kind_of(data)
        known = self._sizes(site)
        if len(data) > MAX_ASSET_BYTES:
            raise LimitExceeded(code="file_too_large")
        if digest not in known:
            await self._make_room(site, len(data))
            await asyncio.to_thread(self._write, self._path(site, digest), data)
            known[digest] = len(data)

    async def get(self, site: str, digest: str) -> tuple[bytes, str]:
        """Bytes and media type. Raises: NotFound."""
        if not _SHA256.fullmatch(digest) or digest not in self._sizes(site):
            raise NotFound("picture")
        known = self._sizes(site)
        known[digest] = known.pop(digest)
        data = await asyncio.to_thread(self._path(site, digest).read_bytes)
        return data, kind_of(data)

    async def _make_room(self, site: str, size: int) -> None:
        """What was not looked at for the longest time goes."""
        known = self._sizes(site)
        while known and sum(known.values()) + size > SITE_BYTES:
            oldest = next(iter(known))
            del known[oldest]
            await asyncio.to_thread(self._path(site, oldest).unlink, missing_ok=True)

    def _sizes(self, site: str) -> dict[str, int]:
        if site not in self._known:
            directory = self._path(site, "x").parent
            found = directory.glob("*") if directory.is_dir() else ()
            self._known[site] = {p.name: p.stat().st_size for p in found if _SHA256.fullmatch(p.name)}
        return self._known[site]

    def _path(self, site: str, digest: str) -> Path:
        return self._directory / site.replace(":", "_") / digest

    @staticmethod
    def _write(path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = path.with_suffix(f".{os.urandom(4).hex()}")
        beside.write_bytes(data)
        beside.rename(path)
