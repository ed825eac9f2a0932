"""YAML in, a compiled mapping or findings out: the fixtures of this directory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

from runner.config.yamlsource import read
from runner.mapping import compile_mapping
from runner.mapping.compiled import CompiledMapping
from runner.mapping.source import CrmFieldType, MappingSource
from runner.model.diagnostics import Diagnostic
from runner.model.record import FieldType

STOCK = Path(__file__).parents[2] / "mappings" / "schedule_item.yaml"

INNER = frozenset(
    [
        "alarm",
        "subject",
        "notes",
        "place",
        "starts_at",
        "ends_at",
        "time_zone",
        "all_day",
        "priority",
        "show_as",
        "categories",
    ]
)
"""What the stock CRM's occurrences can have of their own."""

CRM: Mapping[str, CrmFieldType] = {
    "subject": CrmFieldType(FieldType.TEXT),
    "notes": CrmFieldType(FieldType.TEXT),
    "place": CrmFieldType(FieldType.TEXT),
    "starts_at": CrmFieldType(FieldType.INSTANT),
    "ends_at": CrmFieldType(FieldType.INSTANT),
    "time_zone": CrmFieldType(FieldType.ZONE),
    "all_day": CrmFieldType(FieldType.BOOLEAN, nullable=False),
    "recurrence_rule": CrmFieldType(FieldType.RECURRENCE),
    "occurrences": CrmFieldType(FieldType.OVERRIDES, inner=INNER),
    "priority": CrmFieldType(FieldType.TEXT, nullable=False),
    "sensitivity": CrmFieldType(FieldType.TEXT, nullable=False),
    "show_as": CrmFieldType(FieldType.TEXT, nullable=False),
    "categories": CrmFieldType(FieldType.KEYWORDS),
    "alarm": CrmFieldType(FieldType.INTEGER),
    "organizer": CrmFieldType(FieldType.TEXT),
    "attachments": CrmFieldType(FieldType.FILES),
    **dict.fromkeys(("participants", "participant_names", "responses"), CrmFieldType(FieldType.ADDRESSES)),
    "case_no": CrmFieldType(FieldType.INTEGER, nullable=False),
    "rank": CrmFieldType(FieldType.INTEGER),
    "hidden": CrmFieldType(FieldType.BOOLEAN),
    "items": CrmFieldType(FieldType.TEXT),
    "label": CrmFieldType(FieldType.TEXT, nullable=False),
    "created_by": CrmFieldType(FieldType.TEXT, writable=False),
}
"""The stock CRM's schedule items, and some fields more."""

HEAD = """\
version: 1
kind: mapping
name: m
entity: schedule_item
fields:
"""
"""Five lines: the first entry of :func:`entries` stands on line 6."""


def attempt(
    text: str, crm: Mapping[str, CrmFieldType] = CRM, file: str = "m.yaml"
) -> tuple[CompiledMapping | None, tuple[Diagnostic, ...]]:
    """Compile a whole document."""
    source = read(text.encode(), file)
    assert source.diagnostics == ()
    return compile_mapping(MappingSource(source.data, source.span, source.text), crm)


def entries(text: str, crm: Mapping[str, CrmFieldType] = CRM) -> CompiledMapping:
    """A mapping of these entries, which must compile without errors."""
    mapping, found = attempt(HEAD + dedent(text), crm)
    assert mapping is not None, found
    return mapping


def findings(text: str, crm: Mapping[str, CrmFieldType] = CRM) -> list[str]:
    """What compiling these entries finds, as ``line:column code``."""
    return [f"{found.span.line}:{found.span.column} {found.code}" for found in attempt(HEAD + dedent(text), crm)[1]]


def one(text: str, crm: Mapping[str, CrmFieldType] = CRM) -> Diagnostic:
    """The one thing that compiling these entries finds."""
    _, found = attempt(HEAD + dedent(text), crm)
    assert len(found) == 1, found
    return found[0]


def stock() -> CompiledMapping:
    """The stock mapping."""
    mapping, found = attempt(STOCK.read_text(encoding="utf-8"), file="mappings/schedule_item.yaml")
    assert mapping is not None
    assert found == ()
    return mapping
