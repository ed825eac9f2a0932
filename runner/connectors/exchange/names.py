"""Names of the EWS vocabulary and the one way to build elements of it (web-service-reference, schema types/messages)."""

from __future__ import annotations

from typing import TypeAlias

from lxml import etree

Element: TypeAlias = etree._Element

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
MESSAGES = "http://schemas.microsoft.com/exchange/services/2006/messages"
TYPES = "http://schemas.microsoft.com/exchange/services/2006/types"
ERRORS = "http://schemas.microsoft.com/exchange/services/2006/errors"
_NSMAP = {"m": MESSAGES, "t": TYPES}
_PREFIXES = {"m": f"{{{MESSAGES}}}", "t": f"{{{TYPES}}}"}


def m(name: str) -> str:
    """The tag of a name in the messages namespace."""
    return f"{{{MESSAGES}}}{name}"


def t(name: str) -> str:
    """The tag of a name in the types namespace."""
    return f"{{{TYPES}}}{name}"


def child(parent: Element, tag: str) -> Element | None:
    """The first child with a tag. lxml's ``find`` reads a path first, which takes twice as long."""
    return next(parent.iterchildren(tag), None)


def text_in(parent: Element, tag: str) -> str | None:
    """The text of the first child with a tag, None without one."""
    found = child(parent, tag)
    return None if found is None else found.text


def root(name: str, **attributes: str) -> Element:
    """A request's own element, in the messages namespace, declaring both prefixes."""
    return etree.Element(m(name), attributes, nsmap=_NSMAP)


def add(parent: Element, name: str, text: str | None = None, **attributes: str) -> Element:
    """Append ``<prefix:name>`` to an element and return it. ``text`` must be what XML can carry."""
    element = etree.SubElement(parent, f"{_PREFIXES[name[0]]}{name[2:]}", attributes)
    if text is not None:
        element.text = text
    return element
