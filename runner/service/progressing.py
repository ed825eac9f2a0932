"""How far long work on links has come, as plain data: snapshots by slices and first syncs that grow (B-70, B-71)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from runner.config.durations import duration_text
from runner.config.plan import LinkPlan, SyncPlan
from runner.model.headway import Headway, Stage
from runner.model.terms import Side
from runner.service.views import Data, status_view, text_of
from runner.store import DuckStore
from runner.store.growths import Grown

_WAYS = {Side.CRM: "send", Side.TARGET: "get"}


def standing_view(store: DuckStore, plan: SyncPlan, now: datetime) -> Data:
    """The state as it stands (:func:`~runner.service.views.status_view`), each link with what is under way on it."""
    told = status_view(store, plan)
    progress = progress_view(store, plan, now)
    for link in told["links"]:
        if "step" in link:
            link["growing"] = growing(plan.links.get(link["name"]), link["step"])
            link["progress"] = progress.get(link["name"])
    return told


def progress_view(store: DuckStore, plan: SyncPlan, now: datetime) -> Mapping[str, Data]:
    """By link, what is under way."""
    told = {
        name: growth_progress(grown, plan.links[name], store.link(name).step, now)
        for name, grown in store.growths().items()
        if name in plan.links and plan.links[name].expand is not None
    }
    return told | {name: snapshot_progress(at, now) for name, at in store.headways().items()}


def snapshot_progress(at: Headway, now: datetime) -> Data:
    """One snapshot's progress. ``per_minute`` is how fast it has been so far."""
    what, rate = f"snapshot {_WAYS[at.errand.giver]}", at.errand.rate
    speed = round(at.per_minute(now), 1)
    doing = "items counted" if at.stage is Stage.COUNTING else "items given"
    limit = f", at most {rate:,} a minute" if rate else ""
    return {
        "what": what,
        "stage": at.stage.value,
        "done": at.done,
        "of": at.due,
        "started": text_of(at.started),
        "rate": rate,
        "per_minute": speed,
        "go_on": text_of(at.go_on),
        "reason": at.reason,
        "run": at.run,
        "told": f"{what}: {_done(at.done, at.due, doing, at.started, speed)}{limit}{f': {at.reason}' if at.reason else ''}",
    }


def growth_progress(grown: Grown, link: LinkPlan, step: int, now: datetime) -> Data:
    """One first sync's progress: what waits is counted by items as far as they are known."""
    assert link.expand is not None  # noqa: S101 - the caller asks for such links only
    total, rate = grown.done + grown.waiting + grown.beyond, link.expand.per_minute
    minutes = 0.0 if grown.started is None else (now - grown.started).total_seconds() / 60
    speed = round(grown.done / minutes, 1) if minutes > 0 else 0.0
    waits = [f"{number:,} {where}" for number, where in _waiting(grown) if number]
    limit = [f"at most {rate:,} a minute"] if rate else []
    done = _done(grown.done, total, "items in step", grown.started, speed)
    return {
        "what": "first sync",
        "stage": f"window {step} of at most {link.expand.steps}",
        "done": grown.done,
        "of": total,
        "started": text_of(grown.started),
        "rate": rate,
        "per_minute": speed,
        "go_on": None,
        "reason": None,
        "run": None,
        "told": ", ".join([f"{growing(link, step)}: {done}", *waits, *limit]),
    }


def growing(link: LinkPlan | None, step: int) -> str | None:
    """How far a first sync that grows has come, for people; None when it does not (B-71)."""
    if not step or link is None or link.expand is None:
        return None
    reach = link.expand.reach(step, link.window.past, link.window.future)
    past, future = ("without end" if length is None else duration_text(length) for length in reach)
    return f"the first sync grows: window {step} of at most {link.expand.steps}, {past} back, {future} ahead"


def _waiting(grown: Grown) -> tuple[tuple[int, str], ...]:
    return (grown.waiting, "wait for their turn"), (grown.beyond, "for a wider window")


def _done(done: int, due: int, doing: str, started: datetime | None, speed: float) -> str:
    begun = f", begun {started:%Y-%m-%d %H:%M} UTC" if started else ""
    return f"{done:,} of {due:,} {doing}{begun}, {speed:,.0f} a minute so far"
