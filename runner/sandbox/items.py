"""One item as the store holds it. Only what somebody set is kept; the rest comes from the property table's defaults."""

from __future__ import annotations

import base64
import hashlib
import re
import struct
from dataclasses import dataclass, field
from datetime import date, datetime

from runner.sandbox.attachments import Attachments
from runner.sandbox.bodies import Body
from runner.sandbox.extended import ExtendedKey
from runner.sandbox.extended import Value as ExtendedValue
from runner.sandbox.properties import KINDS, ItemKind
from runner.sandbox.wire import Fragment

Dictionary = dict[str, dict[str, str]]
"""E-mail addresses, telephone numbers and the like: key to parts (the single part's name is empty)."""
Stored = str | Fragment | Body | Dictionary | Attachments
_GLOBAL_ID_HEAD = bytes.fromhex("040000008200E00074C5B7101A82E008")
_HISTORY = 32


@dataclass(slots=True)
class Own:
    """What an exception of a series has of its own; everything else it takes from its master."""

    props: dict[str, Stored] = field(default_factory=dict)
    extended: dict[ExtendedKey, ExtendedValue] = field(default_factory=dict)
    cleared: set[str] = field(default_factory=set)
    """Properties that it has not, whatever the master has."""


@dataclass(slots=True)
class StoredItem:
    """An item in a folder. ``props`` maps element names to values; times are UTC text, complex values fragments.

    A recurring master has ``exceptions`` and ``deleted``, by the days of the original starts in its own zone. An
    occurrence is made when it is asked for (:mod:`runner.sandbox.occurrences`) and names its ``master`` and ``day``.
    """

    id: str
    change_key: str
    element: str
    owner: str
    folder_id: str
    search_key: str
    created: datetime
    modified: datetime
    props: dict[str, Stored] = field(default_factory=dict)
    extended: dict[ExtendedKey, ExtendedValue] = field(default_factory=dict)
    history: list[tuple[str, frozenset[str]]] = field(default_factory=list)
    """Former change keys, each with the properties that the change replacing it touched."""
    changes: int = 0
    owner_name: str = ""
    last_modifier: str = ""
    exceptions: dict[date, Own] = field(default_factory=dict)
    deleted: set[date] = field(default_factory=set)
    master: StoredItem | None = None
    day: date | None = None

    @property
    def kind(self) -> ItemKind:
        """The property table of its class."""
        return KINDS[self.element]

    def text(self, name: str) -> str | None:
        """A simple property's text, default included."""
        value = self.props.get(name)
        if isinstance(value, str):
            return value
        if name in self.kind.properties and value is None:
            return self.kind.properties[name].default
        return None

    def touch(self, change_key: str, now: datetime, names: frozenset[str], modifier: str) -> None:
        """Record one change: a new change key, and which properties it touched."""
        self.history.append((self.change_key, names))
        del self.history[:-_HISTORY]
        self.change_key = change_key
        self.modified = now
        self.changes += 1
        self.last_modifier = modifier

    def touched_since(self, change_key: str) -> frozenset[str] | None:
        """Properties changed since a former change key; None when the key was never this item's."""
        if change_key == self.change_key:
            return frozenset()
        names: set[str] = set()
        for key, changed in reversed(self.history):
            names |= changed
            if key == change_key:
                return frozenset(names)
        return None

    @property
    def is_meeting(self) -> bool:
        """Whether anybody is invited."""
        return any(self.props.get(name) for name in ("RequiredAttendees", "OptionalAttendees", "Resources"))


def search_key_of(identifier: str) -> str:
    """A fresh PidTagSearchKey (16 bytes, base64)."""
    return base64.b64encode(hashlib.sha256(identifier.encode()).digest()[:16]).decode()


def new_uid(identifier: str) -> str:
    """The UID that Exchange gives a calendar item without one: a global object id in hexadecimal."""
    tail = hashlib.sha256(identifier.encode()).digest()[:16]
    return (_GLOBAL_ID_HEAD + bytes(20) + struct.pack("<I", len(tail)) + tail).hex().upper()


def global_object_id(uid: str) -> str:
    """PidLidGlobalObjectId (base64) of a UID: the UID itself when it is one, else the UID wrapped as ``vCal-Uid``."""
    if re.fullmatch(r"(?i)040000008200E00074C5B7101A82E008[0-9A-F]{48,}", uid) and len(uid) % 2 == 0:
        return base64.b64encode(bytes.fromhex(uid)).decode()
    data = b"vCal-Uid\x01\x00\x00\x00" + uid.encode() + b"\x00"
    return base64.b64encode(_GLOBAL_ID_HEAD + bytes(20) + struct.pack("<I", len(data)) + data).decode()
