"""The codec of each entity that the connector carries."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from runner.connectors.exchange import decode, encode, identity
from runner.connectors.exchange.codec import Codec
from runner.model.terms import Entity

APPOINTMENTS = Codec("CalendarItem", decode.item_shape, decode.Decoder, encode.properties, encode.ORDER, identity.UID)

CODECS: Mapping[Entity, Codec] = MappingProxyType({Entity.SCHEDULE_ITEM: APPOINTMENTS})
