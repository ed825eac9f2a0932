"""Item bodies: stored as text or HTML, answered as the request's ``BodyType`` asks (page BodyType)."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from html.parser import HTMLParser

_BLOCKS = frozenset(["p", "div", "tr", "li", "h1", "h2", "h3", "h4", "h5", "h6", "table", "ul", "ol", "blockquote"])
_HEAD = '<html>\r\n<head>\r\n<meta http-equiv="Content-Type" content="text/html; charset=utf-8">\r\n'


@dataclass(frozen=True, slots=True)
class Body:
    """A body in its native form; ``kind`` is ``Text`` or ``HTML``. Lines end in CR LF, as the store keeps them."""

    kind: str
    text: str

    @classmethod
    def stored(cls, kind: str, text: str) -> Body:
        """What the store makes of a body sent by a client: CR LF line ends, and a whole document around HTML."""
        text = re.sub("\r\n|\r|\n", "\r\n", text)
        if kind == "HTML" and text and "<html" not in text.lower():
            text = f"{_HEAD}</head>\r\n<body>\r\n{text}\r\n</body>\r\n</html>\r\n"
        return cls(kind, text)

    def wanted(self, kind: str) -> tuple[str, str]:
        """Type and text for a request that wants ``Text``, ``HTML`` or ``Best`` (native form)."""
        if kind in ("Best", self.kind) or not self.text:
            return (self.kind if kind == "Best" else kind), self.text
        return (kind, to_text(self.text)) if kind == "Text" else (kind, to_html(self.text))


class _TextOnly(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("style", "script", "title"):
            self.hidden += 1
        elif tag == "br" or (tag in _BLOCKS and self.parts and not self.parts[-1].endswith("\n")):
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("style", "script", "title"):
            self.hidden = max(0, self.hidden - 1)
        elif tag in _BLOCKS and self.parts and not self.parts[-1].endswith("\n"):
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self.hidden and (text := re.sub(r"[ \t\r\n]+", " ", data)) and (text != " " or self._midline()):
            self.parts.append(text if self._midline() else text.lstrip(" "))

    def _midline(self) -> bool:
        return bool(self.parts) and not self.parts[-1].endswith("\n")


def to_text(markup: str) -> str:
    """The plain text of an HTML body, CR LF at line ends."""
    parser = _TextOnly()
    parser.feed(markup)
    parser.close()
    return "".join(parser.parts).replace("\xa0", " ").strip("\n").replace("\n", "\r\n")


def to_html(text: str) -> str:
    """The HTML that Exchange shows for a plain-text body."""
    lines = html.escape(text, quote=False).replace("\r\n", "<br>\r\n")
    return (
        f"{_HEAD}</head>\r\n<body>\r\n<!-- Converted from text/plain format -->\r\n"
        f'<p><font size="2">{lines}</font></p>\r\n</body>\r\n</html>\r\n'
    )
