"""What every class of item has in common: how a property is stated in a request, and the properties under ``item:``.

Subject, body, categories, importance, sensitivity and the stamp, read from elements and written into requests; what a
class has of its own is in its own modules. Nothing here knows which class an item is of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TypeVar

from runner.connectors.exchange.identity import STAMP, names_property
from runner.connectors.exchange.names import Element, add, root, t
from runner.connectors.exchange.text import canonical, carried
from runner.model.errors import ConnectorError, Invalid
from runner.model.items import Item
from runner.model.record import Value

T = TypeVar("T")

PRIORITY: Mapping[str | None, int] = {"High": 1, "Normal": 5, "Low": 9}
PRIVACY: Mapping[str | None, str] = {
    "Normal": "public",
    "Personal": "personal",
    "Private": "private",
    "Confidential": "secret",
}
_PRIVACY_OUT = {value: word for word, value in PRIVACY.items()}

EXTENDED = "ExtendedProperty"
"""The one element that an item may have several of in a request."""

ITEM_ID, EXTENDED_TAG, VALUE = t("ItemId"), t(EXTENDED), t("Value")
SENSITIVITY, MODIFIED = t("Sensitivity"), t("LastModifiedTime")
_URI, _BODY, _CATEGORIES, _IMPORTANCE, _SUBJECT = (
    t("ExtendedFieldURI"),
    t("Body"),
    t("Categories"),
    t("Importance"),
    t("Subject"),
)
Parts = Mapping[str, Element]
"""The children of an item's element by tag."""


class Unfit(Exception):
    """An item that cannot be carried: the code and the reason that stand in its place."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


# -- reading ---------------------------------------------------------------------------------------------------------


def shape(uris: tuple[str, ...], *extended: Mapping[str, str]) -> Element:
    """The ItemShape that asks for these properties and no others: bodies as text, no MIME, no attachments."""
    whole = root("ItemShape")
    add(whole, "t:BaseShape", "IdOnly")
    add(whole, "t:BodyType", "Text")
    properties = add(whole, "t:AdditionalProperties")
    for uri in uris:
        add(properties, "t:FieldURI", FieldURI=uri)
    for names in extended:
        add(properties, "t:ExtendedFieldURI", **names)
    return whole


def text_of(parts: Parts, tag: str) -> str | None:
    """The text of a property, None when it is not there."""
    element = parts.get(tag)
    return None if element is None else element.text


def keywords_of(parts: Parts) -> Value:
    """The categories as keywords."""
    element = parts.get(_CATEGORIES)
    if element is None:
        return None
    return tuple(sorted({text.strip() for child in element if (text := child.text) and text.strip()})) or None


def moment_of(text: str) -> datetime:
    """An xs:dateTime. Without an offset it is UTC, the zone of requests that name none."""
    moment = datetime.fromisoformat(text.strip())
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def modified_of(parts: Parts) -> datetime | None:
    """When the item was changed last."""
    text = text_of(parts, MODIFIED)
    return moment_of(text) if text else None


def extended_of(element: Element, *wanted: Mapping[str, str]) -> list[str | None]:
    """The values of these extended properties of an item, in this order."""
    found: list[str | None] = [None] * len(wanted)
    for extended in element.iterchildren(EXTENDED_TAG):
        uri = extended.find(_URI)
        if uri is not None:
            for place, names in enumerate(wanted):
                if names_property(uri, names):
                    found[place] = extended.findtext(VALUE)
    return found


READERS: Mapping[str, tuple[str, Callable[[Parts], Value]]] = MappingProxyType(
    {
        "title": ("item:Subject", lambda parts: canonical(text_of(parts, _SUBJECT))),
        "description": ("item:Body", lambda parts: canonical(text_of(parts, _BODY))),
        "priority": ("item:Importance", lambda parts: PRIORITY.get(text_of(parts, _IMPORTANCE))),
        "keywords": ("item:Categories", keywords_of),
    }
)
"""Record field → the property that it is read from, and how."""


def read(item_of: Callable[[Element], T], element: Element) -> T | ConnectorError:
    """What ``item_of`` makes of an element, or the ``Invalid`` in its place (B-23). Messages never quote content (B-35)."""
    try:
        return item_of(element)
    except Unfit as unfit:
        return Invalid(str(unfit), code=unfit.code)
    except (ValueError, OverflowError) as error:
        return Invalid(f"the item has a value that cannot be read ({type(error).__name__})", code="undecodable")


def made(parts: Parts, values: Mapping[str, Value], *, stamp: str | None, native: str | None) -> Item:
    """An item with these values. Its privacy is always among them: it decides whether it may be looked at at all (B-35)."""
    item_id = parts.get(ITEM_ID)
    if item_id is None:
        raise Unfit("undecodable", "the item has no id")
    privacy = PRIVACY.get(text_of(parts, SENSITIVITY))
    return Item(
        key=item_id.get("Id", ""),
        version=item_id.get("ChangeKey", ""),
        values={**values, "privacy": privacy},
        stamp=stamp,
        native=native.strip() if native else None,
        modified=modified_of(parts),
    )


def reader(uri: str) -> tuple[str, Callable[[Parts], Value]]:
    """A row of a table such as :data:`READERS` for a property that is plain text."""
    tag = t(uri.partition(":")[2])
    return uri, lambda parts: canonical(text_of(parts, tag))


# -- writing ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Property:
    """One property as a request states it: how to fill its element, or None to delete it.

    ``index`` names one entry of an indexed property (page IndexedFieldURI): its element holds that entry alone, and no
    other is touched. ``extended`` names an extended property instead of ``uri``.
    """

    uri: str
    tag: str
    fill: Callable[[Element], None] | None
    index: str | None = None
    extended: Mapping[str, str] = field(default_factory=dict)

    def add_path(self, parent: Element) -> None:
        """Name the property, as updates and deletions do."""
        if self.extended:
            add(parent, "t:ExtendedFieldURI", **self.extended)
        elif self.index is not None:
            add(parent, "t:IndexedFieldURI", FieldURI=self.uri, FieldIndex=self.index)
        else:
            add(parent, "t:FieldURI", FieldURI=self.uri)


def plain(uri: str, tag: str, text: str | None) -> Property:
    """A property that is text; None deletes it."""

    def fill(element: Element) -> None:
        element.text = text

    return Property(uri, tag, None if text is None else fill)


def of_text(uri: str) -> Callable[[Value], Property]:
    """The encoder of a property that holds text."""
    tag = uri.partition(":")[2]
    return lambda value: plain(uri, tag, (carried(str(value)) or None) if value else None)


def of_extended(names: Mapping[str, str], value: Value) -> Property:
    """An extended property of text; nothing deletes it."""
    text = carried(str(value)) if value else ""

    def fill(element: Element) -> None:
        add(element, "t:ExtendedFieldURI", **names)
        add(element, "t:Value", text)

    return Property("", EXTENDED, fill if text else None, extended=names)


def stamp(value: str) -> Property:
    """Our stamp."""
    return of_extended(STAMP, value)


def body(value: Value) -> Property:
    """The body, always as text."""
    text = carried(str(value)) if value else ""

    def fill(element: Element) -> None:
        element.set("BodyType", "Text")
        element.text = text

    return Property("item:Body", "Body", fill if text else None)


def priority(value: Value) -> Property:
    """Importance. RFC 8984 §4.4.1: 1 to 4 high, 5 normal, 6 to 9 low, 0 undefined."""
    rank = value if isinstance(value, int) else 5
    return plain("item:Importance", "Importance", "High" if 1 <= rank <= 4 else "Low" if rank >= 6 else "Normal")


def of_word(uri: str, words: Mapping[str, str | None], default: str) -> Callable[[Value], Property]:
    """The encoder of an enumeration. Raises ``Invalid`` for a value that Exchange has no word for."""
    tag = uri.partition(":")[2]

    def encode(value: Value) -> Property:
        if value is None:
            return plain(uri, tag, default)
        word = words.get(str(value))
        if word is None:
            raise Invalid(f"Exchange has no {tag} for {value!r}", code="value-unknown")
        return plain(uri, tag, word)

    return encode


def keywords(value: Value) -> Property:
    """Categories."""
    words = [word for item in value if (word := carried(item).strip())] if isinstance(value, tuple | list) else []

    def fill(element: Element) -> None:
        for word in words:
            add(element, "t:String", word)

    return Property("item:Categories", "Categories", fill if words else None)


ENCODERS: Mapping[str, Callable[[Value], Property]] = MappingProxyType(
    {
        "title": of_text("item:Subject"),
        "privacy": of_word("item:Sensitivity", _PRIVACY_OUT, "Normal"),
        "description": body,
        "keywords": keywords,
        "priority": priority,
    }
)
"""Record field → its property, for the fields that every class may have."""

NO_REMINDER = plain("item:ReminderIsSet", "ReminderIsSet", "false")
"""What a new item says when nobody asked for a reminder (B-43: default off)."""
