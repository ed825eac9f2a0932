"""Which properties an answer carries, and how an item is written with them (pages ItemShape, BaseShape)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from runner.sandbox.bodies import Body
from runner.sandbox.computed import COMPUTED
from runner.sandbox.extended import CLEAN_GLOBAL_OBJECT_ID, GLOBAL_OBJECT_ID, SEARCH_KEY, ExtendedKey, read_key, render
from runner.sandbox.failures import EwsError, SchemaViolation, SoapFault
from runner.sandbox.items import StoredItem, global_object_id
from runner.sandbox.properties import DICTIONARIES, EXTENDED, KINDS, Property, known_uri
from runner.sandbox.wire import Element, T, children, escape, local, tag

Part = Callable[[StoredItem], str]
_LISTED_CHARACTERS = 255
_PART_ORDER = tuple(dict.fromkeys(part for _, part in DICTIONARIES.values()))
_PLURALS = {
    "contacts:EmailAddresses": "EmailAddresses",
    "contacts:PhoneNumbers": "PhoneNumbers",
    "contacts:ImAddresses": "ImAddresses",
    "contacts:PhysicalAddresses": "PhysicalAddresses",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """A request's ``ItemShape``. ``listing`` marks FindItem and SyncFolderItems, which return no big properties."""

    base: str
    uris: frozenset[str]
    entries: frozenset[tuple[str, str]]
    extended: tuple[ExtendedKey, ...]
    body_type: str
    listing: bool


ID_ONLY = Shape("IdOnly", frozenset(), frozenset(), (), "Best", False)


def read_shape(element: Element, *, listing: bool) -> Shape:
    """The shape in a request; unknown field URIs fail the whole request, as they fail the schema."""
    uris: set[str] = set()
    entries: set[tuple[str, str]] = set()
    extended: list[ExtendedKey] = []
    additional = element.find(T + "AdditionalProperties")
    for path in children(additional) if additional is not None else ():
        kind = local(path)
        if kind == "ExtendedFieldURI":
            if (key := read_key(path)) not in extended:
                extended.append(key)
        elif kind == "IndexedFieldURI":
            entries.add((path.get("FieldURI", ""), path.get("FieldIndex", "")))
        else:
            uri = path.get("FieldURI", "")
            if not known_uri(uri):
                raise SoapFault(
                    "ErrorSchemaValidation", f"The 'FieldURI' attribute is invalid - The value '{uri}' is invalid."
                )
            uris.add(uri)
    return Shape(
        element.findtext(T + "BaseShape") or "IdOnly",
        frozenset(uris),
        frozenset(entries),
        tuple(extended),
        element.findtext(T + "BodyType") or "Best",
        listing,
    )


def render_item(item: StoredItem, shape: Shape) -> str:
    """The whole element of one item."""
    return f"<t:{item.element}>{''.join([part(item) for part in _plan(item.element, shape)])}</t:{item.element}>"


@lru_cache(maxsize=512)
def _plan(element: str, shape: Shape) -> tuple[Part, ...]:
    kind = KINDS[element]
    wanted = {"ItemId"}
    if shape.base == "Default":
        wanted |= {name for name, row in kind.properties.items() if row.in_default_shape}
    elif shape.base == "AllProperties":
        wanted |= set(kind.properties) - {"MimeContent", "TextBody", "NormalizedBody", "UniqueBody"}
    wanted |= {kind.by_uri[uri].name for uri in shape.uris if uri in kind.by_uri}
    wanted |= {_PLURALS[uri] for uri in shape.uris if uri in _PLURALS and _PLURALS[uri] in kind.properties}
    some: dict[str, set[tuple[str, str]]] = {}
    for uri, index in shape.entries:
        if uri in DICTIONARIES and DICTIONARIES[uri][0] in kind.properties:
            name, part = DICTIONARIES[uri]
            some.setdefault(name, set()).add((index, part))
    parts: list[Part] = []
    for name, row in kind.properties.items():
        if name == "Culture":
            parts.extend(_extended_part(key) for key in shape.extended)
        if shape.listing and row.big:
            continue
        if name in wanted:
            parts.append(_part(row, shape, None))
        elif name in some:
            parts.append(_part(row, shape, frozenset(some[name])))
    return tuple(parts)


def _part(row: Property, shape: Shape, entries: frozenset[tuple[str, str]] | None) -> Part:
    if row.kind == "body":
        return _body_part(row.name, "Text" if row.name == "TextBody" else shape.body_type)
    if row.computed:
        compute = COMPUTED[row.name]
        return lambda item: compute(item, shape.listing)
    if row.kind == "dictionary":
        return _dictionary_part(row.name, entries)
    if row.kind == "zone":
        return _zone_part(row.name)
    if row.kind in ("xml", "attendees", "strings"):
        return _fragment_part(row.name)
    return _text_part(row.name, row.default, shape.listing)


def _text_part(name: str, default: str | None, listing: bool) -> Part:
    limit = _LISTED_CHARACTERS if listing else None

    def part(item: StoredItem) -> str:
        value = item.props.get(name, default)
        return f"<t:{name}>{escape(value[:limit])}</t:{name}>" if isinstance(value, str) else ""

    return part


def _fragment_part(name: str) -> Part:
    def part(item: StoredItem) -> str:
        value = item.props.get(name)
        return f"<t:{name}>{value}</t:{name}>" if isinstance(value, str) and value else ""

    return part


def _zone_part(name: str) -> Part:
    def part(item: StoredItem) -> str:
        value = item.props.get(name)
        return f'<t:{name} Id="{escape(value)}" Name="{escape(value)}"/>' if isinstance(value, str) and value else ""

    return part


def _body_part(name: str, wanted: str) -> Part:
    def part(item: StoredItem) -> str:
        stored = item.props.get("Body")
        kind, text = (stored if isinstance(stored, Body) else Body("Text", "")).wanted(wanted)
        if not text:
            return f'<t:{name} BodyType="{kind}"/>'
        return f'<t:{name} BodyType="{kind}">{escape(text)}</t:{name}>'

    return part


def _dictionary_part(name: str, entries: frozenset[tuple[str, str]] | None) -> Part:
    def part(item: StoredItem) -> str:
        value = item.props.get(name)
        if not isinstance(value, dict):
            return ""
        rows = []
        for key, fields in value.items():
            shown = {
                sub: fields[sub] for sub in _PART_ORDER if sub in fields and (entries is None or (key, sub) in entries)
            }
            if not shown:
                continue
            inside = escape(shown[""]) if "" in shown else "".join(tag(sub, text) for sub, text in shown.items())
            rows.append(f'<t:Entry Key="{escape(key)}">{inside}</t:Entry>')
        return f"<t:{name}>{''.join(rows)}</t:{name}>" if rows else ""

    return part


def extended_value(item: StoredItem, key: ExtendedKey) -> str | tuple[str, ...] | None:
    """An extended property's value, those included that the store makes itself."""
    value = item.extended.get(key)
    if value is not None:
        return value
    if key == SEARCH_KEY:
        return item.search_key
    if key in (GLOBAL_OBJECT_ID, CLEAN_GLOBAL_OBJECT_ID) and (uid := item.text("UID")):
        return global_object_id(uid)
    return None


def _extended_part(key: ExtendedKey) -> Part:
    def part(item: StoredItem) -> str:
        value = extended_value(item, key)
        return "" if value is None else render(key, value)

    return part


def property_of(item: StoredItem, uri: str) -> Property:
    """The property behind a field URI for this item's class; ``ErrorInvalidPropertyRequest`` if the class has none."""
    if not known_uri(uri):
        raise SchemaViolation(f"The 'FieldURI' attribute is invalid - The value '{uri}' is invalid.")
    found = item.kind.by_uri.get(uri)
    if found is None:
        raise EwsError("ErrorInvalidPropertyRequest")
    return found


__all__ = ["EXTENDED", "ID_ONLY", "Shape", "extended_value", "property_of", "read_shape", "render_item"]
