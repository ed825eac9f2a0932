"""Text between records and XML: what XML 1.0 cannot carry is cleaned the same way every time, in both directions.

Exchange itself stores characters that XML forbids (Outlook's soft line break is U+000B) and sends them as character
references, so a strict reader must clean answers too.
"""

from __future__ import annotations

import re

_BREAKS = re.compile("[\x0b\x0c]")
_FORBIDDEN = re.compile("[\x00-\x08\x0e-\x1f\ufffe\uffff]")
_SURROGATES = re.compile("[\ud800-\udfff]+")
_REFERENCE = re.compile(rb"&#(x[0-9A-Fa-f]+|[0-9]+);")
_CONTROL_BYTES = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def canonical(text: str | None) -> str | None:
    """A record's text (see ``model.record``): newlines as ``\\n``, no trailing white space, ``None`` when empty."""
    if not text:
        return None
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.rstrip() or None


def carried(text: str) -> str:
    """The text as XML can carry it: vertical tabs and form feeds become newlines, other controls go, lone surrogates
    become U+FFFD. Equal inputs give equal outputs, so that a write is never repeated for its own cleaning."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if text.isascii() and text.isprintable():
        return text
    paired = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if _SURROGATES.search(text) else text
    return _FORBIDDEN.sub("", _BREAKS.sub("\n", paired))


def mended(document: bytes) -> bytes:
    """An answer without the characters and character references that XML forbids (the reader's second try)."""
    return _CONTROL_BYTES.sub(b"", _REFERENCE.sub(_mended_reference, document))


def _mended_reference(match: re.Match[bytes]) -> bytes:
    digits = match.group(1)
    point = int(digits[1:], 16) if digits[:1] == b"x" else int(digits)
    if point in (0x0B, 0x0C):
        return b"\n"
    if (
        point in (0x09, 0x0A, 0x0D)
        or 0x20 <= point <= 0xD7FF
        or 0xE000 <= point <= 0xFFFD
        or 0x10000 <= point <= 0x10FFFF
    ):
        return match.group(0)
    return "\ufffd".encode() if 0xD800 <= point <= 0xDFFF else b""
