"""Schema, documentation and code say the same."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from runner.cli.mapping_cases import KINDS as CASES
from runner.mapping.codecs import CODECS
from runner.mapping.compiler import KINDS
from runner.mapping.filters import FILTERS
from runner.mapping.grammar import LONGEST_SOURCE
from runner.model.record import SCHEDULE_ITEM, SCHEMAS
from runner.model.terms import ConflictPolicy, Direction, EditVsDelete, Entity, Operation, Side
from tests.mapping.yamls import stock

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "mapping.md").read_text(encoding="utf-8")


def schema(kind: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((ROOT / "schemas" / f"{kind}.schema.json").read_text(encoding="utf-8"))
    return found


def lookup(kind: str, *path: str) -> object:
    found: object = schema(kind)
    for part in path:
        assert isinstance(found, dict)
        found = found[part]
    return found


@pytest.mark.parametrize("kind", ["mapping", "mapping-test"])
def test_the_schemas_are_sound(kind: str) -> None:
    Draft202012Validator.check_schema(schema(kind))


@pytest.mark.parametrize(
    ("kind", "path", "words"),
    [
        ("mapping", ("properties", "entity", "enum"), SCHEMAS),
        ("mapping", ("$defs", "entry", "properties", "codec", "enum"), CODECS),
        ("mapping", ("$defs", "entry", "properties", "direction", "enum"), Direction),
        ("mapping", ("$defs", "entry", "properties", "conflict", "enum"), ConflictPolicy),
        ("mapping-test", ("$defs", "case", "properties", "reconcile", "properties", "policy", "enum"), ConflictPolicy),
        ("mapping-test", ("$defs", "case", "properties", "reconcile", "properties", "direction", "enum"), Direction),
        (
            "mapping-test",
            ("$defs", "case", "properties", "reconcile", "properties", "edit_vs_delete", "enum"),
            EditVsDelete,
        ),
        ("mapping-test", ("$defs", "change", "properties", "side", "enum"), Side),
        ("mapping-test", ("$defs", "change", "properties", "operation", "enum"), Operation),
    ],
)
def test_the_schemas_words_are_the_codes(kind: str, path: tuple[str, ...], words: object) -> None:
    given = lookup(kind, *path)
    assert isinstance(given, list)
    assert sorted(given) == sorted(str(word) for word in words)  # type: ignore[attr-defined]


def test_the_schema_knows_every_kind_of_entry_and_case() -> None:
    entry, case = (
        lookup("mapping", "$defs", "entry", "properties"),
        lookup("mapping-test", "$defs", "case", "properties"),
    )
    assert isinstance(entry, dict)
    assert isinstance(case, dict)
    assert set(KINDS) <= set(entry)
    assert set(CASES) <= set(case)
    assert lookup("mapping", "$defs", "expression", "maxLength") == LONGEST_SOURCE


def test_every_record_field_and_every_crm_field_of_the_stock_mapping_is_documented() -> None:
    table = DOCUMENT.split("## Kinds of entry")[0]
    for name in (*SCHEDULE_ITEM, *stock().crm_fields):
        assert f"`{name}`" in table, name


@pytest.mark.parametrize("entity", [Entity.TASK, Entity.CONTACT])
def test_every_record_field_of_tasks_and_contacts_is_documented(entity: Entity) -> None:
    section = DOCUMENT.split(f"### {entity.capitalize()}s")[1].split("\n##")[0]
    assert {name for name in SCHEMAS[entity] if f"`{name}`" not in section} == set()


def test_every_filter_and_codec_is_documented() -> None:
    for name in (*FILTERS, *CODECS):
        assert re.search(rf"`{name}[`(]", DOCUMENT), name


def test_every_finding_of_the_compiler_is_documented() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "runner" / "mapping").glob("*.py"))
    codes = set(re.findall(r"(?:error|warning)\(\s*\"([a-z]+(?:-[a-z]+)+)\"", sources))
    assert {"unknown-field", "no-inverse", "nullable-text", "bad-expression"} <= codes
    assert {code for code in codes if f"`{code}`" not in DOCUMENT} == set()
