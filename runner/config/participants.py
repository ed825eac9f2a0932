"""What a CRM's description of participants must say, beyond the schema (B-31 to B-34)."""

from __future__ import annotations

import re
from typing import Any

from runner.config.documents import Document
from runner.config.findings import Findings
from runner.config.patterns import slow_part
from runner.config.plan import PARTICIPANTS, PEOPLE
from runner.config.yamlsource import Path, pointer


def check_participants(document: Document, entity: str, described: dict[str, Any], findings: Findings) -> None:
    """Note what is wrong with ``entities.<entity>.participants``; nothing when it is not there.

    Codes: ``reserved-name``, ``needs-outbox``, ``unknown-entity``, ``bad-pattern``, ``slow-pattern``,
    ``bad-value``, ``holder-invited``.
    """
    given = described.get(PARTICIPANTS)
    if isinstance(given, dict):
        _Check(document, ("entities", entity), described, given, findings).run()


class _Check:
    def __init__(
        self, document: Document, path: Path, described: dict[str, Any], given: dict[str, Any], findings: Findings
    ) -> None:
        self.document, self.path, self.described, self.given = document, path, described, given
        self.findings = findings

    def error(self, code: str, message: str, path: Path, hint: str, *, at_value: bool = False) -> None:
        at = (*self.path, *path)
        span = self.document.span(*at) if at_value else self.document.source.key_span(at)
        self.findings.error(code, message, span, hint=hint, pointer=pointer(at))

    def run(self) -> None:
        fields = self.described.get("fields")
        for name in sorted(PEOPLE & (fields.keys() if isinstance(fields, dict) else set())):
            self.error("reserved-name", f"the name {name!r} belongs to the tables of participants",
                       ("fields", name), "give the field another name")  # fmt: skip
        if self.document.data.get("feed") == "version_column":
            self.error("needs-outbox", "a participant who comes or goes moves no column of the record: the feed by version"
                       " column would miss him", (PARTICIPANTS,), "write feed: outbox")  # fmt: skip
        if "contacts" in self.given and "contact" not in (self.document.data.get("entities") or {}):
            self.error("unknown-entity", "contacts can only take part where the CRM describes them",
                       (PARTICIPANTS, "contacts"), "add entities.contact, or leave contacts out")  # fmt: skip
        for index, pattern in enumerate(self.given.get("blacklist") or ()):
            if isinstance(pattern, str):
                self.pattern(pattern, (PARTICIPANTS, "blacklist", index))
        for words in ("roles", "responses"):
            held = self.given.get(words)
            values = list(held.values()) if isinstance(held, dict) else []
            if len(set(values)) < len(values):
                self.error("bad-value", f"two of the {words} have the same word: nobody could tell them apart",
                           (PARTICIPANTS, words), "give each a word of its own")  # fmt: skip
        self.holders()

    def pattern(self, pattern: str, path: Path) -> None:
        try:
            slow = slow_part(pattern)
            if slow:
                self.error("slow-pattern", f"{pattern!r} could keep a search busy for ever: {slow}", path,
                           "write a plainer expression, for example '@x\\.com$'", at_value=True)  # fmt: skip
        except re.error as error:
            hint = "expressions are searched for anywhere in the address: for everybody of x.com write '@x\\.com$'"
            self.error("bad-pattern", f"{pattern!r} is no regular expression: {error.msg}", path, hint, at_value=True)

    def holders(self) -> None:
        """Where one table says who holds a record and who is invited, holding alone must not be an invitation."""
        users = self.given.get("users")
        if not isinstance(users, dict):
            return
        roles = {"required": "required", "optional": "optional", "resource": "resource"} | (
            self.given.get("roles") or {}
        )
        for index, way in enumerate(self.described.get("owners") or ()):
            if not isinstance(way, dict) or way.get("table") != users.get("table"):
                continue
            at: Path = ("owners", index)
            word = (way.get("defaults") or {}).get(users.get("role"))
            if word is None or word in roles.values():
                self.error("holder-invited", f"who is given a record would take part in it as {word or 'required'}: others"
                           " would be told that he is invited", at, "add defaults: with a word in the column"
                           f" {users.get('role')!r} that is none of the roles, such as holder", at_value=True)  # fmt: skip
            if "soft_delete" in way:
                self.error("bad-value", "a table of participants cannot mark its rows as deleted",
                           (*at, "soft_delete"), "leave it out: rows are deleted")  # fmt: skip
