"""Ids and change keys that look and behave like Exchange's.

Ids are long, opaque, case-sensitive base64 (EWS identifiers in Exchange): consecutive ids of one folder differ in their
last characters, so that some pairs differ in case only and a client that folds case loses items.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from dataclasses import dataclass, field
from itertools import count

_ITEM, _FOLDER = b"\x46", b"\x2e"


@dataclass(slots=True)
class IdMint:
    """Makes ids for one sandbox; deterministic, a test's second run has the same ones. Another ``site`` has others."""

    site: str = ""
    _serial: count[int] = field(default_factory=lambda: count(1))
    _changes: count[int] = field(default_factory=lambda: count(1))

    def _make(self, kind: bytes, mailbox: str, parent: str) -> str:
        guid = hashlib.sha256(mailbox.encode()).hexdigest()
        name = f"{guid[:8]}-{guid[8:12]}-{guid[12:16]}-{guid[16:20]}-{guid[20:32]}".encode()
        place = hashlib.sha256(f"{self.site}{mailbox}/{parent}".encode()).digest()[:22]
        head = b"\x00\x03\x24\x00" + name + b"\x00" + kind + b"\x00\x00\x00\x00\x00" + place
        tail = place[:18] + b"\x00\x00\x00\x00\x01\x0d\x00" + place[:16] + struct.pack(">Q", next(self._serial))
        # Whole base64 groups: no padding, so that the last characters carry the serial number.
        filler = b"\x00" * (-(len(head) + len(tail)) % 3)
        return base64.b64encode(head + filler + tail).decode()

    def item(self, mailbox: str, folder: str) -> str:
        """A new item id."""
        return self._make(_ITEM, mailbox, folder)

    def folder(self, mailbox: str, name: str) -> str:
        """A new folder id."""
        return self._make(_FOLDER, mailbox, name)

    def change_key(self, kind: str) -> str:
        """A new change key; ``kind`` is the item's element name."""
        head = {"CalendarItem": b"\x0f", "Task": b"\x13", "Contact": b"\x12"}.get(kind, b"\x09")
        serial = next(self._changes)
        body = hashlib.sha256(serial.to_bytes(8, "big")).digest()[:16]
        return base64.b64encode(head + b"\x00\x00\x00\x16\x00\x00\x00" + body + struct.pack(">I", serial)).decode()


def well_formed(identifier: str) -> bool:
    """Whether an id has the form of an id at all (else ``ErrorInvalidIdMalformed``)."""
    if not identifier.startswith("AAMk"):
        return False
    try:
        base64.b64decode(identifier, validate=True)
    except ValueError:
        return False
    return True


def well_formed_change_key(key: str) -> bool:
    """Whether a change key has the form of one (else ``ErrorInvalidChangeKey``)."""
    try:
        return bool(base64.b64decode(key, validate=True))
    except ValueError:
        return False
