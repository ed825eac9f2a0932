"""The last outbound step of entities whose fields say something about each other: the whole record in canonical form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from runner.mapping.source import MappingSource
from runner.mapping.steps import REMEDY, Step
from runner.model.errors import Invalid
from runner.model.record import Fields, Value
from runner.model.tasks import settle_task
from runner.model.terms import Entity

_RULES: Mapping[Entity, Callable[[dict[str, Value]], None]] = MappingProxyType({Entity.TASK: settle_task})


def settled(entity: Entity, source: MappingSource) -> tuple[Step, ...]:
    """The step that settles a record of this entity, if it needs one."""
    settle = _RULES.get(entity)
    if settle is None:
        return ()
    place = f"{source.span(())}: {entity}"

    def step(_crm: Fields, record: dict[str, Value]) -> None:
        try:
            settle(record)
        except (ValueError, OverflowError) as error:
            raise Invalid(f"{place}: {error}", code="mapping", remedy=REMEDY) from None

    return (step,)
