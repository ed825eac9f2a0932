"""The mapping tests of a configuration: found beside the mappings, checked, and joined with the mappings they test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.cli.mapping_cases import DEFAULT_CLOCK, Bench, values_of
from runner.cli.suites import CaseResult, Outcome, Suite, read_tests
from runner.config import files, load
from runner.config.compile import compile_mappings, crm_fields
from runner.config.documents import Document
from runner.config.findings import Findings, suggestion
from runner.config.yamlsource import Path as Place
from runner.config.yamlsource import pointer
from runner.mapping.compiled import CompiledMapping
from runner.model.moments import moment_of
from runner.model.record import SCHEMAS

_EXPECT = {
    "outbound": ("record", "error"),
    "inbound": ("crm", "error"),
    "round_trip": (),
    "reconcile": ("changes", "conflicts"),
}
"""Kind of case → what it may expect, and must expect some of."""


def run_tests(root: Path, only: frozenset[str] | None = None) -> Outcome:
    """Run the test files of a root (``only`` these, by their paths below it). Never raises for what files may hold."""
    names = test_files(root)
    if only is not None:
        names = [name for name in names if name in only]
    if not names:
        return Outcome((), (), {})
    findings = Findings()
    texts: dict[str, str] = {}
    documents = read_tests(root, names, "mapping-test", findings, texts)
    known = _Known(root, findings, texts)
    tests = [(document, mapping) for document in documents if (mapping := known.tested(document)) is not None]
    for document, mapping in tests:
        _Checks(document, mapping, known.crm_fields(mapping), findings).run()
    if findings.has_errors:
        return Outcome((), findings.sorted(), texts)
    suites = tuple(_run(document, mapping) for document, mapping in tests)
    tested = {mapping.name for _, mapping in tests}
    untested = () if only is not None else tuple(sorted(set(known.compiled) - tested))
    return Outcome(suites, findings.sorted(), texts, untested)


def test_files(root: Path) -> list[str]:
    """The mapping tests of a root, by their paths below it."""
    directory = root / files.MAPPINGS
    if not directory.is_dir():
        return []
    names = sorted(path.name for path in directory.iterdir() if files.is_test(path.name))
    return [f"{files.MAPPINGS}/{name}" for name in names if not name.startswith(".")]


class _Known:
    """The mappings and the CRM that tests may speak of. Findings elsewhere in the configuration are ``validate``'s."""

    def __init__(self, root: Path, findings: Findings, texts: dict[str, str]) -> None:
        self._loaded = load(root)
        self._findings = findings
        self._texts = texts
        self._crm = next((each for each in self._loaded.documents if each.kind == "crm"), None)
        self.documents = {each.name: each for each in self._loaded.documents if each.kind == "mapping" and each.name}
        self.compiled = compile_mappings(self.documents, self._crm, Findings()) if self._crm and self._crm.sound else {}

    def tested(self, test: Document) -> CompiledMapping | None:
        """The mapping that a test file names; a finding when it is not there, its own findings when it is not sound."""
        name = str(test.data["mapping"])
        if name in self.compiled:
            return self.compiled[name]
        document = self.documents.get(name)
        if document is None:
            self._findings.error(
                "unknown-mapping",
                f"there is no mapping {name!r}",
                test.span("mapping"),
                hint=suggestion(name, self.documents, "mappings"),
                pointer="/mapping",
            )
            return None
        # Why it did not compile is in the mapping, in the CRM's document, or in what holds either back.
        crm = self._crm.file if self._crm else files.TARGETS
        places = (document.file, crm, files.TARGETS)
        self._findings.add(*(each for each in self._loaded.diagnostics if each.span.file in places))
        self._texts.update({file: text for file, text in self._loaded.texts.items() if file in places})
        self._findings.error(
            "mapping-invalid", f"the mapping {name!r} does not compile, so it cannot be tested", test.span("mapping"),
            hint="`exsync validate` shows every finding", pointer="/mapping",
        )  # fmt: skip
        return None

    def crm_fields(self, mapping: CompiledMapping) -> frozenset[str]:
        """The CRM fields of a mapping's entity."""
        fields = crm_fields(self._crm, mapping.entity.value) if self._crm else None
        return frozenset(fields or ())


@dataclass(frozen=True, slots=True)
class _Checks:
    """What no schema can say of a test file: the fields exist, and every case can fail."""

    document: Document
    mapping: CompiledMapping
    crm: frozenset[str]
    findings: Findings

    def run(self) -> None:
        """Note every finding."""
        for place, values, names, what in self._fields():
            for name in values:
                if name not in names:
                    path = (*place, name)
                    self.findings.error(
                        "unknown-field",
                        f"{what} has no field {name!r}",
                        self.document.source.key_span(path),
                        hint=suggestion(name, names, "fields"),
                        pointer=pointer(path),
                    )
        for index, case in enumerate(self.document.data["cases"]):
            self._expectation(("cases", index), case)
        for place, word in self._instants():
            try:
                moment_of(word)
            except ValueError:
                self.findings.error("bad-value", "there is no such instant", self.document.source.span(place))

    def _fields(self) -> Iterator[tuple[Place, Mapping[str, Any], frozenset[str], str]]:
        """Every mapping from field to value, with its place, the fields there are, and whose they are."""
        sides = {"crm": (self.crm, "the CRM"), "record": (frozenset(SCHEMAS[self.mapping.entity]), "the record")}
        data = self.document.data
        found: list[tuple[Place, Any, str]] = [
            (("defaults", side), data.get("defaults", {}).get(side), side) for side in sides
        ]
        for index, case in enumerate(data["cases"]):
            at: Place = ("cases", index)
            trip, merge, expected = case.get("round_trip", {}), case.get("reconcile", {}), case.get("expect", {})
            found += [
                ((*at, "outbound", "crm"), case.get("outbound", {}).get("crm"), "crm"),
                ((*at, "inbound", "record"), case.get("inbound", {}).get("record"), "record"),
                ((*at, "loss"), case.get("loss"), "crm" if "crm" in trip else "record"),
                ((*at, "reconcile", "base"), merge.get("base"), "record"),
                ((*at, "reconcile", "crm"), merge.get("crm"), "crm"),
                ((*at, "reconcile", "target"), merge.get("target"), "record"),
            ]
            found += [((*at, "round_trip", side), trip.get(side), side) for side in sides]
            found += [((*at, "expect", side), expected.get(side), side) for side in sides]
            for number, change in enumerate(expected.get("changes", ())):
                side = "crm" if change["side"] == "crm" else "record"
                found.append(((*at, "expect", "changes", number, "fields"), change.get("fields"), side))
        for place, values, side in found:
            if values:
                yield place, values, *sides[side]

    def _expectation(self, place: Place, case: Mapping[str, Any]) -> None:
        kind = next(name for name in _EXPECT if name in case)
        allowed = _EXPECT[kind]
        expected = case.get("expect", {})
        for key in expected:
            if key not in allowed:
                path = (*place, "expect", key)
                span = self.document.source.key_span(path)
                hint = f"expect: {' or '.join(allowed)}" if allowed else "declare what is lost under loss:"
                self.findings.error("misplaced", f"{key!r} is nothing that a case of kind {kind} gives", span, hint=hint,
                                    pointer=pointer(path))  # fmt: skip
        if allowed and not expected:
            hint = f"add expect: with {' or '.join(allowed)}"
            self.findings.error("no-expectation", "the case expects nothing, so it cannot fail",
                                self.document.source.span(place), hint=hint, pointer=pointer(place))  # fmt: skip
        if "loss" in case and kind != "round_trip":
            path = (*place, "loss")
            self.findings.error("misplaced", f"a case of kind {kind} declares no loss",
                                self.document.source.key_span(path), pointer=pointer(path))  # fmt: skip

    def _instants(self) -> Iterator[tuple[Place, str]]:
        if "clock" in self.document.data:
            yield ("clock",), self.document.data["clock"]
        for index, case in enumerate(self.document.data["cases"]):
            for key in ("crm_modified", "target_modified"):
                if key in case.get("reconcile", {}):
                    yield ("cases", index, "reconcile", key), case["reconcile"][key]


def _run(document: Document, mapping: CompiledMapping) -> Suite:
    data = document.data
    defaults = data.get("defaults", {})
    crm, record = values_of(defaults.get("crm", {})), values_of(defaults.get("record", {}))
    bench = Bench(mapping, data.get("clock", DEFAULT_CLOCK), crm, record)
    cases = tuple(
        CaseResult(case["name"], document.span("cases", index), bench.run(case))
        for index, case in enumerate(data["cases"])
    )
    return Suite(document.file, mapping.name, cases)
