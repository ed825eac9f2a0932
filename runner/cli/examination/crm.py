"""The CRM: that it answers and is as described, what the account may do, whether the printed DDL is there unaltered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from runner.cli.context import reveal
from runner.cli.examination.asked import Examined
from runner.connectors.crm import connect
from runner.engine.checkup.crm import judged
from runner.model.checkup import Diagnosis, sound
from runner.model.terms import Side


def examine_crm(examined: Examined) -> Iterator[Diagnosis]:
    """Raises what connecting and looking up the description raises."""
    plan = examined.plan
    links = [*plan.links.values(), *(link for each in plan.generated for link in each.links)]
    written = {link.entity for link in links if link.enabled and link.rules.direction.writes(Side.CRM)}
    with closing(connect(plan.crm, reveal(plan.crm.url), clock=examined.clock)) as connector:
        connector.check()
        yield sound(plan.crm.name, "connection", "answers; every table and column of the description is there")
        yield from judged(plan.crm.name, connector.examined(written))
