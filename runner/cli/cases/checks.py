"""What no schema can say of a case file: links, users, fields and items exist, and every case can fail."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from runner.cli.cases.cast import cast, owners_of, users_of
from runner.cli.cases.hands import crm_names, record_names, shared_by
from runner.cli.cases.values import Values
from runner.config.documents import Document
from runner.config.findings import Findings, suggestion
from runner.config.plan import SyncPlan
from runner.config.yamlsource import Path as Place
from runner.config.yamlsource import pointer
from runner.engine.selection import select_links
from runner.model.errors import UsageError
from runner.model.moments import moment_of
from runner.model.record import SCHEMAS
from runner.model.terms import Entity
from runner.sandbox.failures import TEXTS


@dataclass(frozen=True, slots=True)
class Checks:
    """The checks of one file against the configuration that it is about."""

    document: Document
    plan: SyncPlan
    findings: Findings

    def run(self) -> None:
        """Note every finding."""
        data = self.document.data
        if "clock" in data:
            self.instant(("clock",), data["clock"])
        for side, entities in data.get("defaults", {}).items():
            for entity, fields in entities.items():
                if self.entity(("defaults", side, entity), entity):
                    self.fields(("defaults", side, entity), side, Entity(entity), fields)
        for number, case in enumerate(data["cases"]):
            users = users_of(data, case)
            _Case(self, ("cases", number), case, cast(self.plan, users), users).run()

    def error(self, code: str, message: str, place: Place, hint: str | None = None, *, at_key: bool = False) -> None:
        """Note one finding."""
        source = self.document.source
        span = source.key_span(place) if at_key else source.span(place)
        self.findings.error(code, message, span, hint=hint, pointer=pointer(place))

    def instant(self, place: Place, word: str) -> None:
        """Note an instant that there is not."""
        try:
            moment_of(word)
        except ValueError:
            self.error("bad-value", "there is no such instant", place)

    def entity(self, place: Place, entity: str, *, at_key: bool = True) -> bool:
        """Whether the CRM's description has an entity; a finding when it has not."""
        known = self.plan.crm.entities
        if Entity(entity) in known:
            return True
        hint = suggestion(entity, [str(each) for each in known], "entities")
        self.error("unknown-entity", f"CRM {self.plan.crm.name} describes no {entity}", place, hint, at_key=at_key)
        return False

    def fields(self, place: Place, side: str, entity: Entity, fields: Mapping[str, Any], *, made: bool = False) -> None:
        """Names and values of an item's fields; of what somebody makes (``made``) also whether anybody may write them."""
        values = Values(self.plan.crm)
        described = self.plan.crm.entities[entity]
        known = crm_names(described) if side == "crm" else record_names(entity)
        whose = "the CRM" if side == "crm" else "the record"
        read = values.of_crm if side == "crm" else values.of_target
        for name, value in fields.items():
            at = (*place, name)
            if name not in known:
                hint = suggestion(name, known, "fields")
                self.error("unknown-field", f"{whose} has no field {name!r}", at, hint, at_key=True)
                continue
            try:
                read(entity, name, value)
            except ValueError as error:
                self.error("bad-value", f"{name}: {error}", at)
            if made and side == "target" and not SCHEMAS[entity][name].writable:
                hint = "leave it out: the server says what it holds"
                self.error("read-only-field", f"nobody writes the record's {name!r}", at, hint, at_key=True)


@dataclass(slots=True)
class _Case:
    """One case; ``made`` are the items that have a name by then, with their entities."""

    checks: Checks
    at: Place
    case: Mapping[str, Any]
    plan: SyncPlan
    users: Collection[str]
    made: dict[str, Entity] = field(default_factory=dict)

    def run(self) -> None:
        if "clock" in self.case:
            self.checks.instant((*self.at, "clock"), self.case["clock"])
        self._given()
        steps = self.case.get("steps", ())
        for number, step in enumerate(steps):
            for kind, said in step.items():
                self._step(kind, said, (*self.at, "steps", number, kind))
        if "expect" in self.case:
            self._expect(self.case["expect"], (*self.at, "expect"))
        elif not any("expect" in step for step in steps):
            hint = "add expect: with what must be there in the end"
            self.checks.error("no-expectation", "the case expects nothing, so it cannot fail", self.at, hint)

    def _given(self) -> None:
        given = self.case.get("given", {})
        for entity, records in given.get("crm", {}).items():
            place = (*self.at, "given", "crm", entity)
            if self.checks.entity(place, entity):
                for number, record in enumerate(records):
                    self._record((*place, number), Entity(entity), record)
        for link, items in given.get("target", {}).items():
            place = (*self.at, "given", "target", link)
            for number, item in enumerate(items if self._link(place, link) else ()):
                self._item((*place, number), link, item)

    def _step(self, kind: str, step: Any, place: Place) -> None:
        if kind == "pass":
            for number, name in enumerate(step.get("links", ())):
                self._selected((*place, "links", number), name)
        elif kind == "create" and "crm" in step:
            if self.checks.entity((*place, "crm"), step["crm"], at_key=False):
                self._record(place, Entity(step["crm"]), step)
        elif kind == "create":
            if self._link((*place, "target"), step["target"], at_key=False):
                self._item(place, step["target"], step)
        elif kind in ("edit", "delete", "answer"):
            side = "crm" if "crm" in step else "target"
            if "link" in step:
                self._link((*place, "link"), step["link"], at_key=False)
            if self._named((*place, side), step[side]):
                entity = self.made[step[side]]
                self.checks.fields((*place, "fields"), side, entity, step.get("fields", {}), made=True)
        elif kind == "fault":
            self._fault(step, place)
        elif kind == "clock" and step.endswith("Z"):
            self.checks.instant(place, step)
        elif kind == "expect":
            self._expect(step, place)

    def _record(self, place: Place, entity: Entity, record: Mapping[str, Any]) -> None:
        owners = owners_of(record)
        for number, owner in enumerate(owners):
            at = (*place, "owners", number) if "owners" in record else (*place, "owner")
            if owner not in self.users:
                self.checks.error("unknown-user", f"{owner} is none of the case's users", at, "add him to users:")
            elif not self._is_listed and not any(link.user == owner for link in self.plan.links.values()):
                hint = suggestion(owner, sorted(self._linked()), "users of links")
                self.checks.error("unknown-user", f"no link is {owner}'s", at, hint)
        if len(owners) > 1 and shared_by(self.checks.plan.crm.entities[entity]) is None:
            hint = "only where YAML names a table of owners can several users hold a record"
            self.checks.error(
                "not-shared", f"a {entity} of this CRM has one owner", (*place, "owners"), hint, at_key=True
            )
        self.checks.fields((*place, "fields"), "crm", entity, record["fields"], made=True)
        given = {**self._defaults("crm", entity), **record["fields"]}
        for name, described in self.checks.plan.crm.entities[entity].fields.items():
            if not described.nullable and given.get(name) is None:
                hint = "name it, or give it under defaults: crm: what the CRM's column has by default"
                self.checks.error("missing-field", f"the CRM's field {name!r} is never empty", (*place, "fields"), hint,
                                  at_key=True)  # fmt: skip
        self._called(place, entity, record)

    def _item(self, place: Place, link: str, item: Mapping[str, Any]) -> None:
        entity = self.plan.links[link].entity
        self.checks.fields((*place, "fields"), "target", entity, item["fields"], made=True)
        self._called(place, entity, item)

    def _called(self, place: Place, entity: Entity, item: Mapping[str, Any]) -> None:
        name = item.get("item")
        if name in self.made:
            hint = "call it otherwise"
            self.checks.error("duplicate-item", f"another item is called {name!r} already", (*place, "item"), hint)
        elif name is not None:
            self.made[name] = entity

    def _fault(self, step: Mapping[str, Any], place: Place) -> None:
        if step["target"] not in self.plan.targets:
            hint = suggestion(step["target"], self.plan.targets, "targets")
            message = f"there is no Exchange target {step['target']!r}"
            self.checks.error("unknown-target", message, (*place, "target"), hint)
        if "code" in step and step["code"] not in TEXTS:
            hint = suggestion(step["code"], TEXTS, "codes")
            self.checks.error("unknown-code", f"the sandbox does not know {step['code']}", (*place, "code"), hint)

    def _expect(self, expected: Mapping[str, Any], place: Place) -> None:
        for at, side, entity, items in self._expected(expected, place):
            for number, item in enumerate(items):
                if "item" in item:
                    self._named((*at, number, "item"), item["item"])
                self.checks.fields((*at, number, "fields"), side, entity, item.get("fields", {}))

    def _expected(
        self, expected: Mapping[str, Any], place: Place
    ) -> Iterator[tuple[Place, str, Entity, list[Mapping[str, Any]]]]:
        for entity, records in expected.get("crm", {}).items():
            if self.checks.entity((*place, "crm", entity), entity):
                yield (*place, "crm", entity), "crm", Entity(entity), records
        for link, items in expected.get("target", {}).items():
            if self._link((*place, "target", link), link):
                yield (*place, "target", link), "target", self.plan.links[link].entity, items

    def _link(self, place: Place, name: str, *, at_key: bool = True) -> bool:
        if name in self.plan.links:
            return True
        known = self.checks.plan.links.get(name)
        if known is None:
            message = f"the configuration has no link {name!r} to Exchange"
            hint = suggestion(name, set(self.plan.links) | set(self.checks.plan.links), "links")
        elif known.folder.of_directory:
            message, hint = f"link {name!r} is a directory's", "cases are about links to Exchange"
        else:
            message, hint = f"{known.user} is none of the case's users", "add him to users:"
        self.checks.error("unknown-link", message, place, hint, at_key=at_key)
        return False

    def _selected(self, place: Place, name: str) -> None:
        try:
            select_links(self.plan, (name,))
        except UsageError as error:
            self.checks.error("unknown-link", str(error), place, error.remedy)

    def _named(self, place: Place, name: str) -> bool:
        if name in self.made:
            return True
        hint = suggestion(name, self.made, "items that have a name by then")
        self.checks.error("unknown-item", f"no item is called {name!r}", place, hint)
        return False

    def _defaults(self, side: str, entity: Entity) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.checks.document.data.get("defaults", {}).get(side, {}).get(str(entity), {})
        return found

    def _linked(self) -> set[str]:
        return {link.user for link in (*self.plan.links.values(), *self.checks.plan.links.values()) if link.user}

    @property
    def _is_listed(self) -> bool:
        """Whether the case says itself who takes part: then somebody without links is meant."""
        return "users" in self.case or "users" in self.checks.document.data
