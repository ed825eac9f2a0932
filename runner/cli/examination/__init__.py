"""The round of ``exsync doctor``: which probes are made in which order, and which verdict judges each.

What it is: the joining of the connectors' probes with the verdicts of ``runner.engine.checkup``. What it is not: a place
where anything is judged. Invariant: nothing is written to the CRM, to a target or to the state, which is not even opened (a
service may have it); what fails ends its own subject's checks where later ones could only fail alike, never another's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from runner.cli.examination.asked import Asked, Examined
from runner.cli.examination.crm import examine_crm
from runner.cli.examination.directory import examine_directory
from runner.cli.examination.exchange import examine_exchange
from runner.cli.examination.here import examine_here
from runner.config.plan import ExchangePlan, LdapPlan
from runner.model.checkup import Diagnosis, refused, sound
from runner.model.errors import ExsyncError, UsageError

__all__ = ["Asked", "Examined", "examine"]

_KINDS: Mapping[type, Callable[..., Iterable[Diagnosis]]] = {
    ExchangePlan: examine_exchange,
    LdapPlan: examine_directory,
}


def examine(examined: Examined) -> Iterator[Diagnosis]:
    """Every diagnosis, as soon as it is known. Raises ``UsageError`` for a target that does not exist."""
    plan, asked = examined.plan, examined.asked
    _demand_known(examined)
    if not asked.targets:
        yield from examine_here(examined)
    if asked.wants(plan.crm.name):
        yield from _guarded(plan.crm.name, lambda: examine_crm(examined))
    for name, target in plan.targets.items():
        if not asked.wants(name):
            continue
        if not target.enabled:
            yield sound(name, "enabled", "disabled in YAML: not looked at")
            continue
        kind = _KINDS[type(target)]
        yield from _guarded(name, lambda kind=kind, target=target: kind(examined, target))  # type: ignore[misc]


def _guarded(subject: str, probe: Callable[[], Iterable[Diagnosis]]) -> Iterator[Diagnosis]:
    try:
        yield from probe()
    except ExsyncError as error:
        yield refused(subject, "connection", error)


def _demand_known(examined: Examined) -> None:
    known = [examined.plan.crm.name, *examined.plan.targets]
    for name in (*examined.asked.targets, *filter(None, examined.asked.outside)):
        if name not in known:
            raise UsageError(f"no target is called {name!r}", remedy=f"there are {', '.join(known)}")
    linked = {link.user for link in examined.plan.links.values()}
    for address in examined.asked.outside.values():
        if address in linked:
            raise UsageError(
                f"{address} has links, so its mailbox is inside the scope",
                remedy="name a mailbox that is not synchronised",
            )
