"""The port ``Directory``: all that is asked of a directory server. Bytes in, bytes out; nothing is guessed about types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

BY_GUID = "<GUID="
"""How a base begins that names an entry by its identity, on Active Directory (MS-ADTS 3.1.1.3.1.2.4)."""
Attributes = Mapping[str, Sequence[bytes]]
"""Attribute name (lower case, options kept) → its raw values."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as the server gave it."""

    dn: str
    attributes: Attributes

    def text(self, name: str) -> str | None:
        """The first value of an attribute as text; None when there is none. Bytes that are no UTF-8 are replaced."""
        values = self.attributes.get(name.lower())
        return values[0].decode("utf-8", "replace") if values else None

    def texts(self, name: str) -> list[str]:
        """All values of an attribute as text."""
        return [value.decode("utf-8", "replace") for value in self.attributes.get(name.lower(), ())]


@dataclass(frozen=True, slots=True)
class Search:
    """What is asked for: one base (a DN), a scope (``base``, ``one``, ``subtree``), a filter and the attributes wanted.
    ``deleted``: also what Active Directory keeps of entries that were deleted."""

    base: str
    scope: str
    filter: str
    attributes: tuple[str, ...]
    deleted: bool = False


class Directory(Protocol):
    """One directory server, logged on as one account. Every method raises the errors of :mod:`runner.model.errors` only."""

    def root(self) -> Entry:
        """The server's own description (rootDSE, RFC 4512 5.1)."""
        ...

    def pages(self, search: Search) -> Iterator[Sequence[Entry]]:
        """The entries page by page. The set is whole only when the iterator ends by itself: an error in a later page makes
        what came before worth nothing. Continuation references are left out and followed by nobody."""
        ...

    def read(self, dn: str, attributes: Sequence[str]) -> Entry | None:
        """One entry by its DN (or by ``<GUID=…>`` on Active Directory); None when the server positively has none."""
        ...

    def find(self, search: Search) -> Sequence[Entry]:
        """The entries of a search that can have a few results only, without paging. A base by ``<GUID=…>`` that is not there
        (any more) has none; any other base that is not there is an error."""
        ...

    def close(self) -> None:
        """Give back connections."""
        ...
