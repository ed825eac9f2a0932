"""The files that are attached to the items of the in-memory mail server (B-45)."""

from __future__ import annotations

import hashlib

from runner.model.errors import Gone
from runner.model.files import ATTACHMENTS, file_key, keys_of, name_of, value_of
from runner.model.items import Write
from runner.model.record import Value


class Files:
    """Their bytes, by their keys. Which item has which file is said by the item's values."""

    def __init__(self) -> None:
        self._bytes: dict[str, bytes] = {}

    def fetch(self, write: Write, held: Value = None) -> None:
        """Take over what a write attaches and the item does not hold yet."""
        for file in sorted(keys_of(write.values.get(ATTACHMENTS)) - keys_of(held)):
            if write.contents is not None:
                self._bytes[file] = write.contents(file)

    def content(self, held: Value, file: str) -> bytes:
        """The bytes of an item's file. Raises ``Gone`` when it has none such."""
        if file not in keys_of(held):
            raise Gone("the item has no such attachment any more", code="attachment-gone")
        return self._bytes[file]

    def with_(self, held: Value, name: str, content: bytes) -> Value:
        """What an item holds when a file is attached to it."""
        file = file_key(name, hashlib.sha256(content).hexdigest())
        self._bytes[file] = content
        return self._of(keys_of(held) | {file})

    def without(self, held: Value, name: str) -> Value:
        """What an item holds when every file of this name is removed."""
        return self._of(frozenset(file for file in keys_of(held) if name_of(file) != name))

    def _of(self, files: frozenset[str]) -> Value:
        return value_of((file, len(self._bytes[file])) for file in files)
