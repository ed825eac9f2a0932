"""What people look at in a directory: its groups under the rules, who would take part, and why (B-82)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GroupShown:
    """One group. ``ticked`` is None where no rule speaks of it; ``rule`` is the rule's ``file:line:column``; ``members`` are
    the users and groups that it lists itself, ``users`` those who take part because of it, nested ones included."""

    name: str
    dn: str
    ticked: bool | None
    rule: str | None
    description: str | None
    template: str | None
    priority: int | None
    parents: tuple[str, ...]
    """DNs of groups that this one is a direct member of."""
    members: int
    users: int


@dataclass(frozen=True, slots=True)
class UserShown:
    """One user whom base and filter find. ``through`` says for each ticked group by which group he is in it."""

    login: str
    dn: str
    takes_part: bool
    groups: tuple[str, ...]
    through: Mapping[str, str]
    template: str | None


@dataclass(frozen=True, slots=True)
class Participant:
    """A user who takes part. ``name`` is his log-on name, his DN where he has none; ``address`` his main address, lower case,
    None where he lacks what a link needs: ``lacks`` says what."""

    name: str
    address: str | None
    lacks: str = ""


@dataclass(frozen=True, slots=True)
class DirectoryShown:
    """A directory at one moment. ``unknown`` are rules that no group answers to, each with its place."""

    groups: tuple[GroupShown, ...]
    users: tuple[UserShown, ...]
    unknown: tuple[str, ...]
    ruled: bool
    """False: there are no rules, and everybody takes part."""
