"""Uploaded photos and PDFs: who owns one, in which engagement it was shown, where its bytes are.

The type is read from the content, never believed; the name is display only and sealed.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import time
import unicodedata
from typing import Any

from sqlalchemy import Connection, insert, select, update

from server.backend import Blobs
from server.backend.schema import files
from server.records.store import Store
from server.sealing import Box
from server.sessions import Session
from signaling.errors import BackendError, LimitExceeded, Malformed, NotFound
from signaling.events import Sealed
from signaling.protocol import MAX_FILE_BYTES, EngagementId, FileId, FileInfo

_MAGIC: tuple[tuple[bytes, int, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"GIF87a", 0, "image/gif"),
    (b"GIF89a", 0, "image/gif"),
    (b"WEBP", 8, "image/webp"),
    (b"%PDF-", 0, "application/pdf"),
)
FILE_TYPES = tuple(dict.fromkeys(kind for _, _, kind in _MAGIC))
_BAD_NAME = re.compile(r"[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
MAX_NAME_CHARS = 200


def media_type(data: bytes) -> str:
    """Raises: Malformed file_empty, file_type_not_allowed; LimitExceeded file_too_large."""
    if not data:
        raise Malformed(code="file_empty")
    if len(data) > MAX_FILE_BYTES:
        raise LimitExceeded(len(data), code="file_too_large")
    for magic, offset, kind in _MAGIC:
        if data.startswith(magic, offset) and (kind != "image/webp" or data.startswith(b"RIFF")):
            return kind
    raise Malformed(code="file_type_not_allowed")


def clean_name(name: str) -> str:
    """A display name without path or control characters. Raises: Malformed invalid_name."""
    cleaned = unicodedata.normalize("NFC", name)
    wrong = (
        not cleaned.strip(". ")
        or len(cleaned) > MAX_NAME_CHARS
        or "/" in cleaned
        or "\\" in cleaned
        or _BAD_NAME.search(cleaned)
    )
    if wrong:
        raise Malformed(code="invalid_name")
    return cleaned


class Files:
    """Rows in `files`, bytes in Blobs."""

    def __init__(self, store: Store, blobs: Blobs, box: Box) -> None:
        self._store = store
        self._blobs = blobs
        self._box = box

    async def add(self, session: Session, name: str, data: bytes) -> FileInfo:
        """Keep an upload of this session. Raises: Malformed, LimitExceeded, BackendUnavailable."""
        kind, cleaned = media_type(data), clean_name(name)
        info = FileInfo(FileId(f"f_{secrets.token_urlsafe(16)}"), cleaned, kind, len(data))
        blob = secrets.token_urlsafe(24)
        await self._blobs.put(blob, data)

        def work(connection: Connection) -> None:
            connection.execute(
                insert(files).values(
                    id=info.id,
                    site=session.site,
                    owner=session.participant,
                    name=self._box.seal(cleaned),
                    media_type=kind,
                    bytes=len(data),
                    blob=blob,
                    created_ms=time.time_ns() // 1_000_000,
                )
            )

        try:
            await self._store.run(work)
        except BackendError:
            with contextlib.suppress(BackendError):
                await self._blobs.delete(blob)  # nobody would ever find it
            raise
        return info

    async def info(self, file: FileId, session: Session) -> FileInfo:
        """Raises: NotFound unless this session's participant uploaded it."""
        row = await self._row(file, session)
        if row.owner != session.participant:
            raise NotFound(file)
        return self._info(row)

    async def share(self, file: FileId, engagement: EngagementId) -> None:
        """The file was sent in a message: participants of the engagement may read it."""

        def work(connection: Connection) -> None:
            unsent = files.c.engagement.is_(None)
            connection.execute(update(files).where(files.c.id == file, unsent).values(engagement=engagement))

        await self._store.run(work)

    async def read(self, file: FileId, session: Session) -> tuple[FileInfo, str | None, bytes]:
        """Info, the engagement whose participants may read it (None: its owner only), bytes."""
        row = await self._row(file, session)
        if row.engagement is None and row.owner != session.participant:
            raise NotFound(file)
        return self._info(row), row.engagement, await self._blobs.get(row.blob)

    async def _row(self, file: FileId, session: Session) -> Any:
        def work(connection: Connection) -> Any:
            return connection.execute(
                select(files).where(files.c.id == file, files.c.site == session.site)
            ).first()

        row = await self._store.run(work)
        if row is None:
            raise NotFound(file)
        return row

    def _info(self, row: Any) -> FileInfo:
        name = self._box.open(Sealed(row.name), str) or "file"
        return FileInfo(FileId(row.id), name, row.media_type, row.bytes)
