"""What `exsync doctor` says: one diagnosis per check, and what its probes bring home. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from runner.model.errors import ExsyncError


class Level(StrEnum):
    """How it stands."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The outcome of one check. ``subject`` is what was looked at (a target's name, ``crm``, ``state`` …), ``check`` which of
    its needs, ``exit_code`` what a failure ends the command with (design of the exit codes: ``runner.cli``)."""

    subject: str
    check: str
    level: Level
    message: str
    remedy: str | None = None
    exit_code: int = 0


def sound(subject: str, check: str, message: str) -> Diagnosis:
    """As it should be."""
    return Diagnosis(subject, check, Level.OK, message)


def doubtful(subject: str, check: str, message: str, remedy: str) -> Diagnosis:
    """It works, and may not for long or not safely."""
    return Diagnosis(subject, check, Level.WARNING, message, remedy)


def failed(subject: str, check: str, message: str, remedy: str, *, exit_code: int = 1) -> Diagnosis:
    """It does not work."""
    return Diagnosis(subject, check, Level.FAILURE, message, remedy, exit_code)


def refused(subject: str, check: str, error: ExsyncError) -> Diagnosis:
    """A check that met an error: the error's own words, remedy and exit code."""
    remedy = error.remedy or "see the reason"
    return Diagnosis(subject, check, Level.FAILURE, str(error), remedy, error.exit_code)


@dataclass(frozen=True, slots=True)
class Presented:
    """The certificate of a server, and how verifying it went.

    ``until`` is the end of its life (UTC), known when it was verified. ``trouble`` is the reason, in OpenSSL's words, why it
    was not; ``silence`` why no certificate was seen at all.
    """

    host: str
    port: int
    until: datetime | None = None
    issuer: str = ""
    trouble: str | None = None
    silence: str | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """The certificate in a file that a listener of ours is given with its key; ``trouble`` is why it does not serve."""

    path: str
    until: datetime | None = None
    issuer: str = ""
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """A reading of another machine's clock, between two of ours (all UTC)."""

    before: datetime
    theirs: datetime
    after: datetime


@dataclass(frozen=True, slots=True)
class FileSeen:
    """A file or directory as the file system shows it. ``mode`` has the permission bits; the amounts are bytes."""

    path: str
    exists: bool
    directory: bool = False
    mode: int = 0
    owned: bool = False
    """By the account that looks, or by root."""
    readable: bool = False
    writable: bool = False
    filesystem: str = ""
    """Its kind as the kernel calls it (``ext4``, ``nfs4``); empty when that is unknown."""
    free: int | None = None


@dataclass(frozen=True, slots=True)
class CrmSeen:
    """What a CRM's database grants, and how its triggers compare with the printed DDL.

    ``lacking`` are missing rights in words (``UPDATE on appointment``), ``altered`` triggers and functions with another text
    than is printed, ``optional`` parts of the DDL that may be missing and are, ``shut`` whether other accounts may not
    write to the outbox, ``mighty`` whether the account may do everything.
    """

    lacking: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    shut: bool = False
    mighty: bool = False
    clock: Reading | None = None


@dataclass(frozen=True, slots=True)
class MailboxSeen:
    """What came of reaching for one mailbox: nothing, or the error."""

    address: str
    error: ExsyncError | None = None
