"""Values in canonical form (the table of ``model.record``): one small function per field type.

Each takes any value, returns the canonical one or None, and raises ``ValueError`` with a sentence that names types and
forms but never the value itself: values may be personal, and the sentence ends in logs and in the quarantine list.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from types import MappingProxyType

from runner.model.moments import instant_of, length_of, moment_of, zone_of
from runner.model.record import FieldType, Value

Canonical = Callable[[object], Value]

# What XML 1.0 cannot carry (§2.2 Char). Both sides drop it alike, so that it is neither lost again nor sent again.
_UNCARRIABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_LOCAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_NAMES = {
    bool: "boolean",
    int: "integer",
    float: "fraction",
    str: "text",
    tuple: "list",
    list: "list",
    dict: "mapping",
    type(None): "nothing",
}


def kind_of(value: object) -> str:
    """A value's type in the words of YAML, for messages."""
    return _NAMES.get(type(value), type(value).__name__)


def text(value: object) -> str | None:
    """Text: ``\\n`` line ends, no trailing white space, nothing that XML cannot carry; None when nothing is left."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError(f"expected text, got {kind_of(value)}")
    if not value.isprintable():
        if "\r" in value:
            value = value.replace("\r\n", "\n").replace("\r", "\n")
        value = _UNCARRIABLE.sub("", value)
    return value.rstrip() or None


def boolean(value: object) -> bool | None:
    """True, False or None; numbers and words are not taken for booleans."""
    if value is None or isinstance(value, bool):
        return value
    raise ValueError(f"expected a boolean, got {kind_of(value)}")


def integer(value: object) -> int | None:
    """A whole number; booleans and fractions are none."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise ValueError(f"expected an integer, got {kind_of(value)}")


def _word(value: object, what: str) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value
    raise ValueError(f"expected {what}, got {kind_of(value)}")


def local_datetime(value: object) -> str | None:
    """``2026-03-29T10:00:00``, a date and time that exists."""
    word = _word(value, "a local date and time")
    if word is None:
        return None
    try:
        datetime.fromisoformat(word)
    except ValueError:
        word = ""
    if not _LOCAL.fullmatch(word):
        raise ValueError("expected a local date and time such as 2026-03-29T10:00:00")
    return word


def day(value: object) -> str | None:
    """``2026-03-29``, a date that exists."""
    word = _word(value, "a date")
    if word is None:
        return None
    try:
        date.fromisoformat(word)
    except ValueError:
        word = ""
    if not _DAY.fullmatch(word):
        raise ValueError("expected a date such as 2026-03-29")
    return word


def instant(value: object) -> str | None:
    """``2026-03-29T08:00:00Z``; other offsets are brought to UTC."""
    word = _word(value, "an instant")
    if word is None:
        return None
    try:
        return instant_of(moment_of(word))
    except (ValueError, OverflowError):
        raise ValueError("expected an instant such as 2026-03-29T08:00:00Z") from None


def duration(value: object) -> str | None:
    """``PT1H30M`` or ``P1D``."""
    word = _word(value, "a duration")
    if word is None:
        return None
    try:
        length_of(word)
    except (ValueError, OverflowError):
        raise ValueError("expected a duration such as PT1H30M or P1D") from None
    return word


def zone(value: object) -> str | None:
    """An IANA zone name that the tz database knows. Zone names are not personal, so the message shows it."""
    word = _word(value, "a time zone")
    if word is None:
        return None
    try:
        zone_of(word)
    except ValueError:
        raise ValueError(f"unknown time zone {word[:64]!r}") from None
    return word


def keywords(value: object) -> tuple[str, ...] | None:
    """Words, trimmed, sorted and unique; None when there is none."""
    if value is None:
        return None
    if type(value) is not tuple and not isinstance(value, list | tuple):
        raise ValueError(f"expected a list of text, got {kind_of(value)}")
    if len(value) == 1:
        word = text(value[0])
        return (word.strip(),) if word else None
    words: set[str] = set()
    for item in value:
        word = text(item)
        if word and (word := word.strip()):
            words.add(word)
    return tuple(sorted(words)) or None


def recurrence(value: object) -> str | None:
    """An RRULE as text. What it means depends on the start of its series: the codec ``interval`` makes it canonical."""
    return _word(value, "a recurrence rule")


def overrides(value: object) -> Mapping[str, Value] | None:
    """``{recurrence id: patch}``, sorted, no patch empty; the patches' fields are looked at where their types are known."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise ValueError(f"expected overrides by recurrence id, got {kind_of(value)}")
    patches: dict[str, Value] = {}
    for key in sorted(value):
        patch = value[key]
        if not isinstance(patch, Mapping) or not isinstance(key, str) or day(key) is None:
            raise ValueError("expected a patch for each recurrence id such as 2026-03-29")
        if patch:
            patches[key] = dict(patch)
    return patches or None


def addresses(value: object) -> Mapping[str, Value] | None:
    """``{address: word}``, addresses in lower case, sorted."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise ValueError(f"expected words by address, got {kind_of(value)}")
    found: dict[str, Value] = {}
    for address in sorted(value):
        word = text(value[address])
        if not isinstance(address, str) or not address.strip():
            raise ValueError("expected an e-mail address for each word")
        if word is not None:
            found[address.strip().lower()] = word
    return dict(sorted(found.items())) or None


def files(value: object) -> Mapping[str, Value] | None:
    """``{name/digest: size}``, sorted."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise ValueError(f"expected attachments, got {kind_of(value)}")
    return dict(sorted((str(key), str(size)) for key, size in value.items())) or None


CANONICAL: Mapping[FieldType, Canonical] = MappingProxyType(
    {
        FieldType.TEXT: text,
        FieldType.BOOLEAN: boolean,
        FieldType.INTEGER: integer,
        FieldType.LOCAL_DATETIME: local_datetime,
        FieldType.DATE: day,
        FieldType.INSTANT: instant,
        FieldType.DURATION: duration,
        FieldType.ZONE: zone,
        FieldType.KEYWORDS: keywords,
        FieldType.RECURRENCE: recurrence,
        FieldType.OVERRIDES: overrides,
        FieldType.ADDRESSES: addresses,
        FieldType.FILES: files,
    }
)
"""The canonical form of each field type."""
