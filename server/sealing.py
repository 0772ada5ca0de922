"""Sealing content: AES-256-GCM under a data key per engagement, wrapped by the node's content key.

Dropping an engagement's row in `content_keys` erases what was said in it, in every copy of the log.
The content key lies in `DATA/keys/content.key` (0600), made at first start; it belongs in a backup
kept apart from the data. Source: docs/architecture.md, "content"; NIST SP 800-38D for nonces.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections import OrderedDict
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from server.secret_file import secret_file
from signaling.errors import BackendUnavailable
from signaling.events import Sealed
from signaling.protocol import FileInfo

T = TypeVar("T")
_NONCE_BYTES = 12
_KEPT_BOXES = 20_000
ERASED = "(erased)"


class Content(Struct, frozen=True):
    """What a chat message says: text and, maybe, a file."""

    text: str
    file: FileInfo | None = None


class KeyStore(Protocol):
    async def put_key(self, engagement: str, subject: str, wrapped_key: bytes) -> None: ...
    async def get_key(self, engagement: str) -> bytes | None: ...


class Box:
    """Seals and opens the content of one engagement. An erased box opens nothing and seals nothing."""

    def __init__(self, key: bytes | None) -> None:
        self._aead = None if key is None else AESGCM(key)
        self._mac = b"" if key is None else hashlib.sha256(b"digest" + key).digest()

    @property
    def erased(self) -> bool:
        return self._aead is None

    def seal(self, value: object) -> Sealed:
        return Sealed(self.seal_bytes(msgspec.json.encode(value)))

    def seal_bytes(self, plain: bytes) -> bytes:
        if self._aead is None:
            raise BackendUnavailable("content was erased")
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, plain, None)

    def open(self, sealed: Sealed | None, kind: type[T]) -> T | None:
        """The value, or None when nothing was sealed or the key is gone."""
        plain = None if sealed is None else self.open_bytes(sealed)
        return None if plain is None else msgspec.json.decode(plain, type=kind)

    def open_bytes(self, sealed: bytes) -> bytes | None:
        if self._aead is None:
            return None
        try:
            return self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
        except InvalidTag:
            return None

    def digest(self, body: bytes) -> bytes:
        """Keyed, so that a log without its key does not answer guesses at what was said."""
        return hmac.digest(self._mac, body, "sha256")[:16]


class Sealer:
    """Hands out boxes, keeps recent ones. `records`: box of accounts and files; `secret`: for ids."""

    def __init__(self, directory: Path, keys: KeyStore) -> None:
        key = content_key(directory)
        self._wrapper = AESGCM(key)
        self.records = Box(hmac.digest(key, b"records", "sha256"))
        self.secret = hmac.digest(key, b"engagement ids", "sha256")
        self._keys = keys
        self._boxes: OrderedDict[str, Box] = OrderedDict()

    async def create(self, engagement: str, subject: str) -> Box:
        """The box of a new engagement; creating twice gives the same one."""
        nonce = os.urandom(_NONCE_BYTES)
        wrapped = nonce + self._wrapper.encrypt(nonce, AESGCM.generate_key(256), engagement.encode())
        await self._keys.put_key(engagement, subject, wrapped)
        self._boxes.pop(engagement, None)
        return await self.box(engagement)

    async def box(self, engagement: str) -> Box:
        """The engagement's box; an empty (erased) one when there is no key."""
        if (kept := self._boxes.get(engagement)) is not None:
            self._boxes.move_to_end(engagement)
            return kept
        wrapped = await self._keys.get_key(engagement)
        if wrapped is None:
            return Box(None)
        box = Box(self._wrapper.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], engagement.encode()))
        self._boxes[engagement] = box
        if len(self._boxes) > _KEPT_BOXES:
            self._boxes.popitem(last=False)
        return box


def content_key(directory: Path) -> bytes:
    """32 bytes from `directory/content.key`, made there at first start, readable by its owner only."""
    return secret_file(directory / "content.key", lambda: os.urandom(32))
