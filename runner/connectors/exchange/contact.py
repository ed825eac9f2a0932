"""Contact elements ↔ items (B-51, B-52; pages Contact, IndexedFieldURI, FileAsMapping).

Each e-mail address, telephone number and part of an address is asked for and written under its own label, never the whole
list: labels that no mapping names belong to the user. Notes are the body; there are no pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from runner.connectors.exchange import item as common
from runner.connectors.exchange.identity import SEARCH_KEY, STAMP
from runner.connectors.exchange.item import ENCODERS, Property, Unfit, body, of_extended, of_text, plain
from runner.connectors.exchange.names import Element, add, t
from runner.connectors.exchange.text import canonical, carried
from runner.model.errors import OTHER_CLASS, ConnectorError
from runner.model.items import Item, LinkRef, Write
from runner.model.record import Fields, Value
from runner.model.terms import Operation

HONORIFIC: Mapping[str, str] = {"PropertyTag": "0x3a45", "PropertyType": "String"}
"""PidTagDisplayNamePrefix: EWS shows the title in CompleteName, which is read-only, and sets it by this tag only."""

_TEXTS: Mapping[str, str] = {
    "file_as": "contacts:FileAs",
    "full_name": "contacts:DisplayName",
    "given_name": "contacts:GivenName",
    "initials": "contacts:Initials",
    "middle_name": "contacts:MiddleName",
    "company": "contacts:CompanyName",
    "department": "contacts:Department",
    "suffix": "contacts:Generation",
    "job_title": "contacts:JobTitle",
    "surname": "contacts:Surname",
}


@dataclass(frozen=True, slots=True)
class _Label:
    """One label of an indexed property, or one part of what stands under it."""

    tag: str
    uri: str
    key: str
    part: str = ""


_EMAILS = {
    f"email_{number}": _Label("EmailAddresses", "contacts:EmailAddress", f"EmailAddress{number}")
    for number in (1, 2, 3)
}
_PARTS = {
    "street": "Street",
    "city": "City",
    "region": "State",
    "country": "CountryOrRegion",
    "postcode": "PostalCode",
}
"""Parts of an address, in schema order."""
_ADDRESSES = {
    f"{place}_{name}": _Label("PhysicalAddresses", f"contacts:PhysicalAddress:{part}", place.capitalize(), part)
    for place in ("business", "home")
    for name, part in _PARTS.items()
}
_PHONES = {
    name: _Label("PhoneNumbers", "contacts:PhoneNumber", key)
    for name, key in {
        "phone_business": "BusinessPhone",
        "phone_home": "HomePhone",
        "phone_mobile": "MobilePhone",
        "fax_business": "BusinessFax",
        "fax_home": "HomeFax",
    }.items()
}
LABELS: Mapping[str, _Label] = {**_EMAILS, **_ADDRESSES, **_PHONES}
_NAMES = ("honorific", "given_name", "middle_name", "surname", "suffix")
"""What a displayed name is put together from, in this order."""

_CONTACT, _ENTRY = t("Contact"), t("Entry")
_READERS: Mapping[str, tuple[str, Callable[[common.Parts], Value]]] = {
    **{name: common.READERS[name] for name in ("keywords",)},
    "notes": common.READERS["description"],
    **{name: common.reader(uri) for name, uri in _TEXTS.items()},
}
_ENCODERS: Mapping[str, Callable[[Value], Property]] = {
    **{name: ENCODERS[name] for name in ("privacy", "keywords")},
    "notes": body,
    **{name: of_text(uri) for name, uri in _TEXTS.items()},
    "honorific": lambda value: of_extended(HONORIFIC, value),
}

ORDER = (
    *("Sensitivity", "Body", "Categories", "ExtendedProperty", "FileAs", "FileAsMapping", "DisplayName", "GivenName"),
    *("Initials", "MiddleName", "CompanyName", "EmailAddresses", "PhysicalAddresses", "PhoneNumbers", "Department"),
    *("Generation", "JobTitle", "Surname"),
)
"""The order that the schema prescribes inside Contact."""


def item_shape(fields: frozenset[str]) -> Element:
    """The ItemShape that asks for exactly what :class:`Decoder` reads."""
    uris = [uri for field, (uri, _) in _READERS.items() if field in fields]
    shape = common.shape((*uris, "item:Sensitivity", "item:LastModifiedTime"), STAMP, SEARCH_KEY, HONORIFIC)
    for field, label in LABELS.items():
        if field in fields:
            add(shape[-1], "t:IndexedFieldURI", FieldURI=label.uri, FieldIndex=label.key)
    return shape


class Decoder:
    """Reads Contact elements for one link. Calling it gives an :class:`Item` or the ``Invalid`` in its place."""

    def __init__(self, link: LinkRef) -> None:
        fields = link.record_fields
        self._honorific = "honorific" in fields
        self._readers = tuple((name, read) for name, (_, read) in _READERS.items() if name in fields)
        self._labels = tuple((name, label) for name, label in LABELS.items() if name in fields)

    def __call__(self, element: Element) -> Item | ConnectorError:
        """The item that an element holds."""
        return common.read(self._item, element)

    def _item(self, element: Element) -> Item:
        if element.tag != _CONTACT:
            raise Unfit(OTHER_CLASS, "the folder holds something that is no contact")
        parts: dict[str, Element] = {child.tag: child for child in element}
        values: dict[str, Value] = {name: read(parts) for name, read in self._readers}
        values.update((name, _entry(parts, label)) for name, label in self._labels)
        stamp, native, honorific = common.extended_of(element, STAMP, SEARCH_KEY, HONORIFIC)
        if self._honorific:
            values["honorific"] = canonical(honorific)
        return common.made(parts, values, stamp=stamp, native=native)


def properties(write: Write, link: LinkRef) -> list[Property]:
    """What a write states: all of its values on create, its fields on update."""
    new = write.operation is Operation.CREATE
    values, fields = write.values, frozenset(write.values) if write.operation is Operation.CREATE else write.fields
    stated = [encode(values.get(field)) for field, encode in _ENCODERS.items() if field in fields]
    stated += [_labelled(label, values.get(field)) for field, label in LABELS.items() if field in fields]
    renamed = new or not fields.isdisjoint(_NAMES)
    if not values.get("full_name") and (new or "full_name" in fields or (renamed and "full_name" not in values)):
        stated = [prop for prop in stated if prop.tag != "DisplayName"]
        stated.append(of_text("contacts:DisplayName")(_displayed(values)))
    if new and not values.get("file_as"):
        stated.append(_filed(values))
    return stated


def _entry(parts: common.Parts, label: _Label) -> Value:
    for entry in parts.get(t(label.tag), ()):
        if entry.tag == _ENTRY and entry.get("Key") == label.key:
            return canonical(entry.findtext(t(label.part)) if label.part else entry.text)
    return None


def _labelled(label: _Label, value: Value) -> Property:
    text = carried(str(value)).rstrip() if value else ""

    def fill(dictionary: Element) -> None:
        if not label.part:
            add(dictionary, "t:Entry", text, Key=label.key)
            return
        entry = next((one for one in dictionary if one.get("Key") == label.key), None)
        add(add(dictionary, "t:Entry", Key=label.key) if entry is None else entry, f"t:{label.part}", text)

    return Property(label.uri, label.tag, fill if text else None, index=label.key)


def _displayed(values: Fields) -> str | None:
    """The name to show where the mapping gives none: without one, Outlook lists a blank line."""
    words = [str(value) for name in _NAMES if (value := values.get(name))]
    others = (values.get("company"), values.get("file_as"), values.get("email_1"))
    return " ".join(words) or next((str(value) for value in others if value), None)


def _filed(values: Fields) -> Property:
    """How Exchange shall file the contact from now on, and refile it when its name changes."""
    named = any(values.get(name) for name in ("given_name", "middle_name", "surname"))
    rule = "LastCommaFirst" if named else "Company" if values.get("company") else "DisplayName"
    return plain("contacts:FileAsMapping", "FileAsMapping", rule)
