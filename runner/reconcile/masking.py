"""Change sets without personal data, for pull requests and mail: what changes and why, never whose words. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from runner.model.record import Fields
from runner.reconcile.changeset import ChangeSet, Clashing, LinkChanges, Noted
from runner.reconcile.ordering import Label, Planned

PLAIN = frozenset(
    {
        *("start", "time_zone", "duration", "show_without_time", "recurrence_rule", "due", "completed"),
        *("priority", "privacy", "free_busy_status", "status", "percent_complete", "alert", "alert_at", "regenerates"),
    }
)
"""Record fields that say nothing about anybody: when, how busy, how far. Every other value is masked."""
MASK = "•••"


def masked(changes: ChangeSet) -> ChangeSet:
    """The same change set with a mask over every title and every personal value."""
    return ChangeSet(tuple(_link(link) for link in changes.links))


def _link(link: LinkChanges) -> LinkChanges:
    return replace(
        link,
        changes=tuple(_planned(each) for each in link.changes),
        clashes=tuple(_clashing(each) for each in link.clashes),
        detached=_noted(link.detached),
        drifted=_noted(link.drifted),
        left=_noted(link.left),
        quarantined=tuple(_unsaid(each) for each in link.quarantined),
    )


def _planned(each: Planned) -> Planned:
    change = each.change
    before = None if change.before is None else _fields(change.before)
    return Planned(_label(each.label), replace(change, values=_fields(change.values), before=before))


def _clashing(each: Clashing) -> Clashing:
    clash = each.clash
    base, crm, target = (None if one is None else _fields(one) for one in (clash.base, clash.crm, clash.target))
    return Clashing(_label(each.label), replace(clash, base=base, crm=crm, target=target))


def _noted(noted: Iterable[Noted]) -> tuple[Noted, ...]:
    return tuple(replace(each, label=_label(each.label)) for each in noted)


def _unsaid(each: Noted) -> Noted:
    """A fault's code without its words, which quote what they cannot carry."""
    return Noted(_label(each.label), f"{each.reason.partition(':')[0]}: {MASK}")


def _label(label: Label) -> Label:
    return replace(label, title=MASK)


def _fields(fields: Fields) -> Fields:
    return {name: value if name in PLAIN or value is None else MASK for name, value in fields.items()}
