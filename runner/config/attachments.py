"""What a CRM's description of attachments must say, beyond the schema (B-45)."""

from __future__ import annotations

from typing import Any

from runner.config.documents import Document
from runner.config.findings import Findings
from runner.config.yamlsource import Path, pointer
from runner.model.files import ATTACHMENTS


def check_attachments(document: Document, entity: str, described: dict[str, Any], findings: Findings) -> None:
    """Note what is wrong with ``entities.<entity>.attachments``; nothing when it is not there.

    Codes: ``reserved-name``, ``needs-outbox``.
    """
    if not isinstance(described.get(ATTACHMENTS), dict):
        return

    def error(code: str, message: str, path: Path, hint: str) -> None:
        at: Path = ("entities", entity, *path)
        findings.error(code, message, document.source.key_span(at), hint=hint, pointer=pointer(at))

    fields = described.get("fields")
    if isinstance(fields, dict) and ATTACHMENTS in fields:
        error("reserved-name", f"the name {ATTACHMENTS!r} belongs to the table of attachments",
              ("fields", ATTACHMENTS), "give the field another name")  # fmt: skip
    if document.data.get("feed") == "version_column":
        error("needs-outbox", "a file that comes or goes moves no column of the record: the feed by version column would"
              " miss it", (ATTACHMENTS,), "write feed: outbox")  # fmt: skip
