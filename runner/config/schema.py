"""JSON Schema (Draft 2020-12) → findings that an operator can act on.

Every keyword that the schemas use has its own translation here: jsonschema's messages print whole instances, secrets
too, and point at parents. The schemas carry annotations of ours, which validators ignore:

``x-form``     what a value looks like, in words (for ``pattern`` and numbers): "a duration such as 20m or 30d"
``x-secret``   the value is a secret by reference: a literal is refused as such and never printed
``x-not-yet``  words that are known but not carried by this version, and what to do instead
``x-instead``  such a word → the required key that it stands for, which is then not reported as missing
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from runner.config.files import schema_texts
from runner.config.findings import Findings, did_you_mean, suggestion
from runner.config.redaction import MASK, is_secret_key
from runner.config.yamlsource import READ_AS, Path, Source, pointer
from runner.model.diagnostics import Span

_TYPE_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "an integer",
    "number": "a number",
}
_TYPE_WORDS |= {"boolean": "true or false", "null": "nothing"}
_EMPTY = "is the indentation right? An empty value is never taken for a default"

STRUCTURAL = frozenset(
    {
        "$schema",
        "$id",
        "$ref",
        "$defs",
        "$comment",
        "properties",
        "items",
        "prefixItems",
        "patternProperties",
        "allOf",
        "if",
        "then",
        "else",
    }
)
"""Keywords that lead to other schemas and fail only through them."""
ANNOTATIONS = frozenset({"title", "description", "examples", "default", "x-secret", "x-form", "x-not-yet", "x-instead"})
"""Keywords that say something to people and editors."""


class Schemas:
    """All schemas, compiled once; no network: each finds the others by ``$id`` in one registry."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        documents = {kind: json.loads(text) for kind, text in texts.items()}
        resources = [(schema["$id"], DRAFT202012.create_resource(schema)) for schema in documents.values()]
        registry: Registry[Any] = Registry().with_resources(resources)
        self._validators = {kind: Draft202012Validator(schema, registry=registry) for kind, schema in documents.items()}

    @property
    def kinds(self) -> tuple[str, ...]:
        """The names by which schemas are asked for."""
        return tuple(sorted(self._validators))

    def check(self, kind: str, source: Source, findings: Findings) -> set[Path]:
        """Hold a document against a schema. Notes every finding; returns the paths that did not hold."""
        broken: set[Path] = set()
        untold: list[_Untold] = []
        for error in self._validators[kind].iter_errors(source.data):
            _Translation(source, findings, broken, untold).translate(error)
        for missing in untold:
            # Without its discriminator a document is held against no branch, and nothing else names the misspelt key.
            if not any((*missing.path, word) in broken for word in missing.words):
                at = (*missing.path, missing.words[0])
                findings.error("missing-key", f"missing key {missing.key!r}", source.key_span(at),
                               hint=f"did you mean {missing.key!r} instead of {missing.words[0]!r}?",
                               pointer=pointer(missing.path))  # fmt: skip
        return broken


@dataclass(frozen=True, slots=True)
class _Untold:
    """A missing key that a misspelt one stands for; the misspelt key's own finding says it, if there is one."""

    path: Path
    key: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Fault:
    """One validation error: the keyword that failed with its value, what it failed on, and the schema around it."""

    keyword: str
    limit: Any
    instance: Any
    schema: Mapping[str, Any]
    path: Path
    of_a_name: bool
    """The fault is in a key's name (``propertyNames``); ``instance`` is that name."""


@lru_cache(maxsize=1)
def packaged_schemas() -> Schemas:
    """The product's own schemas."""
    return Schemas(schema_texts())


class _Translation:
    """Turns one validation error into findings."""

    def __init__(self, source: Source, findings: Findings, broken: set[Path], untold: list[_Untold]) -> None:
        self.source = source
        self.findings = findings
        self.broken = broken
        self.untold = untold

    def translate(self, error: ValidationError) -> None:
        fault = _fault(_most_relevant(error))
        if self.source.is_poisoned(fault.path):
            return
        if fault.of_a_name:
            self._property_name(fault)
        else:
            TRANSLATIONS[fault.keyword](self, fault)

    def note(self, code: str, message: str, path: Path, hint: str | None = None, *, at_key: bool = False) -> None:
        span = self.source.key_span(path) if at_key else self.source.span(path)
        self.broken.add(path)
        self.findings.error(code, message, span, hint=hint, pointer=pointer(path))

    def unknown_keys(self, fault: _Fault) -> None:
        known = set(fault.schema.get("properties", {}))
        patterns = [re.compile(pattern) for pattern in fault.schema.get("patternProperties", {})]
        not_yet = fault.schema.get("x-not-yet", {})
        for key in fault.instance:
            path = (*fault.path, key)
            if key in known or any(pattern.search(key) for pattern in patterns) or self.source.is_poisoned(path):
                continue
            if key in not_yet:
                self.note("not-yet", f"{key!r} is not carried by this version", path, not_yet[key], at_key=True)
            else:
                hint = suggestion(key, known - set(fault.instance) or known, "allowed here")
                self.note("unknown-key", f"unknown key {key!r}", path, hint, at_key=True)

    def missing_keys(self, fault: _Fault) -> None:
        known = set(fault.schema.get("properties", {}))
        stand_ins = fault.schema.get("x-instead", {})
        unknown = [key for key in fault.instance if key not in known]
        span = self.source.key_span(fault.path)
        for key in fault.limit:
            missing = (*fault.path, key)
            if key in fault.instance or self.source.is_poisoned(missing):
                continue
            self.broken.add(missing)
            # A misspelt or not yet carried key in its place has its own finding already.
            words = tuple(word for word in unknown if stand_ins.get(word) == key or did_you_mean(word, [key]))
            if words:
                self.untold.append(_Untold(fault.path, key, words))
            else:
                hint = _description(fault.schema, key)
                self.findings.error("missing-key", f"missing key {key!r}", span, hint=hint, pointer=pointer(fault.path))

    def wrong_type(self, fault: _Fault) -> None:
        names = [fault.limit] if isinstance(fault.limit, str) else list(fault.limit)
        words = fault.schema.get("x-form") or " or ".join(_TYPE_WORDS[name] for name in names)
        if fault.instance is None:
            self.note("empty-value", f"a value is missing: expected {words}", fault.path, _EMPTY)
        elif fault.schema.get("x-secret"):
            hint = "write {env: NAME} or {file: PATH}, and change the secret that stood here"
            self.broken.add(fault.path)
            self.findings.error(
                "secret-literal",
                "a secret is given by reference, never in clear",
                _start(self.source.span(fault.path)),
                hint=hint,
                pointer=pointer(fault.path),
            )
        else:
            hint = None
            if "string" in names and isinstance(fault.instance, (int, float)):
                hint = "quote it to make it text"
            elif names == ["boolean"] and str(fault.instance).lower() in ("yes", "no", "on", "off"):
                hint = f"write {str(fault.instance).lower() in ('yes', 'on')!s}".lower()
            self.note("bad-type", f"expected {words}, got {READ_AS[type(fault.instance)]}", fault.path, hint)

    def wrong_choice(self, fault: _Fault) -> None:
        options = [fault.limit] if fault.keyword == "const" else list(fault.limit)
        given = fault.instance
        if given is None:
            self.note("empty-value", f"a value is missing: one of {_listed(options)}", fault.path, _EMPTY)
        elif isinstance(given, str) and given in fault.schema.get("x-not-yet", {}):
            hint = fault.schema["x-not-yet"][given]
            self.note("not-yet", f"{given!r} is not carried by this version", fault.path, hint)
        else:
            words = f"expected {_listed(options)}" if len(options) == 1 else f"expected one of {_listed(options)}"
            texts = [option for option in options if isinstance(option, str)]
            hint = did_you_mean(given, texts) if isinstance(given, str) else None
            self.note("bad-value", f"{words}, got {_value(given, fault.path)}", fault.path, hint)

    def wrong_form(self, fault: _Fault) -> None:
        form = fault.schema.get("x-form") or f"text of the form {fault.limit}"
        got = "" if fault.schema.get("x-secret") else f", got {_value(fault.instance, fault.path)}"
        self.note("bad-value", f"expected {form}{got}", fault.path)

    def out_of_bounds(self, fault: _Fault) -> None:
        words = {
            "minimum": "at least",
            "maximum": "at most",
            "exclusiveMinimum": "more than",
            "exclusiveMaximum": "less than",
        }[fault.keyword]
        got = _value(fault.instance, fault.path)
        self.note("bad-value", f"expected {words} {fault.limit}, got {got}", fault.path)

    def wrong_size(self, fault: _Fault) -> None:
        limit = fault.limit
        noun = {"Length": "characters", "Items": "entries", "Properties": "keys"}[fault.keyword[3:]]
        words = "at least" if fault.keyword.startswith("min") else "at most"
        noun = {"entries": "entry", "keys": "key", "characters": "character"}[noun] if limit == 1 else noun
        self.note("bad-value", f"expected {words} {limit} {noun}, got {len(fault.instance)}", fault.path)

    def repeated(self, fault: _Fault) -> None:
        self.note("bad-value", "the entries must differ from one another", fault.path, "keep one of each")

    def forbidden(self, fault: _Fault) -> None:
        form = fault.schema.get("x-form")
        self.note("bad-value", f"expected {form}" if form else "this does not go together here", fault.path)

    def companions(self, fault: _Fault) -> None:
        for key, needed in fault.limit.items():
            for other in needed:
                if key in fault.instance and other not in fault.instance:
                    self.note("missing-key", f"{key!r} needs {other!r} beside it", (*fault.path, key), at_key=True)

    def no_branch(self, fault: _Fault) -> None:
        form = fault.schema.get("x-form") or "one of the forms that the schema describes"
        self.note(
            "bad-value", f"expected {form}", fault.path, f"`exsync schema` prints them; got {_kind(fault.instance)}"
        )

    def _property_name(self, fault: _Fault) -> None:
        name = str(fault.instance)
        form = fault.schema.get("x-form") or f"a name of the form {fault.limit}"
        if name in fault.schema.get("x-not-yet", {}):
            hint = fault.schema["x-not-yet"][name]
            self.note("not-yet", f"{name!r} is not carried by this version", (*fault.path, name), hint, at_key=True)
        else:
            options = fault.limit if fault.keyword == "enum" else ()
            hint = did_you_mean(name, map(str, options))
            self.note(
                "unknown-key", f"{name!r} cannot be a key here: expected {form}", (*fault.path, name), hint, at_key=True
            )


TRANSLATIONS: Mapping[str, Callable[[_Translation, _Fault], None]] = {
    "additionalProperties": _Translation.unknown_keys,
    "unevaluatedProperties": _Translation.unknown_keys,
    "required": _Translation.missing_keys,
    "dependentRequired": _Translation.companions,
    "type": _Translation.wrong_type,
    "enum": _Translation.wrong_choice,
    "const": _Translation.wrong_choice,
    "pattern": _Translation.wrong_form,
    "minimum": _Translation.out_of_bounds,
    "maximum": _Translation.out_of_bounds,
    "exclusiveMinimum": _Translation.out_of_bounds,
    "exclusiveMaximum": _Translation.out_of_bounds,
    "minLength": _Translation.wrong_size,
    "maxLength": _Translation.wrong_size,
    "minItems": _Translation.wrong_size,
    "maxItems": _Translation.wrong_size,
    "minProperties": _Translation.wrong_size,
    "maxProperties": _Translation.wrong_size,
    "uniqueItems": _Translation.repeated,
    "not": _Translation.forbidden,
    "anyOf": _Translation.no_branch,
    "oneOf": _Translation.no_branch,
    "propertyNames": _Translation.no_branch,
}
"""One translation per keyword; a test holds the schemas to it."""


def _most_relevant(error: ValidationError) -> ValidationError:
    """Of a failed ``anyOf``/``oneOf``: the one branch whose type fits, when exactly one does, told by its first fault."""
    while error.validator in ("anyOf", "oneOf") and error.context:
        branches: dict[Any, list[ValidationError]] = {}
        for inner in error.context:
            branches.setdefault(inner.relative_schema_path[0], []).append(inner)
        fitting = [
            faults
            for faults in branches.values()
            if not any(fault.validator in ("type", "enum", "const") and not fault.relative_path for fault in faults)
        ]
        if len(fitting) != 1:
            break
        error = fitting[0][0]
    return error


def _fault(error: ValidationError) -> _Fault:
    return _Fault(
        keyword=str(error.validator),
        limit=error.validator_value,
        instance=error.instance,
        schema=error.schema if isinstance(error.schema, Mapping) else {},
        path=tuple(error.absolute_path),
        of_a_name="propertyNames" in error.absolute_schema_path,
    )


def _start(span: Span) -> Span:
    """The first column of a place: the rest would tell how long a secret is."""
    return replace(span, end_line=span.line, end_column=span.column + 1)


def _description(schema: Mapping[str, Any], key: str) -> str | None:
    entry = schema.get("properties", {}).get(key, {})
    text = entry.get("description") if isinstance(entry, Mapping) else None
    return f"{key}: {text}" if text else None


def _listed(options: Iterator[Any] | list[Any]) -> str:
    return ", ".join(json.dumps(option) if not isinstance(option, str) else option for option in options)


def _kind(value: Any) -> str:
    return READ_AS[type(value)]


def _value(value: Any, path: Path) -> str:
    """A scalar short enough to print and not likely a secret; anything else by its type."""
    if any(is_secret_key(str(part)) for part in path):
        return MASK
    if isinstance(value, (dict, list)) or value is None:
        return READ_AS[type(value)]
    text = repr(value) if isinstance(value, str) else json.dumps(value)
    if "://" in text and "@" in text:
        return MASK
    return text if len(text) <= 60 else f"{text[:57]}…'"
