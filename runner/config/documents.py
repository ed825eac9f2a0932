"""One file as a document: parsed, held against its schema, and freed of the parts that did not hold.

Later checks see only what is sound: a value that was refused is taken out of ``data`` and its path is remembered in
``broken``, so that one mistake gives one finding and the rest of the file is still checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runner.config.files import SourceFile
from runner.config.findings import Findings
from runner.config.schema import Schemas
from runner.config.yamlsource import Path, Source, read
from runner.model.diagnostics import Span


@dataclass(slots=True)
class Document:
    """A file that is a mapping of a known kind. ``sound`` says that nothing in it was refused."""

    source: Source
    kind: str
    data: dict[str, Any]
    broken: frozenset[Path] = field(default_factory=frozenset)

    @property
    def file(self) -> str:
        """The path below the root."""
        return self.source.file

    @property
    def sound(self) -> bool:
        """Whether the document can be compiled."""
        return not self.broken and self.source.complete and not self.source.diagnostics

    @property
    def name(self) -> str | None:
        """The document's name, if it is one."""
        name = self.data.get("name")
        return name if isinstance(name, str) else None

    def span(self, *path: str | int) -> Span:
        """Where the value at a path is."""
        return self.source.span(path)

    def rule(self, *path: str | int) -> str:
        """``file:line:column`` of the value at a path."""
        return str(self.source.span(path))

    def get(self, *path: str | int) -> Any:
        """The value at a path, None when there is none (any more)."""
        value: Any = self.data
        for part in path:
            if isinstance(value, dict):
                value = value.get(str(part))
            elif isinstance(value, list) and isinstance(part, int):
                value = value[part] if part < len(value) else None
            else:
                return None
        return value

    def is_broken(self, *path: str | int) -> bool:
        """Whether the value at a path (or one that holds it) was refused."""
        return bool(self.broken) and any(path[:length] in self.broken for length in range(len(path) + 1))


@dataclass(frozen=True, slots=True)
class Parsed:
    """What became of one file. ``document`` is None when it could not even be told what it is."""

    source: Source
    document: Document | None


KINDS: Mapping[str, str] = {
    "crm": "target",
    "exchange": "target",
    "ldap": "target",
    "mapping": "mapping",
    "service": "service",
    "cases": "cases",
}
"""Kinds of document and the schema of each."""


def parse(file: SourceFile, schemas: Schemas, findings: Findings, schema: str) -> Parsed:
    """Parse a file and hold it against a schema; everything wrong with it is noted in ``findings``."""
    source = read(file.data, file.path)
    findings.add(*source.diagnostics)
    if not source.complete:
        return Parsed(source, None)
    if source.data is None and not source.is_poisoned(()):
        hint = "write the document, or remove the file; an empty file is taken for one written half-way"
        findings.error("empty-file", "the file holds no document", Span(file.path, 1, 1, 1, 1), hint=hint)
        return Parsed(source, None)
    broken = frozenset(schemas.check(schema, source, findings)) | frozenset(source.poisoned)
    if not isinstance(source.data, dict) or () in broken:
        return Parsed(source, None)
    data = _without(source.data, broken)
    return Parsed(source, Document(source, str(data.get("kind", "")), data, broken))


def _without(data: dict[str, Any], broken: frozenset[Path]) -> dict[str, Any]:
    """A copy without the broken values; broken list items become None, so that indexes stay."""
    if not broken:
        return data

    def copy(value: Any, path: Path) -> Any:
        if isinstance(value, dict):
            return {key: copy(item, (*path, key)) for key, item in value.items() if (*path, key) not in broken}
        if isinstance(value, list):
            return [None if (*path, i) in broken else copy(item, (*path, i)) for i, item in enumerate(value)]
        return value

    result: dict[str, Any] = copy(data, ())
    return result
