"""Record values that an operator states on the command line, ``FIELD=VALUE``: read by the field's type, never guessed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from runner.mapping.canonical import CANONICAL
from runner.model.errors import UsageError
from runner.model.record import Fields, FieldSpec, FieldType, Value
from runner.model.state import Conflict


def stated_values(pairs: Iterable[str], conflict: Conflict, schema: Mapping[str, FieldSpec]) -> Fields:
    """The canonical values for a conflict's fields; nothing behind the sign empties the field.

    Raises :class:`UsageError` for a field that is not in conflict and for a value that the field cannot hold.
    """
    disputed = {name for values in (conflict.crm, conflict.target, conflict.base) for name in values or {}}
    values: dict[str, Value] = {}
    for pair in pairs:
        name, sign, text = pair.partition("=")
        if not sign:
            raise UsageError(f"{pair!r} is not FIELD=VALUE", remedy="write for example --value title='Board meeting'")
        spec = schema.get(name)
        if name not in disputed or spec is None:
            fields = ", ".join(sorted(disputed & schema.keys())) or "none that a value could settle: take a side"
            raise UsageError(f"{name!r} is not a field of this conflict", remedy=f"its fields: {fields}")
        values[name] = _value(spec, text)
    return values


def _value(spec: FieldSpec, text: str) -> Value:
    if spec.type in (FieldType.OVERRIDES, FieldType.ADDRESSES, FieldType.FILES):
        raise UsageError(
            f"{spec.name} cannot be stated as one value", remedy="settle it with --take crm or --take target"
        )
    try:
        value = CANONICAL[spec.type](_PARSED.get(spec.type, str)(text)) if text else None
    except ValueError as error:
        raise UsageError(f"--value {spec.name}: {error}", remedy=f"{spec.name} is {spec.type}: {spec.doc}") from None
    if value is not None and spec.values and value not in spec.values:
        raise UsageError(
            f"--value {spec.name}: {text!r} is none of its values", remedy=f"one of {', '.join(spec.values)}"
        )
    return value


def _boolean(text: str) -> object:
    return {"true": True, "false": False}.get(text.lower(), text)


def _integer(text: str) -> object:
    return int(text) if text.removeprefix("-").isdecimal() else text


def _words(text: str) -> object:
    return text.split(",")


_PARSED = {FieldType.BOOLEAN: _boolean, FieldType.INTEGER: _integer, FieldType.KEYWORDS: _words}
