"""The field's terms as enums. One word per thing, the same in YAML, code, tables, CLI and docs."""

from __future__ import annotations

from enum import StrEnum


class Side(StrEnum):
    """One of the two sides that a link keeps in step."""

    CRM = "crm"
    TARGET = "target"

    @property
    def other(self) -> Side:
        """The opposite side."""
        return Side.TARGET if self is Side.CRM else Side.CRM


class Direction(StrEnum):
    """Which way changes flow, named from the CRM (B-1, B-5): inbound = target to CRM, outbound = CRM to target."""

    BOTH = "both"
    INBOUND = "inbound"
    OUTBOUND = "outbound"
    NONE = "none"

    def writes(self, side: Side) -> bool:
        """Whether this direction allows the given side to be written."""
        if self is Direction.BOTH:
            return True
        return self is (Direction.INBOUND if side is Side.CRM else Direction.OUTBOUND)

    def narrowed(self, other: Direction) -> Direction:
        """The intersection of both: a link can only narrow its target, a field only its link (B-4, B-5)."""
        crm = self.writes(Side.CRM) and other.writes(Side.CRM)
        target = self.writes(Side.TARGET) and other.writes(Side.TARGET)
        if crm and target:
            return Direction.BOTH
        if crm:
            return Direction.INBOUND
        return Direction.OUTBOUND if target else Direction.NONE


class Entity(StrEnum):
    """The kinds of record the product knows."""

    SCHEDULE_ITEM = "schedule_item"
    TASK = "task"
    CONTACT = "contact"
    USER = "user"
    GROUP = "group"


class Folder(StrEnum):
    """What a link can be about: a folder of a mailbox, or a directory's users or groups (B-80)."""

    CALENDAR = "calendar"
    TASKS = "tasks"
    CONTACTS = "contacts"
    USERS = "users"
    GROUPS = "groups"

    @property
    def of_directory(self) -> bool:
        """Whether it is a directory's: such a link has no mailbox and no user of its own."""
        return self in (Folder.USERS, Folder.GROUPS)


class Operation(StrEnum):
    """What a write does to its side."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class Notice(StrEnum):
    """Which attendees a write of a meeting tells by mail (B-42)."""

    NOBODY = "nobody"
    CHANGED = "changed"
    """Those whom it adds or removes."""
    EVERYBODY = "everybody"


class ConflictPolicy(StrEnum):
    """Who wins when one field changed on both sides to different values (B-61)."""

    CRM_WINS = "crm_wins"
    TARGET_WINS = "target_wins"
    NEWEST_WINS = "newest_wins"
    MANUAL = "manual"


class EditVsDelete(StrEnum):
    """Who wins when one side edited what the other deleted (B-63)."""

    EDIT_WINS = "edit_wins"
    DELETE_WINS = "delete_wins"
    MANUAL = "manual"


class OnDrift(StrEnum):
    """What happens to edits on the read-only side of a one-way link (B-5)."""

    IGNORE = "ignore"
    REVERT = "revert"
    REPORT = "report"


class OnLeave(StrEnum):
    """What happens to a user's copy of a record that he holds in the CRM no longer (B-51): left alone, or removed."""

    DETACH = "detach"
    REMOVE = "remove"


class ContactVisibility(StrEnum):
    """Who must be able to see a contact for an invited address to be matched with it (B-34)."""

    ANY = "any"
    CREATOR = "creator"
    ALL_ATTENDEES = "all_attendees"


class Private(StrEnum):
    """What happens to private items (B-35). ``busy_only`` lets in when and how busy, ``skip`` nothing."""

    SYNC = "sync"
    BUSY_ONLY = "busy_only"
    SKIP = "skip"


class Place(StrEnum):
    """Where a look-up by identity found an item."""

    FOLDER = "folder"
    ELSEWHERE = "elsewhere"
    DELETED = "deleted"
    TOMBSTONE = "tombstone"
