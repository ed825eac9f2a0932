"""Values of the model as rows of the state and back: JSON texts, instants, key hashes, row checksums."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import orjson

from runner.model.record import Fields, Value, frozen
from runner.model.state import Base, Pairing, PairingStatus
from runner.model.terms import Entity

Row = tuple[Any, ...]

_beyond = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


def encoded(value: object) -> str:
    """Canonical JSON text: keys in order, no spaces. It is read with :mod:`json`: orjson makes floats of large numbers."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:  # a whole number of more than 64 bits
        return _beyond(value)


class Texts:
    """JSON texts of record fields within the commits of one step: one object (what is intended, a base, the ledger's
    ``after``) once. Nobody changes the fields of a record in place."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Fields, str]] = {}

    def of(self, fields: Fields | None) -> str | None:
        """The text of record fields, None for None."""
        if fields is None:
            return None
        known = self._known.get(id(fields))
        if known is None:
            known = self._known[id(fields)] = (fields, encoded(fields if type(fields) is dict else dict(fields)))
        return known[1]


def text_of(value: Mapping[str, Any] | Iterable[str]) -> str:
    """Canonical JSON text of a mapping or of a list of strings."""
    return encoded(dict(value) if isinstance(value, Mapping) else list(value))


def fields_of(text: str | None) -> Fields | None:
    """The record fields of a text; JSON lists become tuples again."""
    return None if text is None else record_of(json.loads(text))


def record_of(fields: dict[str, Value]) -> Fields:
    """Record fields as JSON gives them, in canonical form again."""
    for name, value in fields.items():
        if isinstance(value, list | dict):
            fields[name] = frozen(value)
    return fields


@lru_cache(maxsize=64)
def stored(moment: datetime | None) -> str | None:
    """An aware instant as the text of the UTC timestamp that the tables hold."""
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None).isoformat()


def aware(moment: datetime | None) -> datetime | None:
    """A timestamp of the tables as an aware instant."""
    return None if moment is None else moment.replace(tzinfo=UTC)


def _digest(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


@lru_cache(maxsize=4096)
def hash_of(key: str) -> int:
    """The 64-bit hash by which keys are looked up; stable over versions of everything.

    Remembered: the same key is marked, looked up and paired within one pass.
    """
    return _digest(key)


PAIRING_COLUMNS = (
    ("id", "BIGINT"),
    ("link_id", "BIGINT"),
    ("entity", "VARCHAR"),
    ("crm_key", "VARCHAR"),
    ("target_key", "VARCHAR"),
    ("crm_version", "VARCHAR"),
    ("target_version", "VARCHAR"),
    ("stamp", "VARCHAR"),
    ("native", "VARCHAR"),
    ("base_crm", "JSON"),
    ("base_target", "JSON"),
    ("status", "VARCHAR"),
    ("reason", "VARCHAR"),
    ("crm_hash", "BIGINT"),
    ("target_hash", "BIGINT"),
    ("stamp_hash", "BIGINT"),
    ("native_hash", "BIGINT"),
    ("checksum", "BIGINT"),
)
_SUMMED = 13
"""The leading columns that the checksum covers; the hashes follow from them."""


def pairing_row(pairing: Pairing, number: int, link_id: int, texts: Texts) -> Row:
    """The row of a pairing, checksum included."""
    base_crm = base_target = None
    if pairing.base is not None:
        base_crm = texts.of(pairing.base.crm)
        if pairing.base.target is not pairing.base.crm:
            base_target = texts.of(pairing.base.target)
            if base_target == base_crm:
                base_target = None
    content = (
        number,
        link_id,
        pairing.entity.value,
        pairing.crm_key,
        pairing.target_key,
        pairing.crm_version,
        pairing.target_version,
        pairing.stamp,
        pairing.native,
        base_crm,
        base_target,
        pairing.status.value,
        pairing.reason,
    )
    return (
        *content,
        hash_of(pairing.crm_key),
        hash_of(pairing.target_key),
        None if pairing.stamp is None else hash_of(pairing.stamp),
        None if pairing.native is None else hash_of(pairing.native),
        checksum_of(content),
    )


def checksum_of(content: Row) -> int:
    """The checksum over a row's content."""
    return _digest("\x1f".join(["\x1e" if value is None else str(value) for value in content]))


def is_sound(row: Row) -> bool:
    """Whether a pairing's row still is what was written: DuckDB hands out flipped bytes without a word (A7)."""
    content = row[:_SUMMED]
    hashes = tuple(None if row[at] is None else hash_of(row[at]) for at in (3, 4, 7, 8))
    return row[_SUMMED:] == (*hashes, checksum_of(content))


def pairing_of(row: Row, link: str) -> Pairing:
    """The pairing of a row."""
    base_crm = fields_of(row[9])
    base = None
    if base_crm is not None:
        base = Base(crm=base_crm, target=base_crm if row[10] is None else fields_of(row[10]) or {})
    return Pairing(
        link=link,
        entity=Entity(row[2]),
        crm_key=row[3],
        target_key=row[4],
        crm_version=row[5],
        target_version=row[6],
        stamp=row[7],
        native=row[8],
        base=base,
        status=PairingStatus(row[11]),
        reason=row[12],
        id=row[0],
    )
