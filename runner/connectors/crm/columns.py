"""One column's values ↔ canonical values (the table of ``model.record``).

What a database column can hold decides how a canonical value is stored: a *family* of columns. Which families serve a
field type is one table, :data:`CODECS`; a pair that is not in it is refused when the schema is checked. Readers and
writers raise ``ValueError`` with a sentence that never contains the value itself.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from runner.config.plan import CrmField
from runner.mapping import canonical
from runner.model.errors import Invalid
from runner.model.moments import UTC_ZONE, duration_of, instant_of, length_of, moment_of, zone_of
from runner.model.record import FieldType, Value

SEPARATOR = ";"
"""Between the keywords in a text column."""

_FIRST_YEAR = 1000
_BIGGEST = 2**63


class Family(StrEnum):
    """What kind of values a column holds, as far as conversions care."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    AWARE = "timestamp with time zone"
    NAIVE = "timestamp"
    WRITTEN = "written timestamp"
    """SQLite's DATETIME: text such as ``2026-03-29 08:00:00``."""
    DATE = "date"
    WRITTEN_DATE = "written date"
    INTERVAL = "interval"
    UUID = "uuid"
    OTHER = "other"


def family_of(type_: TypeEngine[Any], dialect: str) -> Family:
    """The family of a reflected column type."""
    lite = dialect == "sqlite"
    if isinstance(type_, sa.DateTime):
        return Family.WRITTEN if lite else Family.AWARE if type_.timezone else Family.NAIVE
    if isinstance(type_, sa.Date):
        return Family.WRITTEN_DATE if lite else Family.DATE
    for kind, family in _FAMILIES:
        if isinstance(type_, kind):
            return family
    return Family.TEXT if lite and isinstance(type_, sa.types.NullType) else Family.OTHER


_FAMILIES: tuple[tuple[type[TypeEngine[Any]], Family], ...] = (
    (sa.Boolean, Family.BOOLEAN),
    (sa.Integer, Family.INTEGER),
    (sa.Numeric, Family.NUMBER),
    (sa.Uuid, Family.UUID),
    (sa.String, Family.TEXT),
    (sa.Interval, Family.INTERVAL),
    (postgresql.INTERVAL, Family.INTERVAL),
)


class Unfit(ValueError):
    """A canonical value that a column cannot hold; unlike a driver's error, its text never contains the value."""


Reader = Callable[[Any], Value]
Writer = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Codec:
    """How one field is read from and written to its column. Neither is asked about NULL."""

    read: Reader
    write: Writer


# -- reading -----------------------------------------------------------------------------------------------------------


def _text(raw: Any) -> Value:
    return canonical.text(raw)


def _uuid_text(raw: Any) -> Value:
    return str(raw)


def _keywords(raw: Any) -> Value:
    if not isinstance(raw, str):
        raise ValueError(f"expected text, found {type(raw).__name__}")
    return canonical.keywords(raw.split(SEPARATOR))


def _boolean(raw: Any) -> Value:
    if raw in (0, 1) and isinstance(raw, int | Decimal):
        return bool(raw)
    raise ValueError("expected 0 or 1")


def _integer(raw: Any) -> Value:
    if isinstance(raw, int | float | Decimal) and raw == int(raw):
        return int(raw)
    raise ValueError("expected a whole number")


def _parsed(text: str) -> datetime:
    if len(text) < len("2026-03-29T08:00"):
        raise ValueError("expected date and time")
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError("expected date and time such as 2026-03-29 08:00:00") from None


def _moment(value: Any, zone: str) -> datetime:
    raw = _parsed(value) if isinstance(value, str) else value
    if not isinstance(raw, datetime):
        raise ValueError("expected date and time")
    if raw.tzinfo is None:
        raw = raw.replace(tzinfo=UTC if zone == UTC_ZONE else zone_of(zone))
    if raw.year <= _FIRST_YEAR:
        raise ValueError("the year is out of range")
    return raw


def moment_in(raw: Any, zone: str) -> datetime:
    """The aware UTC datetime of a column's value; naive ones are in ``zone``. ``ValueError`` when it is none."""
    return _written_moment(raw, zone) if type(raw) is str else _moment_in(raw, zone)


def _moment_in(raw: Any, zone: str) -> datetime:
    try:
        return _moment(raw, zone).astimezone(UTC)
    except OverflowError:
        raise ValueError("the year is out of range") from None


_written_moment = lru_cache(maxsize=4096)(_moment_in)
"""One moment stands in many rows: all that a transaction wrote were changed at the same one."""


def _instant(zone: str) -> Reader:
    def read(raw: Any) -> Value:
        return instant_of(moment_in(raw, zone))

    return read


def _local(raw: Any) -> Value:
    if isinstance(raw, str):
        try:
            raw = datetime.fromisoformat(raw.strip())
        except ValueError:
            raise ValueError("expected a local date and time") from None
    if not isinstance(raw, datetime) or raw.tzinfo is not None or raw.year <= _FIRST_YEAR:
        raise ValueError("expected a local date and time without offset")
    return raw.replace(microsecond=0).isoformat()


def _day(raw: Any) -> Value:
    if isinstance(raw, str):
        try:
            raw = date.fromisoformat(raw.strip())
        except ValueError:
            raise ValueError("expected a date such as 2026-03-29") from None
    if not isinstance(raw, date) or isinstance(raw, datetime):
        raise ValueError("expected a date")
    return raw.isoformat()


def _duration(raw: Any) -> Value:
    if isinstance(raw, timedelta):
        return duration_of(raw)
    word = canonical.duration(raw.strip() if isinstance(raw, str) else raw)
    if not word:
        return None
    return duration_of(length_of(str(word)), whole_days="T" not in str(word))


def _zone(raw: Any) -> Value:
    return canonical.zone(raw.strip() if isinstance(raw, str) else raw)


def _rule(raw: Any) -> Value:
    return canonical.recurrence(raw.strip() if isinstance(raw, str) else raw)


# -- writing -----------------------------------------------------------------------------------------------------------


def _as_it_is(value: Any) -> Any:
    return value


def _ranged(value: Any) -> Any:
    if not -_BIGGEST <= value < _BIGGEST:
        raise Unfit("the number is out of range")
    return value


def _joined(value: Any) -> Any:
    if any(SEPARATOR in word for word in value):
        raise Unfit(f"a keyword contains {SEPARATOR!r}, which separates keywords in the CRM")
    return SEPARATOR.join(value)


def _naive(zone: str) -> Writer:
    if zone == UTC_ZONE:
        return lambda value: moment_of(value).replace(tzinfo=None)

    def write(value: Any) -> datetime:
        moment = moment_of(value)
        naive = moment.astimezone(zone_of(zone)).replace(tzinfo=None, fold=0)
        if naive.replace(tzinfo=zone_of(zone)).astimezone(UTC) != moment:
            raise Unfit(f"the instant lies in the second hour of a clock change, which the CRM's {zone} cannot tell")
        return naive

    return write


def _written(zone: str) -> Writer:
    naive = _naive(zone)
    return lru_cache(maxsize=4096)(lambda value: str(naive(value)))


@lru_cache(maxsize=8)
def codecs(zone: str) -> Mapping[FieldType, Mapping[Family, Codec]]:
    """The table: field type → family of column → codec. ``zone`` is where the CRM's naive timestamps live."""
    table: dict[FieldType, dict[Family, tuple[Reader, Writer]]] = {
        FieldType.TEXT: {Family.TEXT: (_text, canonical.text), Family.UUID: (_uuid_text, uuid.UUID)},
        FieldType.KEYWORDS: {Family.TEXT: (_keywords, _joined)},
        FieldType.BOOLEAN: {
            Family.BOOLEAN: (_boolean, _as_it_is),
            Family.INTEGER: (_boolean, int),
            Family.NUMBER: (_boolean, int),
        },
        FieldType.INTEGER: {Family.INTEGER: (_integer, _ranged), Family.NUMBER: (_integer, _ranged)},
        FieldType.INSTANT: {
            Family.AWARE: (_instant(zone), moment_of),
            Family.NAIVE: (_instant(zone), _naive(zone)),
            Family.WRITTEN: (_instant(zone), _written(zone)),
            Family.TEXT: (_instant(zone), _as_it_is),
        },
        FieldType.LOCAL_DATETIME: {
            Family.NAIVE: (_local, datetime.fromisoformat),
            Family.WRITTEN: (_local, lambda value: value.replace("T", " ")),
            Family.TEXT: (_local, _as_it_is),
        },
        FieldType.DATE: {
            Family.DATE: (_day, date.fromisoformat),
            Family.WRITTEN_DATE: (_day, _as_it_is),
            Family.TEXT: (_day, _as_it_is),
        },
        FieldType.DURATION: {Family.INTERVAL: (_duration, length_of), Family.TEXT: (_duration, _as_it_is)},
        FieldType.ZONE: {Family.TEXT: (_zone, _as_it_is)},
        FieldType.RECURRENCE: {Family.TEXT: (_rule, _as_it_is)},
    }
    return {
        type_: {family: Codec(read, write) for family, (read, write) in families.items()}
        for type_, families in table.items()
    }


def stored(plan: CrmField, codec: Codec, value: Value) -> Any:
    """A field's value as its column takes it, with nothing cut (B-23).

    Raises ``Invalid`` with code ``value`` or ``too-long`` when the column cannot hold it.
    """
    if value is None:
        return None
    try:
        made = codec.write(value)
    except (ValueError, OverflowError, TypeError, AttributeError) as error:
        reason = str(error) if isinstance(error, Unfit) else f"the value is no {plan.type}"
        raise Invalid(f"{plan.name} (column {plan.column}): {reason}", code="value") from None
    if plan.max_length is not None and isinstance(made, str) and len(made) > plan.max_length:
        raise Invalid(
            f"{plan.name} (column {plan.column}) has {len(made)} characters, the CRM takes {plan.max_length}",
            code="too-long",
            remedy="shorten it on the other side, or map it through a `truncate` filter",
        )
    return made


# -- plain columns: keys, owners, versions, constants ------------------------------------------------------------------


def key_text(raw: Any) -> str:
    """A key, owner or version as text: what links, pairings and the key table hold."""
    if type(raw) is int:
        return str(raw)
    if isinstance(raw, Decimal) and raw == int(raw):
        return str(int(raw))
    return raw.isoformat() if isinstance(raw, datetime) else str(raw)


def run_of(keys: Sequence[Any]) -> dict[str, int] | None:
    """First and last of keys that are numbers without a gap, as those of records that were just made are; None for any
    others. By these two they are asked for: five hundred parameters take longer than the rows."""
    if not keys or any(type(key) is not int for key in keys):
        return None
    first, last = min(keys), max(keys)
    return {"first": first, "last": last} if last - first + 1 == len(set(keys)) else None


def key_value(text: str, family: Family) -> Any:
    """The column's value of such a text. Raises ``ValueError`` when the column cannot hold it."""
    if family is Family.INTEGER:
        return _ranged(int(text))
    if family is Family.NUMBER:
        return _number_or_text(text)
    if family is Family.UUID:
        return uuid.UUID(text)
    if family in {Family.AWARE, Family.NAIVE}:
        return datetime.fromisoformat(text)
    return text


def _number_or_text(text: str) -> Any:
    """What is no whole number of 64 bits is left to the database: a NUMERIC may be larger, and SQLite takes every type that
    it does not know (``UUID``, ``STRING``) for one, and keeps text in it."""
    number = int(text) if text.isascii() and text.removeprefix("-").isdigit() else None
    return text if number is None or not -_BIGGEST <= number < _BIGGEST else number


def constant(value: Any, family: Family) -> Any:
    """A constant from YAML (soft-delete mark, insert default) as its column takes it."""
    if isinstance(value, bool) and family in {Family.INTEGER, Family.NUMBER}:
        return int(value)
    if family is Family.BOOLEAN and value in (0, 1):
        return bool(value)
    if family is Family.TEXT and not isinstance(value, str) and value is not None:
        return str(value)
    if family in {Family.AWARE, Family.NAIVE} and isinstance(value, str):
        return datetime.fromisoformat(value)
    return value


def now_in(moment: datetime, family: Family, zone: str) -> Any:
    """An instant of our clock as a ``modified`` column takes it."""
    if family is Family.AWARE:
        return moment
    local = moment.astimezone(zone_of(zone)).replace(tzinfo=None)
    if family is Family.NAIVE:
        return local
    return str(local) if family is Family.WRITTEN else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
