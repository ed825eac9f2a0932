"""Attachments as record values (B-45): which files an item has, by name and content; the content itself travels apart.

A file is known by its name and the SHA-256 of its content together, ``name/digest``. So a file whose content changed is
one that went and one that came: nothing of two users who both changed it is lost, and a merge needs no content.

*Choices where the rule book is silent*

- Names are cleaned the same way wherever they come from: no path, no control characters, nothing that Windows refuses.
- Files of a blocked kind stay where they are on either side; the item's other files go.
- Over a limit none of the item's files goes, and what was agreed before stays as it is (all or nothing).
- Images that belong to a body (inline) are part of it and no attachments.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from runner.model.record import Value

ATTACHMENTS = "attachments"
"""Name of the record field, and of the CRM field that the table of attachments is to mappings."""
MEGABYTE = 1024 * 1024
LONGEST_NAME = 200
"""Characters of a name that are kept: below the 255 of file systems, and of most columns."""
NAMELESS = "attachment"
BLOCKED = frozenset(
    """
    ade adp app asp bas bat cer chm cmd com cpl crt csh der exe fxp gadget hlp hta inf ins isp its jar js jse ksh lnk
    mad maf mag mam maq mar mas mat mau mav maw mda mdb mde mdt mdw mdz msc msh msh1 msh2 mshxml msi msp mst ops osd pcd
    pif plg prf prg ps1 ps1xml ps2 ps2xml psc1 psc2 pst reg scf scr sct shb shs tmp url vb vbe vbp vbs vsmacros vsw ws wsc
    wsf wsh xnk
    """.split()  # noqa: SIM905 - a table to be read
)
"""Extensions that Outlook itself does not let its user open (Blocked attachments in Outlook)."""

_OVER = ""
"""Key of a value that says why an item's files take no part: no file has an empty name."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufffe\uffff]")
_REFUSED = re.compile(r'[<>:"|?*]')
_DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com[1-9]|lpt[1-9])(\.|$)")


@dataclass(frozen=True, slots=True)
class FileRules:
    """What takes part of an item's attachments: the most bytes of one and of all together, and blocked extensions."""

    one: int = 10 * MEGABYTE
    total: int = 25 * MEGABYTE
    blocked: frozenset[str] = BLOCKED

    def blocks(self, name: str) -> bool:
        """Whether a file of this (clean) name stays where it is."""
        return name.rpartition(".")[2].lower() in self.blocked if "." in name else False

    def excess(self, sizes: Iterable[int]) -> str | None:
        """Why files of these sizes take no part, in words; None when they fit."""
        sizes = list(sizes)
        if sizes and max(sizes) > self.one:
            return f"an attachment of {max(sizes)} bytes, and attachments.max_bytes allows {self.one}"
        if sum(sizes) > self.total:
            return (
                f"{len(sizes)} attachments of {sum(sizes)} bytes, and attachments.max_total_bytes allows {self.total}"
            )
        return None


def clean_name(raw: str) -> str:
    """The name under which a file is known on both sides, always the same for the same raw name."""
    name = unicodedata.normalize("NFC", _CONTROL.sub("", raw))
    name = re.split(r"[/\\]", name)[-1]
    name = " ".join(_REFUSED.sub("_", name).split()).strip(". ")
    if _DEVICE.match(name):
        name = f"_{name}"
    if len(name) > LONGEST_NAME:
        stem, dot, extension = name.rpartition(".")
        keep = dot and len(extension) <= 20
        name = f"{stem[: LONGEST_NAME - len(extension) - 1]}.{extension}" if keep else name[:LONGEST_NAME]
    return name or NAMELESS


def file_key(name: str, digest: str) -> str:
    """What a file is known by: its clean name and the SHA-256 of its content in hexadecimal."""
    return f"{name}/{digest}"


def name_of(key: str) -> str:
    """The clean name in a file's key."""
    return key.rpartition("/")[0]


def digest_of(key: str) -> str:
    """The SHA-256 in a file's key."""
    return key.rpartition("/")[2]


def value_of(files: Iterable[tuple[str, int]]) -> Value:
    """The record value of files: ``{key: size in bytes as text}``, None where there are none."""
    return dict(sorted((key, str(size)) for key, size in files)) or None


def over(reason: str) -> Value:
    """The record value of files that take no part, with the reason."""
    return {_OVER: reason}


def why_over(value: Value) -> str | None:
    """Why an item's files take no part; None when they do."""
    reason = value.get(_OVER) if isinstance(value, dict) else None
    return reason if isinstance(reason, str) else None


def keys_of(value: Value) -> frozenset[str]:
    """The keys of the files in a record value."""
    return frozenset(value) - {_OVER} if isinstance(value, dict) else frozenset()
