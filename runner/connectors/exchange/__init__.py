"""The Exchange connector: EWS through exchangelib, tamed. Nothing of exchangelib is visible outside this package.

What it is not: it never decides, never retries, never sleeps, and sends no mail of its own accord.
Invariant: a request is sent once, with its precondition if it writes, and ends as a result or as a classed error;
nothing of exchangelib is changed for other users of it in the same process.

From the wire up: ``names`` and ``text`` (XML), ``faults`` (the error classes), ``transport`` (sessions), ``mailbox`` and
``services`` (requests), ``zones`` and ``identity``, ``item`` (what all items have in common), ``decode`` and ``encode``
(appointments), ``codec`` and ``codecs`` (the entities), ``requests`` (what is sent of a write), ``feed`` and ``search``
(the two ways to look), ``subscribing``, ``streaming`` and ``listening`` (being told), ``autodiscover`` and ``directory``
(which server), ``connector`` (the ports).
"""

from runner.config.plan import ExchangePlan
from runner.connectors.exchange.connector import ExchangeConnector
from runner.model.ports import Meter, Places

__all__ = ["ExchangeConnector", "connect"]


def connect(
    plan: ExchangePlan, password: str, places: Places | None = None, meter: Meter | None = None
) -> ExchangeConnector:
    """The connector of one Exchange server. Sends nothing yet.

    ``password`` is the revealed secret; ``places`` keeps what Autodiscover finds out; ``meter`` is told of
    every request.

    Raises ``UsageError`` for an endpoint, CA file or version that cannot be used.
    """
    return ExchangeConnector(plan, password, places, meter)
