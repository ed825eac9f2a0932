"""How our items are known when their ids change: our stamp, and Exchange's native identity.

The stamp is a named extended property in a property set of our own, so that no other program writes it by accident.
An appointment's native identity is its UID. ``calendar:UID`` cannot be used in a FindItem restriction; what Exchange
searches by is the MAPI property that the UID is made from: PidLidCleanGlobalObjectId ([MS-OXOCAL] 2.2.1.28), with
PidLidGlobalObjectId (2.2.1.27) beside it for clients that write only that one. Tasks and contacts have no UID; theirs is
PidTagSearchKey ([MS-OXCPRPT] 2.2.1.9), which follows an item through moves, and a copy shares it with its original.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from runner.connectors.exchange.names import Element, add, root
from runner.model.items import Identity

PROPERTY_SET = "f03c2eaf-eec0-47aa-a68d-b3f9332329ba"
PROPERTY_NAME = "exsync"
STAMP: Mapping[str, str] = {
    "PropertySetId": PROPERTY_SET,
    "PropertyName": PROPERTY_NAME,
    "PropertyType": "String",
}
CLEAN_OBJECT_ID: Mapping[str, str] = {
    "DistinguishedPropertySetId": "Meeting",
    "PropertyId": "35",
    "PropertyType": "Binary",
}
OBJECT_ID: Mapping[str, str] = {
    "DistinguishedPropertySetId": "Meeting",
    "PropertyId": "3",
    "PropertyType": "Binary",
}
SEARCH_KEY: Mapping[str, str] = {"PropertyTag": "0x300b", "PropertyType": "Binary"}
_PREFIX = bytes.fromhex("040000008200e00074c5b7101a82e008")


def object_id_of(uid: str) -> str:
    """The clean global object id of a calendar UID, in base64 ([MS-OXCICAL] 2.1.3.1.1.20.26).

    A UID that Exchange made is the id itself in hexadecimal; its instance date (bytes 16 to 19) is zeroed. Any other
    UID is wrapped as ``vCal-Uid``.
    """
    try:
        raw = bytes.fromhex(uid)
    except ValueError:
        raw = b""
    if raw.startswith(_PREFIX) and len(raw) >= 40:
        return b64encode(raw[:16] + bytes(4) + raw[20:]).decode()
    data = b"vCal-Uid" + (1).to_bytes(4, "little") + uid.encode("utf-8", "replace") + b"\0"
    return b64encode(_PREFIX + bytes(20) + len(data).to_bytes(4, "little") + data).decode()


@dataclass(frozen=True, slots=True)
class Native:
    """How Exchange itself knows the items of a class: the extended properties that hold it (base64), any of which may, and
    what stands there for a native identity as the connector gives it out."""

    properties: tuple[Mapping[str, str], ...]
    held_as: Callable[[str], str]


UID = Native((CLEAN_OBJECT_ID, OBJECT_ID), object_id_of)
"""Appointments."""
KEY = Native((SEARCH_KEY,), str.strip)
"""Tasks and contacts: the search key, as it is."""


def names_property(uri: Element, names: Mapping[str, str]) -> bool:
    """Whether an answer's ``ExtendedFieldURI`` names this property; a tag may be written in either case."""
    if "PropertyTag" in names:
        return (uri.get("PropertyTag") or "").lower() == names["PropertyTag"]
    if "PropertyId" in names:
        return uri.get("PropertyId") == names["PropertyId"]
    return uri.get("PropertyName") == names["PropertyName"]


def restriction(identities: Sequence[Identity], native: Native) -> Element:
    """A FindItem restriction that matches every holder of any of these identities."""
    wanted: dict[tuple[int, str], tuple[Mapping[str, str], str]] = {}
    for identity in identities:
        if identity.stamp:
            wanted[(-1, identity.stamp)] = (STAMP, identity.stamp)
        if identity.native:
            value = native.held_as(identity.native)
            for place, names in enumerate(native.properties):
                wanted[(place, value)] = (names, value)
    whole = root("Restriction")
    parent = add(whole, "t:Or") if len(wanted) > 1 else whole
    for uri, value in wanted.values():
        equal = add(parent, "t:IsEqualTo")
        add(equal, "t:ExtendedFieldURI", **uri)
        add(add(equal, "t:FieldURIOrConstant"), "t:Constant", Value=value)
    return whole


def holders(
    identities: Sequence[Identity], native: Native, stamp: str | None, values: Sequence[str | None]
) -> list[Identity]:
    """Those identities that an item with this stamp and these native properties (base64) holds."""
    return [
        identity
        for identity in identities
        if (identity.stamp and identity.stamp == stamp)
        or (identity.native and native.held_as(identity.native) in values)
    ]
