"""The schemas and their translation hold together."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from runner.config.files import schema_texts
from runner.config.findings import Findings
from runner.config.schema import ANNOTATIONS, STRUCTURAL, TRANSLATIONS, Schemas, packaged_schemas
from runner.config.yamlsource import read

SCHEMAS = {kind: json.loads(text) for kind, text in schema_texts().items()}
MAPS_OF_SCHEMAS = ("properties", "patternProperties", "$defs", "dependentSchemas")
LISTS_OF_SCHEMAS = ("allOf", "anyOf", "oneOf", "prefixItems")
SCHEMA_VALUES = ("items", "additionalProperties", "propertyNames", "if", "then", "else", "not", "contains")


def subschemas(schema: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(schema, dict):
        return
    yield schema
    for key, value in schema.items():
        children: list[Any] = []
        if key in MAPS_OF_SCHEMAS:
            children = list(value.values())
        elif key in LISTS_OF_SCHEMAS:
            children = value
        elif key in SCHEMA_VALUES:
            children = [value]
        for child in children:
            yield from subschemas(child)


@pytest.mark.parametrize("kind", SCHEMAS)
def test_every_keyword_has_a_translation(kind: str) -> None:
    keywords = {keyword for schema in subschemas(SCHEMAS[kind]) for keyword in schema}
    assert keywords <= TRANSLATIONS.keys() | STRUCTURAL | ANNOTATIONS


@pytest.mark.parametrize("kind", SCHEMAS)
def test_every_schema_is_one_and_every_object_is_closed(kind: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[kind])
    for schema in subschemas(SCHEMAS[kind]):
        if schema.get("type") == "object" and "properties" in schema:
            assert "additionalProperties" in schema or "allOf" in schema


def test_every_property_of_a_target_is_described_and_its_examples_hold() -> None:
    schema = SCHEMAS["target"]
    for each in subschemas(schema):
        for name, entry in each.get("properties", {}).items():
            if "const" in entry and "description" not in entry:
                continue  # the discriminator inside an `if`
            assert entry["description"].endswith("."), name
            assert entry["examples"], name
            validator = Draft202012Validator({"$defs": schema["$defs"], **entry})
            for example in entry["examples"]:
                validator.validate(example)


@pytest.mark.parametrize(
    ("schema", "text", "message"),
    [
        ({"minLength": 3}, "ab", "expected at least 3 characters, got 2"),
        ({"maxItems": 1}, "[a, b]", "expected at most 1 entry, got 2"),
        ({"minProperties": 1}, "{}", "expected at least 1 key, got 0"),
        ({"exclusiveMinimum": 0}, "0", "expected more than 0, got 0"),
        ({"exclusiveMaximum": 3}, "3", "expected less than 3, got 3"),
        ({"const": 1}, "2", "expected 1, got 2"),
        ({"uniqueItems": True}, "[a, a]", "the entries must differ from one another"),
        ({"not": {"const": "a"}, "x-form": "anything but a"}, "a", "expected anything but a"),
        ({"dependentRequired": {"a": ["b"]}}, "a: 1", "'a' needs 'b' beside it"),
        ({"oneOf": [{"type": "string"}, {"type": "integer"}], "x-form": "x"}, "[]", "expected x"),
        (
            {"anyOf": [{"type": "string", "maxLength": 1}, {"type": "integer"}]},
            "ab",
            "expected at most 1 character, got 2",
        ),
        ({"propertyNames": {"pattern": "^x"}}, "ab: 1", "'ab' cannot be a key here: expected a name of the form ^x"),
        (
            {"propertyNames": {"enum": ["abc"]}},
            "abd: 1",
            "'abd' cannot be a key here: expected a name of the form ['abc']",
        ),
        ({"patternProperties": {"^x": {}}, "additionalProperties": False}, "x1: 1\ny: 1", "unknown key 'y'"),
        ({"type": "boolean"}, "yes", "expected true or false, got text"),
        ({"type": ["string", "null"]}, "3", "expected text or nothing, got integer"),
    ],
)
def test_each_keyword_is_told_in_words(schema: dict[str, Any], text: str, message: str) -> None:
    findings = Findings()
    Schemas({"one": json.dumps({"$id": "https://exsync.invalid/one", **schema})}).check(
        "one", read(text.encode(), "f.yaml"), findings
    )
    assert [each.message for each in findings.sorted()] == [message]


def test_instances_are_never_dumped() -> None:
    text = (
        "version: 1\nkind: exchange\nname: hq\naccess: {deep: hunter2}\nlinks: {a: hunter2}\npassword_hint: hunter2\n"
    )
    findings = Findings()
    packaged_schemas().check("target", read(text.encode(), "f.yaml"), findings)
    assert findings.has_errors
    assert "hunter2" not in repr(findings.sorted())
