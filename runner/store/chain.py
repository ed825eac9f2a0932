"""The ledger's chain: what makes a changed, missing, swapped or added row show (P17).

Every row holds a link, the digest of the row's facts and of the link before it. The two values enter by a digest of their
own with a random salt, so that they can be forgotten later (B-35): without its salt the digest tells nothing about them, and
the chain holds. The last link is also kept in the row that describes the state, so that rows missing at the end show too.

Whoever can write the state can compute a new chain. That shows only against a head that was noted elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from secrets import token_hex

from runner.store.rows import Row, encoded

FORGOTTEN = "purge"
"""The operation of a row that says that an item's values were forgotten."""

_SALT = 16
"""Bytes of a row's salt."""


class Chain:
    """Appends to a chain that ends with ``head``."""

    def __init__(self, head: str) -> None:
        self.head = head

    def extended(self, rows: Iterable[Row]) -> list[Row]:
        """Rows of the ledger (id … written_at) with salt, digest of the values, and link, in their order."""
        linked: list[Row] = []
        rows = list(rows)
        salts = token_hex(_SALT * len(rows))  # the system is asked once, not for each row
        for at, row in enumerate(rows):
            salt = salts[2 * _SALT * at : 2 * _SALT * (at + 1)]
            content = content_of(salt, row[7], row[8])
            self.head = link_of(self.head, row, content)
            linked.append((*row, salt, content, self.head))
        return linked


def content_of(salt: str, before: str | None, after: str | None) -> str:
    """The salted digest of a row's values."""
    return sha256(f"{salt}\x1f{before or ''}\x1f{after or ''}".encode()).hexdigest()


def link_of(previous: str, row: Row, content: str) -> str:
    """The link of a row after this one. Of the row, the first twelve columns count, the values by their digest."""
    return sha256((previous + encoded([*row[:7], content, *row[9:12]])).encode()).hexdigest()
