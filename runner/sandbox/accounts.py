"""Who may log on, and for whom they may act."""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass, field


@dataclass(slots=True)
class Principal:
    """One account. ``scope`` is the set of mailboxes (lower case) that it may impersonate, None for all of them, as
    the management scope of an ApplicationImpersonation role assignment would limit it (Configure impersonation)."""

    name: str
    password: str = field(repr=False)
    mailbox: str | None = None
    impersonates: bool = False
    scope: frozenset[str] | None = None
    opens: frozenset[str] = frozenset()

    def may_impersonate(self, address: str) -> bool:
        """Whether the account may act as the owner of this mailbox."""
        return self.impersonates and (self.scope is None or address.lower() in self.scope)

    def may_open(self, address: str) -> bool:
        """Whether the account has full access to another mailbox as itself."""
        return address.lower() in self.opens


def bare_name(user: str) -> str:
    """A log-on name without its domain, in lower case: ``EXAMPLE\\ann``, ``ann@example.com`` and ``ann`` are one."""
    return user.rpartition("\\")[2].partition("@")[0].lower()


class Accounts:
    """All accounts of one sandbox."""

    def __init__(self) -> None:
        self._by_name: dict[str, Principal] = {}

    def add(self, principal: Principal) -> Principal:
        """Register one account; a namesake is replaced (that is also how a password changes)."""
        self._by_name[bare_name(principal.name)] = principal
        return principal

    def find(self, user: str) -> Principal | None:
        """The account behind a log-on name."""
        return self._by_name.get(bare_name(user))

    def all(self) -> tuple[Principal, ...]:
        """Every account."""
        return tuple(self._by_name.values())

    def basic(self, header: str) -> Principal | None:
        """The account that an ``Authorization: Basic`` header proves to be (RFC 7617), None if it proves nothing."""
        scheme, _, value = header.partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            user, _, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        found = self.find(user)
        if found is None or not hmac.compare_digest(found.password.encode(), password.encode()):
            return None
        return found
