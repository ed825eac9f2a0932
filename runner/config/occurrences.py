"""What a CRM's description of customised occurrences must say, beyond the schema: it belongs to its entity's fields."""

from __future__ import annotations

from typing import Any

from runner.config.documents import Document
from runner.config.findings import Findings, did_you_mean
from runner.config.plan import OCCURRENCES
from runner.config.yamlsource import Path, pointer

_SLOTS = {"rule": "recurrence", "start": "instant", "end": "instant", "zone": "zone", "all_day": "boolean"}
"""What `materialise` is made from → the type of that field."""


def check_occurrences(document: Document, entity: str, described: dict[str, Any], findings: Findings) -> None:
    """Note what is wrong with ``entities.<entity>.occurrences`` and ``.materialise``; nothing when they are not there.

    Codes: ``reserved-name``, ``half-a-series``, ``needs-outbox``, ``unknown-field``, ``type-mismatch``,
    ``reserved-column``, ``duplicate-column``, ``bad-value``.
    """
    _Check(document, ("entities", entity), described, findings).run()


class _Check:
    def __init__(self, document: Document, path: Path, described: dict[str, Any], findings: Findings) -> None:
        self.document, self.path, self.described, self.findings = document, path, described, findings
        fields = described.get("fields")
        self.fields: dict[str, str | None] = {
            name: _type(given) for name, given in (fields if isinstance(fields, dict) else {}).items()
        }

    def error(self, code: str, message: str, path: Path, hint: str) -> None:
        at = (*self.path, *path)
        self.findings.error(code, message, self.document.source.key_span(at), hint=hint, pointer=pointer(at))

    def run(self) -> None:
        self.materialise()
        occurrences = self.described.get(OCCURRENCES)
        if not isinstance(occurrences, dict):
            return
        if OCCURRENCES in self.fields:
            self.error("reserved-name", f"the name {OCCURRENCES!r} belongs to the table of occurrences",
                       ("fields", OCCURRENCES), "give the field another name")  # fmt: skip
        if self.fields and "recurrence" not in self.fields.values():
            self.error("half-a-series", "occurrences without a field of type recurrence: nothing says when they take place",
                       (OCCURRENCES,), "describe the column with the recurrence rule under fields")  # fmt: skip
        if self.document.data.get("feed") == "version_column":
            self.error("needs-outbox", "a change of an occurrence alone moves no column of its series: the feed by version"
                       " column would miss it", (OCCURRENCES,), "write feed: outbox")  # fmt: skip
        self.columns(occurrences)

    def materialise(self) -> None:
        given = self.described.get("materialise")
        source = given.get("from") if isinstance(given, dict) else None
        for slot, name in (source if isinstance(source, dict) else {}).items():
            path: Path = ("materialise", "from", slot)
            own, wanted = self.fields.get(name), _SLOTS.get(slot)
            if self.fields and name not in self.fields:
                self.error("unknown-field", f"the entity has no field {name!r}", path,
                           did_you_mean(name, self.fields) or "describe it under the entity's fields")  # fmt: skip
            elif own and wanted and own != wanted:
                self.error("type-mismatch", f"{slot} takes {wanted}; the field {name!r} is {own}", path,
                           f"name a field of type {wanted}")  # fmt: skip

    def columns(self, occurrences: dict[str, Any]) -> None:
        ours: dict[str, str] = {
            str(occurrences[role]): role for role in ("key", "series", "day") if role in occurrences
        }
        excluded = occurrences.get("excluded")
        if isinstance(excluded, dict) and "column" in excluded:
            ours[str(excluded["column"])] = "excluded"
        fields = occurrences.get("fields")
        taken: dict[str, str] = {}
        for name, given in (fields if isinstance(fields, dict) else {}).items():
            path: Path = (OCCURRENCES, "fields", name)
            self.field(path, name, given)
            column = str(given.get("column", name)) if isinstance(given, dict) else name
            if column in ours:
                self.error("reserved-column", f"the field {name!r} would write {column!r}, the table's {ours[column]} column",
                           path, "leave the field out")  # fmt: skip
            first = taken.setdefault(column, name)
            if first != name:
                self.error("duplicate-column", f"the fields {first!r} and {name!r} both write the column {column!r}",
                           path, "keep one of them")  # fmt: skip

    def field(self, path: Path, name: str, given: Any) -> None:
        kind, own = _type(given), self.fields.get(name)
        if self.fields and name not in self.fields:
            self.error("unknown-field", f"the entity has no field {name!r} that an occurrence could have of its own", path,
                       did_you_mean(name, self.fields) or "describe it under the entity's fields too")  # fmt: skip
        elif kind and own and kind != own:
            self.error("type-mismatch", f"{name!r} is {own} in the series and {kind} here", path, f"write type {own}")
        if isinstance(given, dict) and "max_length" in given and kind not in ("text", "keywords", None):
            self.error("bad-value", f"max_length belongs to text, not to {kind}", (*path, "max_length"), "leave it out")


def _type(given: Any) -> str | None:
    kind = given.get("type") if isinstance(given, dict) else given
    return kind if isinstance(kind, str) else None
