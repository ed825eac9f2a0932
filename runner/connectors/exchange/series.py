"""A series as one record: the master, then its exceptions in batches (``GetItem`` by their ids), folded into overrides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from runner.connectors.exchange.decode import Decoder, item_shape
from runner.connectors.exchange.item import PRIVACY, SENSITIVITY
from runner.connectors.exchange.mailbox import Mailbox
from runner.connectors.exchange.master import Master, with_overrides
from runner.connectors.exchange.names import Element, add, root
from runner.connectors.exchange.services import GetItem
from runner.model.errors import ConnectorError, Gone, Invalid, ProtocolFault, Transient
from runner.model.items import Item, LinkRef
from runner.model.overrides import canonical_overrides, patch_of, patches_of
from runner.model.privacy import PRIVATE, VISIBLE, hides, masked
from runner.model.record import Fields


def read_series(mailbox: Mailbox, link: LinkRef, master: Master, batch: int) -> Item | ConnectorError:
    """The whole series, or the ``Invalid`` in its place when one of its occurrences cannot be carried.

    What a link may not see of a private series, or of a private occurrence of an open one, is dropped here (B-35).
    An exception that is gone by the time it is asked for means that the series changed meanwhile: ``Transient``.
    """
    item = master.item
    patches: dict[str, Fields] = dict(patches_of(item.values))
    days = list(master.exceptions)
    for first in range(0, len(days), batch):
        part = days[first : first + batch]
        for day, answer in zip(part, _exceptions(mailbox, link, item, master, part), strict=True):
            if isinstance(answer, Gone):
                return Transient("the series changed while it was read", code="series-moved")
            if isinstance(answer, Invalid) and item.masked:
                return Invalid("a private item that cannot be carried", code=answer.code)
            if isinstance(answer, Invalid):
                return Invalid(f"the occurrence of {day}: {answer}", code=answer.code, remedy=answer.remedy)
            if isinstance(answer, ConnectorError):
                return answer
            patches[day] = patch_of(item.values, day, answer)
    return masked(replace(item, values=with_overrides(item, canonical_overrides(item.values, patches))), link)


def _exceptions(
    mailbox: Mailbox, link: LinkRef, item: Item, master: Master, days: Sequence[str]
) -> list[Fields | ConnectorError]:
    request = root("GetItem")
    request.append(item_shape(link.record_fields, occurrence=True))
    wanted = add(request, "m:ItemIds")
    for day in days:
        add(wanted, "t:ItemId", Id=master.exceptions[day])
    decode = Decoder(link)
    answers: list[Element | ConnectorError] = GetItem(mailbox).ask(request)
    if len(answers) != len(days):
        raise ProtocolFault(f"GetItem answered {len(answers)} times for {len(days)} items", code="answers-missing")
    return [
        answer
        if isinstance(answer, ConnectorError)
        else _seen(decode.occurrence(answer, item.values, day), answer, link)
        for day, answer in zip(days, answers, strict=True)
    ]


def _seen(answer: Fields | ConnectorError, element: Element, link: LinkRef) -> Fields | ConnectorError:
    """What a link may see of an exception: of one that is private by itself its time alone."""
    hidden = PRIVACY.get(element.findtext(SENSITIVITY)) in PRIVATE and hides(link.private, link.entity)
    if isinstance(answer, ConnectorError) or not hidden:
        return answer
    return {name: value for name, value in answer.items() if name in VISIBLE}
