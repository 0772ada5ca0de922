"""Photos and other bytes in PostgreSQL, in pieces of CHUNK bytes: what one node took, every node has."""

from __future__ import annotations

from server.backend.blobs import check_key
from server.backend.postgres import Pool, connection
from signaling.errors import NotFound

CHUNK = 256 * 1024


class PostgresBlobs:
    """Whole objects; `put` is one transaction."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def put(self, key: str, data: bytes) -> None:
        check_key(key)
        pieces = [data[start : start + CHUNK] for start in range(0, max(len(data), 1), CHUNK)]
        async with connection(self._pool, "blobs") as one, one.transaction(), one.cursor() as cursor:
            await cursor.execute("DELETE FROM blobs WHERE key = %s", (key,))
            rows = [(key, number, piece) for number, piece in enumerate(pieces)]
            await cursor.executemany("INSERT INTO blobs (key, chunk, data) VALUES (%s, %s, %s)", rows)

    async def get(self, key: str) -> bytes:
        check_key(key)
        async with connection(self._pool, "blobs") as one:
            cursor = await one.execute(
                "SELECT data FROM blobs WHERE key = %s ORDER BY chunk", (key,), binary=True
            )
            rows = await cursor.fetchall()
        if not rows:
            raise NotFound("blob")
        return b"".join(bytes(piece) for (piece,) in rows)

    async def delete(self, key: str) -> None:
        check_key(key)
        async with connection(self._pool, "blobs") as one:
            await one.execute("DELETE FROM blobs WHERE key = %s", (key,))
