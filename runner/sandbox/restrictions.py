"""FindItem restrictions and sort orders, evaluated over stored items (pages Restriction, SortOrder)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

from runner.sandbox.bodies import Body
from runner.sandbox.computed import computed_text
from runner.sandbox.extended import read_key
from runner.sandbox.failures import EwsError, SchemaViolation
from runner.sandbox.items import StoredItem
from runner.sandbox.properties import DICTIONARIES, KINDS, known_uri
from runner.sandbox.shapes import extended_value
from runner.sandbox.wire import Element, T, children, local
from runner.sandbox.zones import parse_instant

Test = Callable[[StoredItem], bool]
Reader = Callable[[StoredItem], "str | tuple[str, ...] | None"]
_COMPARE: dict[str, Callable[[int], bool]] = {
    "IsEqualTo": lambda order: order == 0,
    "IsNotEqualTo": lambda order: order != 0,
    "IsGreaterThan": lambda order: order > 0,
    "IsGreaterThanOrEqualTo": lambda order: order >= 0,
    "IsLessThan": lambda order: order < 0,
    "IsLessThanOrEqualTo": lambda order: order <= 0,
}


def compile_restriction(element: Element) -> Test:
    """A test for the search expression; raises ``ErrorUnsupportedPathForQuery`` for properties that cannot be asked."""
    kind = local(element)
    parts = list(children(element))
    if kind == "And":
        tests = [compile_restriction(part) for part in parts]
        return lambda item: all(test(item) for test in tests)
    if kind == "Or":
        tests = [compile_restriction(part) for part in parts]
        return lambda item: any(test(item) for test in tests)
    if kind == "Not":
        inner = compile_restriction(parts[0])
        return lambda item: not inner(item)
    if kind == "Exists":
        read, _ = _reader(parts[0])
        return lambda item: read(item) is not None
    if kind in _COMPARE:
        return _comparison(kind, parts[0], parts[1])
    if kind == "Contains":
        return _contains(element, parts[0], parts[1])
    if kind == "Excludes":
        return _excludes(parts[0], parts[1])
    raise SchemaViolation(f"The element 'Restriction' has invalid child element '{kind}'.")


def _reader(path: Element) -> tuple[Reader, str]:
    """What reads a path's value from an item, and the kind of value."""
    if local(path) == "ExtendedFieldURI":
        key = read_key(path)
        kind = {"SystemTime": "time", "Integer": "int", "Short": "int", "Long": "int", "Boolean": "bool"}
        return (lambda item: extended_value(item, key)), kind.get(key.type, "exact" if key.type == "Binary" else "text")
    uri = path.get("FieldURI", "")
    if local(path) == "IndexedFieldURI":
        if uri not in DICTIONARIES:
            raise EwsError("ErrorUnsupportedPathForQuery")
        name, part = DICTIONARIES[uri]
        index = path.get("FieldIndex", "")

        def entry(item: StoredItem) -> str | None:
            stored = item.props.get(name)
            return stored.get(index, {}).get(part) if isinstance(stored, dict) else None

        return entry, "text"
    if not known_uri(uri):
        raise SchemaViolation(f"The 'FieldURI' attribute is invalid - The value '{uri}' is invalid.")
    rows = [kind.by_uri[uri] for kind in KINDS.values() if uri in kind.by_uri]
    if not rows:
        return (lambda _item: None), "text"
    row = rows[0]
    if not row.searchable or (row.big and row.kind != "body"):
        raise EwsError("ErrorUnsupportedPathForQuery")

    def plain(item: StoredItem) -> str | tuple[str, ...] | None:
        if uri not in item.kind.by_uri:
            return None
        if row.computed:
            return computed_text(item, row.name)
        value = item.props.get(row.name, row.default)
        if row.kind == "strings" and isinstance(value, str):
            return tuple(re.findall("<t:String>([^<]*)</t:String>", value))
        if isinstance(value, Body):
            return value.text
        return value if isinstance(value, str) else None

    return plain, row.kind


def _comparison(kind: str, path: Element, other: Element) -> Test:
    read, value_kind = _reader(path)
    operand = next(iter(children(other)), other) if local(other) == "FieldURIOrConstant" else other
    if local(operand) == "Constant":
        constant = operand.get("Value", "")
        order_of = _ordering(value_kind, constant)

        def against_constant(item: StoredItem) -> bool:
            value = read(item)
            if value is None:
                return kind == "IsNotEqualTo"
            if isinstance(value, tuple):
                return any(_COMPARE[kind](order_of(one)) for one in value)
            return _COMPARE[kind](order_of(value))

        return against_constant
    read_other, _ = _reader(operand)

    def against_property(item: StoredItem) -> bool:
        left, right = read(item), read_other(item)
        if not isinstance(left, str) or not isinstance(right, str):
            return False
        return _COMPARE[kind](_ordering(value_kind, right)(left))

    return against_property


def _ordering(kind: str, constant: str) -> Callable[[str], int]:
    """How a value stands to a constant: below zero, zero or above. Text compares without case, as the store does."""
    if kind == "time":
        try:
            moment = parse_instant(constant, None)
        except ValueError as error:
            raise EwsError("ErrorInvalidRequest", f"'{constant}' is not a date.") from error

        def time_order(value: str) -> int:
            mine = datetime.fromisoformat(value).astimezone(UTC)
            return (mine > moment) - (mine < moment)

        return time_order
    if kind in ("int", "float"):
        try:
            number = float(constant)
        except ValueError as error:
            raise EwsError("ErrorInvalidRequest", f"'{constant}' is not a number.") from error
        return lambda value: (float(value) > number) - (float(value) < number)
    if kind == "exact":
        return lambda value: (value > constant) - (value < constant)
    folded = constant.casefold()
    if kind == "bool":
        folded = {"1": "true", "0": "false"}.get(folded, folded)
    return lambda value: (value.casefold() > folded) - (value.casefold() < folded)


def _contains(element: Element, path: Element, constant: Element) -> Test:
    read, _ = _reader(path)
    mode = element.get("ContainmentMode", "FullString")
    wanted = constant.get("Value", "")
    fold = element.get("ContainmentComparison", "Exact") != "Exact"
    wanted = wanted.casefold() if fold else wanted

    def one(value: str) -> bool:
        text = value.casefold() if fold else value
        if mode == "FullString":
            return text == wanted
        if mode == "Prefixed":
            return text.startswith(wanted)
        if mode == "PrefixOnWords":
            return any(word.startswith(wanted) for word in text.split())
        if mode == "ExactPhrase":
            return f" {wanted} " in f" {text} "
        return wanted in text

    def test(item: StoredItem) -> bool:
        value = read(item)
        if value is None:
            return False
        return any(one(part) for part in value) if isinstance(value, tuple) else one(value)

    return test


def _excludes(path: Element, mask: Element) -> Test:
    read, _ = _reader(path)
    bits = int(mask.get("Value", "0"), 0)

    def test(item: StoredItem) -> bool:
        value = read(item)
        return not isinstance(value, str) or not int(value) & bits

    return test


def sort_items(items: list[StoredItem], order: Element) -> list[StoredItem]:
    """Items in the order of a ``SortOrder`` element; the last key sorts first, so that earlier ones dominate."""
    found = list(items)
    for field in reversed(list(children(order))):
        try:
            read, kind = _reader(next(iter(children(field))))
        except EwsError as error:
            if error.code == "ErrorUnsupportedPathForQuery":
                raise EwsError("ErrorUnsupportedPathForSortGroup") from error
            raise
        found.sort(key=_sort_key(read, kind), reverse=field.get("Order") == "Descending")
    return found


def _sort_key(read: Reader, kind: str) -> Callable[[StoredItem], tuple[bool, float, str]]:
    def key(item: StoredItem) -> tuple[bool, float, str]:
        value = read(item)
        text = "; ".join(value) if isinstance(value, tuple) else value
        if text is None:
            return (False, 0.0, "")
        return (True, float(text), "") if kind in ("int", "float") else (True, 0.0, text.casefold())

    return key


__all__ = ["T", "compile_restriction", "sort_items"]
