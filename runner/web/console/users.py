"""Local users: one line each, ``name:role:hash``, the hash by Argon2id (RFC 9106). The file is a secret by reference.

Lines that are empty or begin with ``#`` say nothing. ``exsync console user NAME`` prints a line.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from runner.model.errors import UsageError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}\Z")
SHORTEST = 12
"""Characters of a password (NIST SP 800-63B asks for eight at least, and recommends more)."""

_hasher = PasswordHasher()
_one_at_a_time = threading.Lock()
"""A check takes 64 MiB: guesses in parallel must not fill the memory."""


class Role(StrEnum):
    """What somebody may do: viewers look and see no personal field; operators see everything and act."""

    VIEWER = "viewer"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class User:
    """One local user."""

    name: str
    role: Role
    hash: str

    def __repr__(self) -> str:
        return f"User({self.name}, {self.role})"


def parse_users(text: str, place: str) -> Mapping[str, User]:
    """The users of a file's text. Raises ``UsageError`` naming the line, never what it holds."""
    users: dict[str, User] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, _, rest = line.strip().partition(":")
        role, _, hashed = rest.partition(":")
        if not NAME.match(name) or role not in list(Role) or not hashed.startswith("$argon2"):
            raise UsageError(
                f"{place}: line {number} is no user of the console",
                remedy="each line is name:role:hash; `exsync console user NAME` prints one",
            )
        users[name] = User(name, Role(role), hashed)
    return users


def hashed(password: str) -> str:
    """The hash of a new password. Raises ``UsageError`` for one that is too short."""
    if len(password) < SHORTEST:
        raise UsageError(f"the password has fewer than {SHORTEST} characters", remedy="take a longer one")
    return _hasher.hash(password)


_NOBODY = _hasher.hash("nobody has this password")


def verified(user: User | None, password: str) -> bool:
    """Whether the password is this user's. Takes as long for a name that nobody has."""
    with _one_at_a_time:
        try:
            _hasher.verify(user.hash if user else _NOBODY, password)
        except (VerificationError, InvalidHashError):
            return False
    return user is not None
