"""The case files of a configuration: read, checked against the configuration, and played one by one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.cli.cases.cast import cast, users_of
from runner.cli.cases.checks import Checks
from runner.cli.cases.found import case_files
from runner.cli.cases.play import Play
from runner.cli.cases.values import Values
from runner.cli.cases.world import world
from runner.cli.mapping_cases import DEFAULT_CLOCK, Difference
from runner.cli.suites import CaseResult, Outcome, Suite, read_tests
from runner.config import load
from runner.config.documents import Document
from runner.config.findings import Findings
from runner.config.plan import SyncPlan
from runner.model.diagnostics import Span
from runner.model.errors import ExsyncError
from runner.model.moments import moment_of
from runner.model.record import Fields
from runner.model.terms import Entity


@dataclass(frozen=True, slots=True)
class Prepared:
    """The case files of a root, read and checked. ``plan`` is None where there is nothing to play."""

    documents: tuple[Document, ...]
    plan: SyncPlan | None
    findings: Outcome

    def play(self) -> Outcome:
        """Play every case."""
        if self.plan is None or self.findings.invalid:
            return self.findings
        suites = tuple(_suite(document, self.plan) for document in self.documents)
        return Outcome(suites, self.findings.diagnostics, self.findings.texts)


def prepare(root: Path, only: frozenset[str] | None = None) -> Prepared:
    """Read the case files of a root (``only`` these) and check them. Never raises for what files may hold."""
    names = [name for name in case_files(root) if only is None or name in only]
    if not names:
        return Prepared((), None, Outcome((), (), {}))
    findings = Findings()
    texts: dict[str, str] = {}
    documents = read_tests(root, names, "cases", findings, texts)
    loaded = load(root)
    if loaded.plan is None:
        findings.add(*loaded.diagnostics)
        texts |= loaded.texts
        findings.error(
            "configuration-invalid",
            "the configuration does not compile, so its cases cannot be played",
            Span(names[0], 1, 1, 1, 1),
            hint="`exsync validate` shows every finding",
        )
    else:
        for document in documents:
            Checks(document, loaded.plan, findings).run()
    return Prepared(tuple(documents), loaded.plan, Outcome((), findings.sorted(), texts))


def _suite(document: Document, plan: SyncPlan) -> Suite:
    return Suite(document.file, None, tuple(_results(document, plan)))


def _results(document: Document, plan: SyncPlan) -> Iterator[CaseResult]:
    for number, case in enumerate(document.data["cases"]):
        yield CaseResult(case["name"], document.span("cases", number), _played(document, plan, number))


def _played(document: Document, plan: SyncPlan, number: int) -> tuple[Difference, ...]:
    case, data = document.data["cases"][number], document.data
    users, values = users_of(data, case), Values(plan.crm)
    start = moment_of(case.get("clock", data.get("clock", DEFAULT_CLOCK)))
    crm, target = defaults_of(data, values)
    try:
        with world(cast(plan, users), users, start, crm, values.contents) as made:
            return tuple(Play(document, ("cases", number), made, values, target).run())
    except (ExsyncError, sqlite3.Error) as error:
        return (Difference("world", note=f"the case cannot be set up: {error}"),)


def defaults_of(data: Mapping[str, Any], values: Values) -> tuple[dict[Entity, Fields], dict[Entity, Fields]]:
    """What the items of a file's cases hold where they say nothing, by entity: in the CRM, in mailboxes."""
    given = data.get("defaults", {})
    crm = {Entity(name): values.crm(Entity(name), fields) for name, fields in given.get("crm", {}).items()}
    target = {Entity(name): values.target(Entity(name), fields) for name, fields in given.get("target", {}).items()}
    return crm, target
