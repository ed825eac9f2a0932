"""Who takes part in a case, and the plan of the configuration as far as it concerns them: no server, no file, no secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from runner.config.plan import ExchangePlan, GeneratedLinks, LinkPlan, SyncPlan
from runner.engine.growing import Listing, Sources, grow
from runner.model.errors import UsageError
from runner.model.ports import CrmConnector, TargetConnector


def users_of(data: Mapping[str, Any], case: Mapping[str, Any]) -> tuple[str, ...]:
    """The users of a case, lower case: those that it or its file lists, else those whom it mentions."""
    listed = case.get("users", data.get("users"))
    return tuple(sorted({user.lower() for user in (_mentioned(case) if listed is None else listed)}))


def _mentioned(value: Any) -> Iterator[str]:
    """Owners, and the users of links, wherever a case names them."""
    if isinstance(value, list):
        for each in value:
            yield from _mentioned(each)
    elif isinstance(value, dict):
        for key, each in value.items():
            if key in ("owner", "user") and isinstance(each, str):
                yield each
            elif key == "owners" and isinstance(each, list):
                yield from each
            elif key == "links" and isinstance(each, list):
                yield from (user for name in each if (user := user_of(name)))
            elif key in ("link", "target") and isinstance(each, str):
                yield from filter(None, [user_of(each)])
            elif key == "target" and isinstance(each, dict):
                yield from (user for name in each if (user := user_of(name)))
            if key != "fields":
                yield from _mentioned(each)


def owners_of(item: Mapping[str, Any]) -> tuple[str, ...]:
    """Who holds a record, or shall hold it, lower case: ``owner``, or several ``owners``."""
    named = item.get("owners", [item["owner"]] if "owner" in item else [])
    return tuple(address.lower() for address in named)


def user_of(link: str) -> str | None:
    """The user in a link's name, None where there is none in it."""
    return next((part for part in link.split("/") if "@" in part), None)


def cast(plan: SyncPlan, users: tuple[str, ...]) -> SyncPlan:
    """The plan for these users alone: their links to Exchange, nothing paused, and lists of people read as themselves.

    A list (``generate:``) is not read: each of the users is on it, so that a case needs no directory and no CRM for that.
    """
    targets = {name: target for name, target in plan.targets.items() if isinstance(target, ExchangePlan)}
    mine = replace(
        plan,
        crm=replace(plan.crm, paused=False),
        targets=MappingProxyType({name: replace(target, paused=False) for name, target in targets.items()}),
        links=_unpaused(plan.links, users),
        shadows=_unpaused(plan.shadows, users),
    )
    grown = grow(mine, {}, _Listed(_none, _none_named, users)).plan
    return replace(grown, links=_of(grown.links, targets), shadows=_of(grown.shadows, targets), generated=())


@dataclass(frozen=True, slots=True)
class _Listed(Sources):
    """Every list has the users of the case on it."""

    users: tuple[str, ...]

    def read(self, plan: SyncPlan, generated: GeneratedLinks) -> Listing:
        return Listing(list(self.users))


def _unpaused(links: Mapping[str, LinkPlan], users: tuple[str, ...]) -> Mapping[str, LinkPlan]:
    found = {name: replace(link, paused=False) for name, link in links.items() if link.user in users}
    return MappingProxyType(found)


def _of(links: Mapping[str, LinkPlan], targets: Mapping[str, ExchangePlan]) -> Mapping[str, LinkPlan]:
    found = {name: replace(link, paused=False) for name, link in links.items() if link.target in targets}
    return MappingProxyType(found)


def _none() -> CrmConnector:
    raise UsageError("a case reads no list")


def _none_named(_target: str) -> TargetConnector:
    raise UsageError("a case reads no list")
