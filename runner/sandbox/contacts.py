"""The store's rules for contacts (pages Contact, FileAsMapping, CompleteName; MS-OXWSCONT CompleteNameType)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from runner.sandbox.extended import ExtendedKey
from runner.sandbox.items import StoredItem
from runner.sandbox.wire import tag

DISPLAY_NAME_PREFIX = ExtendedKey(None, 0x3A45, "String")
"""PidTagDisplayNamePrefix: the title before a name. EWS shows it in CompleteName only, and sets it by this tag only."""

_COMPLETE_NAME = (
    ("FirstName", "GivenName"),
    ("MiddleName", "MiddleName"),
    ("LastName", "Surname"),
    ("Suffix", "Generation"),
    ("Initials", "Initials"),
    ("FullName", "DisplayName"),
    ("Nickname", "Nickname"),
)


def complete_name(item: StoredItem, _listing: bool) -> str:
    """The read-only CompleteName element, put together from the single properties."""
    title = item.extended.get(DISPLAY_NAME_PREFIX)
    parts = tag("Title", title) if isinstance(title, str) and title else ""
    parts += "".join(tag(shown, text) for shown, name in _COMPLETE_NAME if (text := item.text(name)))
    return f"<t:CompleteName>{parts}</t:CompleteName>" if parts else ""


def _words(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _comma(last: str, first: str) -> str:
    return f"{last}, {first}" if last and first else last or first


def _lines(*parts: str) -> str:
    return "\r\n".join(part for part in parts if part)


_Name = Callable[[Mapping[str, str]], str]
_FILE_AS: Mapping[str, _Name] = MappingProxyType(
    {
        "LastCommaFirst": lambda n: _comma(n["last"], _words(n["first"], n["middle"])),
        "FirstSpaceLast": lambda n: _words(n["first"], n["middle"], n["last"], n["suffix"]),
        "Company": lambda n: n["company"],
        "LastCommaFirstCompany": lambda n: _lines(_comma(n["last"], _words(n["first"], n["middle"])), n["company"]),
        "CompanyLastCommaFirst": lambda n: _lines(n["company"], _comma(n["last"], _words(n["first"], n["middle"]))),
        "LastFirst": lambda n: n["last"] + _words(n["first"], n["middle"]),
        "LastFirstCompany": lambda n: _lines(n["last"] + _words(n["first"], n["middle"]), n["company"]),
        "CompanyLastFirst": lambda n: _lines(n["company"], n["last"] + _words(n["first"], n["middle"])),
        "LastFirstSuffix": lambda n: n["last"] + _words(n["first"], n["middle"], n["suffix"]),
        "LastSpaceFirst": lambda n: _words(n["last"], n["first"], n["middle"]),
        "LastSpaceFirstCompany": lambda n: _lines(_words(n["last"], n["first"], n["middle"]), n["company"]),
        "CompanyLastSpaceFirst": lambda n: _lines(n["company"], _words(n["last"], n["first"], n["middle"])),
        "DisplayName": lambda n: n["display"],
        "FirstName": lambda n: n["first"],
        "LastName": lambda n: n["last"],
        "LastFirstMiddleSuffix": lambda n: _words(n["last"], n["first"], n["middle"], n["suffix"]),
        "Empty": lambda _n: "",
    }
)


def settle_contact(item: StoredItem, touched: frozenset[str]) -> None:
    """Keep FileAs as FileAsMapping builds it, unless the change sets FileAs itself (page FileAsMapping)."""
    build = _FILE_AS.get(item.text("FileAsMapping") or "")
    if build is None or "FileAs" in touched:
        return
    names = {
        "first": "GivenName",
        "middle": "MiddleName",
        "last": "Surname",
        "suffix": "Generation",
        "company": "CompanyName",
        "display": "DisplayName",
    }
    text = build({word: item.text(name) or "" for word, name in names.items()})
    if text:
        item.props["FileAs"] = text
    else:
        item.props.pop("FileAs", None)
