"""The parts that a pass works with, and what it works on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.config.compile import ALERTS, FILES
from runner.config.plan import LinkPlan
from runner.model.errors import ConnectorError, Invalid
from runner.model.files import ATTACHMENTS
from runner.model.items import Item, LinkRef
from runner.model.ports import Clock, CrmConnector, Rng, Store, TargetConnector
from runner.model.record import Fields
from runner.model.terms import Side
from runner.reconcile.authority import Circle

STEP = 1024
"""Marks that one step of a pass takes: what is held in memory at a time, and what one commit covers."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What one pass uses: the ports, and who else is synchronised."""

    store: Store
    crm: CrmConnector
    target: TargetConnector
    clock: Clock
    rng: Rng
    circles: Mapping[str, Circle] = field(default_factory=dict)
    """Who is synchronised, as each link sees it, for meetings (B-41)."""


def _unwanted(link: LinkPlan) -> frozenset[str]:
    """Reminders and attachments of a link that does not keep them in step: they are not even asked for (B-43, B-45)."""
    wanted = {unit.fields for unit in link.rules.units}
    return frozenset(name for fields in ALERTS + FILES if fields not in wanted for name in fields)


_UNMANAGED = frozenset({"template", "managed", "directory"})
"""Record fields of a directory whose CRM fields may be edited: what a template gave is the CRM's from then on."""


def _managed(link: LinkPlan) -> frozenset[str]:
    """The CRM fields that come from a directory alone (B-81)."""
    fields = [name for unit in link.rules.units if unit.direction.writes(Side.CRM) for name in unit.fields]
    return link.mapping.inbound_fields(frozenset(fields) - _UNMANAGED)


def ref_of(link: LinkPlan, owner: str | None) -> LinkRef:
    """What connectors need to know of a link whose user has this CRM key."""
    return LinkRef(
        name=link.name,
        target=link.target,
        user=link.user,
        folder=link.folder,
        entity=link.entity,
        time_zone=link.time_zone,
        record_fields=link.mapping.record_fields - _unwanted(link),
        crm_fields=link.mapping.crm_fields,
        owner=owner,
        private=link.private,
        files=link.files if (ATTACHMENTS,) in {unit.fields for unit in link.rules.units} else None,
        managed=_managed(link) if link.folder.of_directory else frozenset(),
    )


def mapped(link: LinkPlan, side: Side, item: Item | ConnectorError) -> Fields | None:
    """An item in record fields; None where there is none, or none that can be mapped."""
    if not isinstance(item, Item):
        return None
    if side is Side.TARGET:
        return item.values
    try:
        return link.mapping.outbound(item.values)
    except Invalid:
        return None


def record_of(link: LinkPlan, side: Side, item: Item) -> Fields:
    """An item in record fields; what cannot be mapped has none."""
    return mapped(link, side, item) or {}
