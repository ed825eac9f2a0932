"""DNs as text that can be compared, and text made safe for filters.

A server may write one DN in several ways: in another case, with blanks around commas, with ``\\2C`` for ``\\,`` (RFC 4514).
Two DNs are the same entry exactly when their comparable texts are equal. Attribute values are compared without regard to
case, as almost all naming attributes are.
"""

from __future__ import annotations

import re

from ldap3.utils.conv import escape_filter_chars

_SIMPLE = re.compile(r'^[^\\"+ ]*$|^(?!.*(?:[\\"+]| [,=]|[,=] |  )).*$')
_HEX = frozenset("0123456789abcdefABCDEF")


def comparable(dn: str) -> str:
    """The text by which a DN is compared."""
    if _SIMPLE.match(dn) and dn == dn.strip():
        return dn.casefold()
    return ",".join("+".join(sorted(_part(part) for part in _split(rdn, "+"))) for rdn in _split(dn, ","))


def is_below(dn: str, base: str, scope: str) -> bool:
    """Whether a comparable DN is one that a search from a comparable base with this scope finds."""
    if scope == "base":
        return dn == base
    if scope == "one":
        return dn.endswith(f",{base}") and not _split(dn.removesuffix(f",{base}"), ",")[1:]
    return dn == base or not base or dn.endswith(f",{base}")


def in_filter(value: str) -> str:
    """A value as it may stand in a filter (RFC 4515)."""
    return str(escape_filter_chars(value))


def _split(text: str, sign: str) -> list[str]:
    """At every sign that is neither escaped nor quoted."""
    parts, start, at, quoted = [], 0, 0, False
    while at < len(text):
        if text[at] == "\\":
            at += 2
            continue
        if text[at] == '"':
            quoted = not quoted
        elif text[at] == sign and not quoted:
            parts.append(text[start:at])
            start = at + 1
        at += 1
    return [*parts, text[start:]]


def _part(text: str) -> str:
    name, _, value = text.partition("=")
    return f"{name.strip().casefold()}={_value(value)}"


def _value(text: str) -> str:
    """An attribute value without its escapes; commas and plus signs of its own stay told apart from those between parts."""
    text = text.lstrip(" ")
    while text.endswith(" ") and not text.endswith("\\ "):
        text = text[:-1]
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    raw = bytearray()
    at = 0
    while at < len(text):
        if text[at] != "\\" or at + 1 == len(text):
            raw += text[at].encode()
            at += 1
        elif text[at + 1] in _HEX and at + 2 < len(text) and text[at + 2] in _HEX:
            raw.append(int(text[at + 1 : at + 3], 16))
            at += 3
        else:
            raw += text[at + 1].encode()
            at += 2
    plain = re.sub(r"\s+", " ", raw.decode("utf-8", "replace")).strip().casefold()
    return plain.replace("\\", "\\5c").replace(",", "\\2c").replace("+", "\\2b")
