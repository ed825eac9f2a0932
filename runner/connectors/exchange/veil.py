"""Private items at the connector's edge (B-35): what a link may not see goes no further than here.

GetItem answers with every property that was asked for, whoever marked the item private: to ask for the sensitivity first
would double the requests of every pass. So the answer is read, and what is hidden is dropped with it, before any other
floor has seen it. Every codec's shape asks for ``item:Sensitivity``.
"""

from __future__ import annotations

from dataclasses import replace

from runner.connectors.exchange.attachments import Attached
from runner.connectors.exchange.codec import Decode
from runner.connectors.exchange.item import PRIVACY, SENSITIVITY
from runner.connectors.exchange.master import Master
from runner.connectors.exchange.names import Element, text_in
from runner.model.errors import ConnectorError, Invalid
from runner.model.items import Item, LinkRef
from runner.model.privacy import hides, is_private, masked


def veiling(decode: Decode, link: LinkRef) -> Decode:
    """The decoder of a link that hides private items; of any other one, the decoder as it is."""
    if not hides(link.private, link.entity):
        return decode

    def read(element: Element) -> Item | Master | Attached | ConnectorError:
        answer = decode(element)
        if isinstance(answer, Item):  # every decoder says an item's privacy
            return masked(answer, link) if is_private(answer.values) else answer
        privacy = PRIVACY.get(text_in(element, SENSITIVITY))
        if not is_private({"privacy": privacy}):
            return answer
        if isinstance(answer, Attached):  # what is attached is not even fetched
            answer = answer.bare
        if isinstance(answer, Item):
            return masked(answer, link)
        if isinstance(answer, Master):
            # What its exceptions say is hidden where they are read (``series``).
            return replace(
                answer, item=masked(replace(answer.item, values={**answer.item.values, "privacy": privacy}), link)
            )
        # The reason may quote what somebody typed, such as the name of a zone of his own.
        return Invalid("a private item that cannot be carried", code=answer.code)

    return read
