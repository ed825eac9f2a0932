"""The codec of each entity that the connector carries."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from runner.connectors.exchange import contact, decode, encode, identity, task
from runner.connectors.exchange.codec import Advance, Codec
from runner.model.terms import Entity

APPOINTMENTS = Codec("CalendarItem", decode.item_shape, decode.Decoder, encode.properties, encode.ORDER, identity.UID)
TASKS = Codec(
    "Task",
    task.item_shape,
    task.Decoder,
    task.properties,
    task.ORDER,
    identity.KEY,
    # The CRM's record of a recurring task is all of it: its deletion is not that of one occurrence.
    deletion={"AffectedTaskOccurrences": "AllOccurrences"},
    advance=Advance(task.may_move_on, task.moves_on, {"AffectedTaskOccurrences": "SpecifiedOccurrenceOnly"}),
)
CONTACTS = Codec("Contact", contact.item_shape, contact.Decoder, contact.properties, contact.ORDER, identity.KEY)

CODECS: Mapping[Entity, Codec] = MappingProxyType(
    {Entity.SCHEDULE_ITEM: APPOINTMENTS, Entity.TASK: TASKS, Entity.CONTACT: CONTACTS}
)
