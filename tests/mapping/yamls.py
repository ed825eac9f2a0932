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
from tests.support.stock import CRM_TYPES

STOCK = Path(__file__).parents[2] / "mappings" / "schedule_item.yaml"

CRM: Mapping[str, CrmFieldType] = {
    **CRM_TYPES,
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
