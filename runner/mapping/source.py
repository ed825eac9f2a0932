"""What the compiler of mappings is given: a document as plain data, with positions beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from runner.model.diagnostics import Span
from runner.model.record import FieldType

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class MappingSource:
    """A mapping document that already holds against ``schemas/mapping.schema.json``.

    ``span`` gives the place of the value at a path (or of its nearest parent); ``text`` is the file's text, from which
    columns inside expressions are found.
    """

    data: Mapping[str, Any]
    span: Callable[[Path], Span]
    text: str


@dataclass(frozen=True, slots=True)
class CrmFieldType:
    """What a mapping must know of a CRM field."""

    type: FieldType
    nullable: bool = True
    writable: bool = True
    inner: frozenset[str] = frozenset()
    """Of overrides: the CRM fields that an occurrence can have of its own."""
