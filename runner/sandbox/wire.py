"""The XML of EWS on the wire: namespaces, escaping, and request elements kept as ready-made answer fragments."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeAlias

from lxml import etree

Element: TypeAlias = etree._Element

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
TYPES = "http://schemas.microsoft.com/exchange/services/2006/types"
MESSAGES = "http://schemas.microsoft.com/exchange/services/2006/messages"
ERRORS = "http://schemas.microsoft.com/exchange/services/2006/errors"

S = f"{{{SOAP}}}"
T = f"{{{TYPES}}}"
M = f"{{{MESSAGES}}}"

_SPECIAL = re.compile('[&<>"\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]')
_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}


class Fragment(str):
    """A piece of answer XML, already escaped, with the prefix ``t:`` for the types namespace."""

    __slots__ = ()


def escape(text: str) -> str:
    """Text or attribute value for an answer.

    Carriage returns and control characters become character references, as Exchange writes them: the latter are not
    well-formed XML 1.0, and clients meet them in real mailboxes. Half a surrogate pair, which a mailbox can hold and UTF-8
    cannot, becomes U+FFFD, as .NET's encoder writes it.
    """
    if not _SPECIAL.search(text):
        return text
    return _SPECIAL.sub(lambda match: _NAMED.get(match[0]) or _reference(match[0]), text)


def _reference(character: str) -> str:
    return "\ufffd" if "\ud800" <= character <= "\udfff" else f"&#x{ord(character):X};"


def tag(name: str, text: str, prefix: str = "t") -> str:
    """One element with text."""
    return f"<{prefix}:{name}>{escape(text)}</{prefix}:{name}>"


def local(element: Element) -> str:
    """An element's name without its namespace."""
    return str(etree.QName(element).localname)


def children(element: Element) -> Iterable[Element]:
    """Child elements; comments and processing instructions are left out."""
    return (child for child in element if isinstance(child.tag, str))


def inner(element: Element) -> Fragment:
    """What stands inside an element of a request, as a fragment for answers."""
    parts = [escape(element.text)] if element.text and (len(element) == 0) else []
    parts.extend(outer(child) for child in children(element))
    return Fragment("".join(parts))


def _attributes(element: Element) -> Iterable[tuple[str, str]]:
    return ((str(key), str(value)) for key, value in element.attrib.items() if not str(key).startswith("{"))


def outer(element: Element) -> Fragment:
    """A whole element of a request, as a fragment for answers."""
    name = local(element)
    attributes = "".join(f' {key}="{escape(value)}"' for key, value in _attributes(element))
    content = inner(element)
    return Fragment(f"<t:{name}{attributes}>{content}</t:{name}>" if content else f"<t:{name}{attributes}/>")


def parse_fragment(fragment: str) -> Element:
    """A fragment as elements again, under one root."""
    return etree.fromstring(f'<root xmlns:t="{TYPES}">{fragment}</root>')
