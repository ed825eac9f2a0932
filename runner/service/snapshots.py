"""What an operator's wish for a snapshot means (B-70). The same with and without a service."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from runner.config.plan import LinkPlan, SyncPlan
from runner.engine.report import PassReport
from runner.engine.selection import select_links
from runner.model.errands import Items, Range, Snapshot
from runner.model.errors import PlanStale, UsageError
from runner.model.ports import Store
from runner.model.state import Commit
from runner.model.terms import Operation, Side
from runner.service.acts import Operator
from runner.service.moments import moment_asked

GIVERS = {"send": Side.CRM, "get": Side.TARGET}
"""The two ways of a snapshot, each with the side that gives."""
_ENDS = ("modified_since", "modified_until", "start_since", "start_until")


@dataclass(frozen=True, slots=True)
class SnapshotWish:
    """The command's words. The ends of ranges are times (ISO, UTC unless they say otherwise) or lengths of time: ``2d`` is
    two days ago, for starts ``+2d`` is two days ahead. ``rate``: items a minute while it is carried
    out. ``approved``: the digest of the plan that was shown; with it the snapshot is carried out."""

    way: str
    links: tuple[str, ...]
    modified_since: str | None = None
    modified_until: str | None = None
    start_since: str | None = None
    start_until: str | None = None
    items: str = Items.BOTH
    deletes: bool = True
    rate: int | None = None
    allow: tuple[str, ...] = ()
    approved: str | None = None

    @property
    def allowed(self) -> frozenset[Operation]:
        """Operations whose guards are lifted for this once."""
        return frozenset(Operation(word) for word in self.allow)

    def as_plain(self) -> dict[str, Any]:
        """Plain data, for the control API."""
        return asdict(self)

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> SnapshotWish:
        """The wish in a request's body. Raises ``UsageError`` for what is none."""
        texts = {name: data.get(name) for name in (*_ENDS, "approved")}
        lists = {name: data.get(name) or [] for name in ("links", "allow")}
        way, items, rate = data.get("way"), data.get("items", Items.BOTH.value), data.get("rate")
        right = (
            way in GIVERS
            and items in list(Items)
            and (rate is None or (type(rate) is int and rate > 0))
            and all(isinstance(text, str | None) for text in texts.values())
            and all(isinstance(words, list) and all(isinstance(w, str) for w in words) for words in lists.values())
        )
        if not right:
            raise UsageError(
                "the request does not read: way is send or get, links a list of texts, ranges are texts, rate is a number"
            )
        return cls(
            str(way),
            tuple(lists["links"]),
            items=str(items),
            deletes=bool(data.get("deletes", True)),
            rate=rate,
            allow=tuple(lists["allow"]),
            **texts,
        )


def snapshot_asked(plan: SyncPlan, wish: SnapshotWish, now: datetime) -> tuple[Snapshot, Sequence[LinkPlan]]:
    """The errand, and the links that it concerns. Raises ``UsageError`` for a link or a range that is not there."""
    if not wish.links:
        raise UsageError(
            "a snapshot needs a TARGET or LINK: it overrides what one side holds",
            remedy="`exsync show links` lists them",
        )
    errand = Snapshot(
        giver=GIVERS[wish.way],
        modified=_range("modified", wish.modified_since, wish.modified_until, now),
        start=_range("start", wish.start_since, wish.start_until, now),
        items=Items(wish.items),
        deletes=wish.deletes,
        rate=wish.rate,
    )
    return errand, [link for link in select_links(plan, wish.links) if not link.folder.of_directory]


def _range(name: str, since: str | None, until: str | None, now: datetime) -> Range:
    ends = [
        None if text is None else moment_asked(text, now, f"--{name}-{word}")
        for word, text in (("since", since), ("until", until))
    ]
    if ends[0] is not None and ends[1] is not None and ends[0] >= ends[1]:
        raise UsageError(
            f"--{name}-since {since} to --{name}-until {until} is a range of no length: no item lies in it",
            remedy="let it end after it begins, or leave one end out",
        )
    return Range(*ends)


def planned_by(reports: Sequence[PassReport]) -> tuple[str, Mapping[str, frozenset[str]]]:
    """What a rehearsal would write: a digest that approves it, and by link the fingerprints of its changes."""
    prints = {report.link: sorted(report.prints or ()) for report in reports}
    digest = sha256(json.dumps(prints, sort_keys=True).encode()).hexdigest()
    return digest, {link: frozenset(found) for link, found in prints.items()}


def demand_approved(wish: SnapshotWish, digest: str) -> None:
    """Raise :class:`PlanStale` unless what would be written is what was shown."""
    if wish.approved != digest:
        raise PlanStale(
            "something has changed since the snapshot's plan was shown: nothing was written",
            remedy="give the same command again, and look at the new plan",
        )


def note_snapshot(store: Store, who: Operator, wish: SnapshotWish, run: str) -> None:
    """Keep who had what overridden."""
    ends = [f"{name}={getattr(wish, name)}" for name in _ENDS if getattr(wish, name)]
    told = [wish.items] if wish.items != Items.BOTH else []
    told += [*ends] + ([] if wish.deletes else ["no deletes"])
    told += [] if wish.rate is None else [f"{wish.rate} items a minute"]
    detail = ", ".join([f"run {run}", *told])
    store.commit(Commit(acts=(who.act(f"snapshot {wish.way}", ", ".join(wish.links), detail),)))
