"""How our items are known when their ids change: our stamp, and Exchange's native identity.

The stamp is a named extended property in a property set of our own, so that no other program writes it by accident.
The native identity is the calendar UID. ``calendar:UID`` cannot be used in a FindItem restriction; what Exchange
searches by is the MAPI property that the UID is made from: PidLidCleanGlobalObjectId ([MS-OXOCAL] 2.2.1.28), with
PidLidGlobalObjectId (2.2.1.27) beside it for clients that write only that one.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence

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


def restriction(identities: Sequence[Identity]) -> Element:
    """A FindItem restriction that matches every holder of any of these identities."""
    wanted: dict[tuple[str, str], tuple[Mapping[str, str], str]] = {}
    for identity in identities:
        if identity.stamp:
            wanted[("stamp", identity.stamp)] = (STAMP, identity.stamp)
        if identity.native:
            value = object_id_of(identity.native)
            wanted[("clean", value)] = (CLEAN_OBJECT_ID, value)
            wanted[("object", value)] = (OBJECT_ID, value)
    whole = root("Restriction")
    parent = add(whole, "t:Or") if len(wanted) > 1 else whole
    for uri, value in wanted.values():
        equal = add(parent, "t:IsEqualTo")
        add(equal, "t:ExtendedFieldURI", **uri)
        add(add(equal, "t:FieldURIOrConstant"), "t:Constant", Value=value)
    return whole


def holders(identities: Sequence[Identity], stamp: str | None, object_ids: Sequence[str]) -> list[Identity]:
    """Those identities that an item with this stamp and these object ids (base64) holds."""
    return [
        identity
        for identity in identities
        if (identity.stamp and identity.stamp == stamp)
        or (identity.native and object_id_of(identity.native) in object_ids)
    ]
