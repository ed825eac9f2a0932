"""Extended properties: MAPI properties named by tag, or by property set and name or number (page ExtendedFieldURI)."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from runner.sandbox.failures import EwsError
from runner.sandbox.wire import Element, T, children, escape, tag

_SETS: Mapping[str, str] = MappingProxyType(
    {
        "PublicStrings": "00020329-0000-0000-c000-000000000046",
        "Meeting": "6ed8da90-450b-101b-98da-00aa003f1305",
        "Appointment": "00062002-0000-0000-c000-000000000046",
        "Common": "00062008-0000-0000-c000-000000000046",
        "Address": "00062004-0000-0000-c000-000000000046",
        "Task": "00062003-0000-0000-c000-000000000046",
        "InternetHeaders": "00020386-0000-0000-c000-000000000046",
    }
)
_SET_NAMES = {guid: name for name, guid in _SETS.items()}
_ARRAYS = frozenset(["ObjectArray"])
Value = str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExtendedKey:
    """A property's name. Two spellings of one name (a known set by GUID or by word, a tag in hex or decimal) are equal."""

    property_set: str | None
    name: str | int
    type: str

    @property
    def is_array(self) -> bool:
        """Whether values come in a ``Values`` element."""
        return self.type.endswith("Array")


SEARCH_KEY = ExtendedKey(None, 0x300B, "Binary")
"""PidTagSearchKey: follows an item through moves and copies (Move and copy email messages by using EWS)."""
GLOBAL_OBJECT_ID = ExtendedKey(_SETS["Meeting"], 0x3, "Binary")
CLEAN_GLOBAL_OBJECT_ID = ExtendedKey(_SETS["Meeting"], 0x23, "Binary")
"""PidLidCleanGlobalObjectId: the searchable form of a calendar item's UID."""


def read_key(element: Element) -> ExtendedKey:
    """The name in an ``ExtendedFieldURI`` element; raises ``ErrorInvalidExtendedProperty`` for impossible ones."""
    kind = element.get("PropertyType", "")
    word, guid, tag_text = (
        element.get(name) for name in ("DistinguishedPropertySetId", "PropertySetId", "PropertyTag")
    )
    name, number = element.get("PropertyName"), element.get("PropertyId")
    if tag_text is not None:
        if word or guid or name or number:
            raise EwsError("ErrorInvalidExtendedProperty")
        return ExtendedKey(None, int(tag_text, 16 if tag_text.lower().startswith("0x") else 10), kind)
    if bool(word) == bool(guid) or (name is None) == (number is None):
        raise EwsError("ErrorInvalidExtendedProperty")
    property_set = _SETS.get(word, word.lower()) if word else str(guid).lower()
    return ExtendedKey(property_set, name if name is not None else int(str(number)), kind)


def render_key(key: ExtendedKey) -> str:
    """The ``ExtendedFieldURI`` element of an answer."""
    if key.property_set is None:
        return f'<t:ExtendedFieldURI PropertyTag="0x{int(key.name):x}" PropertyType="{key.type}"/>'
    word = _SET_NAMES.get(key.property_set)
    place = f'DistinguishedPropertySetId="{word}"' if word else f'PropertySetId="{key.property_set}"'
    ident = f'PropertyId="{key.name}"' if isinstance(key.name, int) else f'PropertyName="{escape(key.name)}"'
    return f'<t:ExtendedFieldURI {place} {ident} PropertyType="{key.type}"/>'


def render(key: ExtendedKey, value: Value) -> str:
    """A whole ``ExtendedProperty`` element of an answer."""
    if isinstance(value, tuple):
        body = "<t:Values>" + "".join(tag("Value", part) for part in value) + "</t:Values>"
    else:
        body = tag("Value", value)
    return f"<t:ExtendedProperty>{render_key(key)}{body}</t:ExtendedProperty>"


def read_value(element: Element) -> tuple[ExtendedKey, Value]:
    """Name and value of an ``ExtendedProperty`` element of a request; raises ``EwsError`` when they do not fit."""
    parts = list(children(element))
    if len(parts) != 2:
        raise EwsError("ErrorInvalidExtendedProperty")
    key = read_key(parts[0])
    if parts[1].tag == T + "Values":
        if not key.is_array:
            raise EwsError("ErrorInvalidExtendedPropertyValue")
        return key, tuple(_checked(key, child.text or "") for child in children(parts[1]))
    if key.is_array:
        raise EwsError("ErrorInvalidExtendedPropertyValue")
    return key, _checked(key, parts[1].text or "")


def _checked(key: ExtendedKey, text: str) -> str:
    kind = key.type.removesuffix("Array")
    try:
        if kind == "Binary":
            return base64.b64encode(base64.b64decode(text, validate=True)).decode()
        if kind in ("Integer", "Short", "Long"):
            return str(int(text))
        if kind == "Boolean":
            if text not in ("true", "false", "1", "0"):
                raise ValueError(text)
            return "true" if text in ("true", "1") else "false"
        if kind == "CLSID" and not re.fullmatch(r"\{?[0-9A-Fa-f-]{36}\}?", text):
            raise ValueError(text)
    except ValueError as error:
        raise EwsError("ErrorInvalidExtendedPropertyValue") from error
    return text
