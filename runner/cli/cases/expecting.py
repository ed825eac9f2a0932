"""What a case expects at one point, held against both sides and the state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from runner.cli.cases.cast import owners_of
from runner.cli.cases.comparing import Held, Wanted, compare_counts, compare_items, compare_words
from runner.cli.cases.names import Names
from runner.cli.cases.values import Values
from runner.cli.cases.world import World
from runner.cli.mapping_cases import WHOLE_ITEM, Difference
from runner.config.documents import Document
from runner.config.yamlsource import Path as Place
from runner.engine.report import PassReport
from runner.model.diagnostics import Span
from runner.model.errors import ConnectorError
from runner.model.meetings import MailStatus
from runner.model.terms import Entity, Operation, Side


@dataclass(frozen=True, slots=True)
class Expecting:
    """One look at a case's world. ``reports`` are those of its last pass."""

    document: Document
    world: World
    values: Values
    names: Names
    reports: Sequence[PassReport]

    def differences(self, expected: Mapping[str, Any], place: Place) -> Iterator[Difference]:
        """What is otherwise than expected at this point. Raises ``ConnectorError`` for a folder that nobody can read."""
        for entity, records in expected.get("crm", {}).items():
            at, kind = (*place, "crm", entity), Entity(entity)
            wanted = self._wanted(records, at, partial(self.values.crm, kind))
            yield from compare_items(f"crm {entity}", wanted, self._records(kind), self._span(at, key=True))
        for link, items in expected.get("target", {}).items():
            at = (*place, "target", link)
            kind = self.world.mailboxes[link].link.entity
            wanted = self._wanted(items, at, partial(self.values.target, kind))
            yield from compare_items(link, wanted, self._items(link), self._span(at, key=True))
        for what, read in _LISTS.items():
            if what in expected:
                yield from compare_words(what, expected[what], list(read(self.world)), self._span((*place, what)))
        if "mails" in expected:
            held = sum(mail.addressees for mail in self.world.store.mails() if mail.status is MailStatus.HELD)
            got = {"sent": self.world.mailed, "held": held}
            named = {name: got[name] for name in expected["mails"]}
            yield from compare_counts("mails", expected["mails"], named, self._span((*place, "mails")))
        if "writes" in expected:
            sides = expected["writes"]
            wanted_writes = {f"{side}.{name}": count for side in sides for name, count in sides[side].items()}
            yield from compare_counts("writes", wanted_writes, self._writes(), self._span((*place, "writes")))

    def _wanted(self, items: list[Mapping[str, Any]], at: Place, read: Callable[..., Any]) -> list[Wanted]:
        return [
            Wanted(
                read(item.get("fields", {})),
                self._span((*at, number)),
                item.get("item"),
                frozenset(owners_of(item)),
                "owners" in item,
            )
            for number, item in enumerate(items)
        ]

    def _records(self, entity: Entity) -> list[Held]:
        names = self.names.by_key(Side.CRM)
        return [
            Held({}, names.get(key, frozenset()), owners, str(item))
            if isinstance(item, ConnectorError)
            else Held(item.values, names.get(key, frozenset()), owners)
            for key, (item, owners) in self.world.crm.records(entity).items()
        ]

    def _items(self, link: str) -> list[Held]:
        names = self.names.by_key(Side.TARGET, link)
        read = self.world.mailboxes[link].items()
        return [
            Held({}, names.get(key, frozenset()), unreadable=str(item))
            if isinstance(item, ConnectorError)
            else Held(item.values, names.get(key, frozenset()))
            for key, item in read.items()
        ]

    def _writes(self) -> Counter[str]:
        kinds = [f"{side}.{operation}" for side in Side for operation in Operation]
        return +Counter({kind: sum(report.counts[kind] for report in self.reports) for kind in kinds})

    def _span(self, place: Place, *, key: bool = False) -> Span:
        return self.document.source.key_span(place) if key else self.document.source.span(place)


def _conflicts(world: World) -> Iterator[str]:
    return (conflict.field or WHOLE_ITEM for conflict in world.store.conflicts())


def _undecided(world: World) -> Iterator[str]:
    open_ones = world.store.conflicts(open_only=True)
    return (conflict.field or WHOLE_ITEM for conflict in open_ones if conflict.winner is None)


def _quarantined(world: World) -> Iterator[str]:
    return (each.code for each in world.store.quarantined())


_LISTS: Mapping[str, Callable[[World], Iterator[str]]] = {
    "conflicts": _conflicts,
    "held": _undecided,
    "quarantine": _quarantined,
}
