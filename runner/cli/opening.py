"""How each kind of target is opened. A connector's package is imported when the first of its kind is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from runner.config.plan import ExchangePlan, LdapPlan, TargetPlan
from runner.config.secrets import SecretRef
from runner.model.ports import Clock, Meter, Places, TargetConnector

Reveal = Callable[[str | SecretRef], str]


def _exchange(
    plan: ExchangePlan, reveal: Reveal, clock: Clock, places: Places | None, meter: Meter | None
) -> TargetConnector:
    from runner.connectors.exchange import connect

    return connect(plan, reveal(plan.auth.password) if plan.auth.password else "", places, meter)


def _ldap(plan: LdapPlan, reveal: Reveal, clock: Clock, places: Places | None, meter: Meter | None) -> TargetConnector:
    from runner.connectors.ldap import connect

    return connect(plan, reveal(plan.auth.password) if plan.auth.password else None, clock=clock, meter=meter)


_KINDS: Mapping[type, Callable[[Any, Reveal, Clock, Places | None, Meter | None], TargetConnector]] = MappingProxyType(
    {ExchangePlan: _exchange, LdapPlan: _ldap}
)


def open_target(
    plan: TargetPlan, reveal: Reveal, clock: Clock, places: Places | None = None, meter: Meter | None = None
) -> TargetConnector:
    """A target's connector; its secret is read at this moment. Nothing is sent before the first call.

    ``places`` keeps where an Exchange target's mailboxes live (B-16); ``meter`` is told of its requests.
    """
    return _KINDS[type(plan)](plan, reveal, clock, places, meter)
