"""The filters that expressions may use: pure, bounded, and at ease with empty fields.

Every text filter passes an empty field (None) through, so that no field ever becomes the text ``None``. No result is
longer than :data:`LONGEST` characters; what would be longer raises ``ValueError`` and quarantines the item.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from runner.mapping.canonical import kind_of

LONGEST = 1 << 20
"""Characters of text that an expression may produce (1 Mi)."""

Filter = Callable[..., Any]


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise TypeError(f"expected text, got {kind_of(value)}")


def bounded(length: int) -> None:
    """Refuse a result of more than :data:`LONGEST` characters before it is built."""
    if length > LONGEST:
        raise ValueError(f"the result is longer than {LONGEST} characters")


def default(value: Any, fallback: Any = "", falsy: bool = False) -> Any:
    """The value, or ``fallback`` when the field is empty (with ``falsy``: also for ``false`` and 0)."""
    return fallback if value is None or (falsy and not value) else value


def trim(value: Any) -> str | None:
    """Without white space at both ends."""
    return None if value is None else _text(value).strip()


def upper(value: Any) -> str | None:
    """In capitals."""
    return None if value is None else _text(value).upper()


def lower(value: Any) -> str | None:
    """In small letters."""
    return None if value is None else _text(value).lower()


def capitalize(value: Any) -> str | None:
    """First letter capital, the others small."""
    return None if value is None else _text(value).capitalize()


def replace(value: Any, old: str, new: str) -> str | None:
    """Every ``old`` replaced by ``new``; ``old`` must not be empty."""
    if value is None:
        return None
    word, old, new = _text(value), _text(old), _text(new)
    if not old:
        raise ValueError("replace needs a text to look for")
    bounded(len(word) + word.count(old) * (len(new) - len(old)))
    return word.replace(old, new)


def first_line(value: Any) -> str | None:
    """The first line that is not blank, trimmed."""
    if value is None:
        return None
    return next((line.strip() for line in _text(value).splitlines() if line.strip()), None)


def truncate(value: Any, length: int, end: str = "…") -> str | None:
    """At most ``length`` characters, ``end`` included when something was cut."""
    if value is None:
        return None
    word, end = _text(value), _text(end)
    if not isinstance(length, int) or length < len(end):
        raise ValueError("truncate needs a length that leaves room for its end")
    return word if len(word) <= length else word[: length - len(end)].rstrip() + end


def join_nonempty(value: Any, separator: str = " ") -> str:
    """The parts of a list that are not empty, joined; the answer to ``~`` over fields that may be empty."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TypeError(f"expected a list, got {kind_of(value)}")
    parts = [word for part in value if part is not None and (word := _text(part).strip())]
    bounded(sum(map(len, parts)) + len(separator) * len(parts))
    return separator.join(parts)


def split(value: Any, separator: str = ";") -> tuple[str, ...] | None:
    """The trimmed parts between separators that are not blank, as a list (for keywords)."""
    if value is None:
        return None
    return tuple(part.strip() for part in _text(value).split(_text(separator)) if part.strip())


def length(value: Any) -> int:
    """Characters of a text or entries of a list; 0 for an empty field."""
    return 0 if value is None else len(value)


def concat(value: Sequence[Any]) -> str:
    """What ``~`` does: the parts joined; an empty field adds nothing (never the text ``None``)."""
    parts = ["" if part is None else _text(part) for part in value]
    bounded(sum(map(len, parts)))
    return "".join(parts)


FILTERS: Mapping[str, Filter] = MappingProxyType(
    {
        "capitalize": capitalize,
        "default": default,
        "first_line": first_line,
        "join_nonempty": join_nonempty,
        "length": length,
        "lower": lower,
        "replace": replace,
        "split": split,
        "trim": trim,
        "truncate": truncate,
        "upper": upper,
    }
)
"""The allow-list: name in YAML → filter."""

NEVER_EMPTY = frozenset({"default", "join_nonempty", "length"})
"""Filters whose result is never an empty field, whatever they are given."""
