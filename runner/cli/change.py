"""``exsync plan --base``: what a change of the configuration does, told before it is merged (B-100)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import click

from runner.cli.alike import lines
from runner.cli.base import base_of
from runner.cli.comparison import Comparison, compare, concerns
from runner.cli.context import Context, Session, reveal
from runner.cli.opening import open_target
from runner.cli.rehearsing import rehearsed
from runner.config import Loaded, load
from runner.config.plan import LdapPlan, SyncPlan
from runner.engine.growing import Sources, grow
from runner.engine.runs import Runner
from runner.engine.selection import select_links
from runner.model.errors import ConfigurationInvalid
from runner.model.ports import TargetConnector
from runner.reconcile.causing import caused
from runner.reconcile.changeset import ChangeSet
from runner.reconcile.figures import COLUMNS, Contrast, contrasts
from runner.reconcile.masking import masked
from runner.reconcile.page import page
from runner.reconcile.rendering import COMMENT, details, summary, text

_ROWS = 100
"""Links of which a comment shows the figures."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The command's words."""

    base: str
    links: tuple[str, ...]
    output: str
    personal: bool
    offline: bool
    differences: bool


@dataclass(frozen=True, slots=True)
class _Told:
    """What there is to tell: what the files say and, where both sides were asked, the next pass under either
    configuration and what the newer one brings about."""

    comparison: Comparison
    online: bool
    old: ChangeSet
    new: ChangeSet

    @property
    def brought(self) -> ChangeSet:
        """What would be done under the new configuration and not under the old one."""
        return caused(self.old, self.new)

    @property
    def contrasted(self) -> list[Contrast]:
        """Links whose next pass does anything under either."""
        return list(contrasts(self.old, self.new))

    @property
    def head(self) -> list[str]:
        """Both passes in a line each."""
        return [f"Next pass before: {summary(self.old)}", f"Next pass after:  {summary(self.new)}"]


def compared(context: Context, asked: Asked) -> int:
    """Compare, tell, and answer with the exit code."""
    after = _sound(load(context.root))
    with base_of(context.root, asked.base) as before:
        comparison = compare(_sound(before), after)
        online = not asked.offline and bool(comparison.links)
        old, new = _both(context, asked, _plan(before), comparison) if online else (ChangeSet(), ChangeSet())
    told = _Told(comparison, online, *(one if asked.personal else masked(one) for one in (old, new)))
    click.echo(_RENDERINGS[asked.output](told), nl=False)
    if any(link.error for link in new.links):
        return 1
    return 2 if asked.differences and (caused(old, new).outstanding or comparison.different) else 0


def _sound(loaded: Loaded) -> Loaded:
    _plan(loaded)
    return loaded


def _plan(loaded: Loaded) -> SyncPlan:
    if loaded.plan is None:
        raise ConfigurationInvalid(loaded.diagnostics, loaded.texts)
    return loaded.plan


def _both(context: Context, asked: Asked, before: SyncPlan, comparison: Comparison) -> tuple[ChangeSet, ChangeSet]:
    """What the next pass would do under the old and under the new configuration, on the links that are concerned. While a
    service has the state, on a copy of it."""
    with context.spare() as spare, spare.session() as session, _earlier(session, before) as earlier:
        runners = (earlier, session.runner)
        every = {**earlier.plan.links, **session.plan.links}
        chosen = select_links(replace(session.plan, links=MappingProxyType(every)), asked.links)
        names = {link.name for link in chosen if concerns(comparison, link)}
        mine = [tuple(name for name in runner.plan.links if name in names) for runner in runners]
        reports = [rehearsed(runner, each) if each else [] for runner, each in zip(runners, mine, strict=True)]
    old, new = (ChangeSet(tuple(report.as_changes() for report in each)) for each in reports)
    return old, new


@contextmanager
def _earlier(session: Session, before: SyncPlan) -> Iterator[Runner]:
    """A runner of the earlier configuration over the session's state. A side that both describe differently is read as
    each describes it; where it lies and how to log on is as it is now."""
    runner = session.runner
    opened: dict[str, TargetConnector] = {}

    def target(name: str) -> TargetConnector:
        now, then = session.plan.targets[name], before.targets.get(name)
        if not isinstance(now, LdapPlan) or not isinstance(then, LdapPlan) or now == then:
            return runner.targets(name)
        if name not in opened:
            opened[name] = open_target(replace(then, auth=now.auth, rule=now.rule), reveal, runner.clock)
        return opened[name]

    same = before.crm.entities == session.plan.crm.entities
    crm = (
        runner.crm if same else session.context.crm(replace(before, crm=replace(before.crm, url=session.plan.crm.url)))
    )
    try:
        kept = MappingProxyType(
            {name: link for name, link in before.links.items() if link.target in session.plan.targets}
        )
        lists = tuple(
            each for each in before.generated if {link.target for link in each.links} <= session.plan.targets.keys()
        )
        plan = replace(before, links=kept, generated=lists)
        plan = grow(plan, session.store.links(), Sources(lambda: crm, target)).plan
        yield Runner(plan, session.store, crm, target, runner.clock, runner.rng)
    finally:
        for connector in opened.values():
            connector.close()
        if not same:
            crm.close()


def _as_text(told: _Told) -> str:
    out = [*lines(told.comparison), ""]
    if not told.online:
        return "\n".join(out)
    rows = [("LINK", *map(str.upper, COLUMNS), "STOPPED BY")]
    rows += [(each.link, *each.cells, each.stopped) for each in told.contrasted]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    out += [*told.head, *(["", *table] if len(rows) > 1 else []), "", "Brought about by it:", "", ""]
    loud = _loud(told.brought)
    return "\n".join(out) + (text(loud) if loud.links else f"{summary(told.brought)}\n")


def _loud(changes: ChangeSet) -> ChangeSet:
    """Only links of which there is anything to tell."""
    return ChangeSet(tuple(link for link in changes.links if not link.quiet or link.counts.get("mail_held")))


def _as_markdown(told: _Told) -> str:
    said = "\n".join(lines(told.comparison))
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", said)), default=0))
    if len(said) > COMMENT // 2:
        said = (
            said[: COMMENT // 2].rpartition("\n")[0]
            + "\n… more than a comment has room for: `exsync plan --base` tells all"
        )
    out = f"### exsync: what this change of the configuration does\n\n{fence}diff\n{said}\n{fence}\n"
    if not told.online:
        return out
    rows = told.contrasted
    table = [f"| link | {' | '.join(COLUMNS)} | stopped by |", f"|---|{'--:|' * len(COLUMNS)}---|"]
    table += [f"| `{each.link}` | {' | '.join(each.cells)} | {each.stopped} |" for each in rows[:_ROWS]]
    table += [f"| … and {len(rows) - _ROWS:,} more |{' |' * (len(COLUMNS) + 1)}"] if len(rows) > _ROWS else []
    out += "\n" + "  \n".join(told.head) + "\n\n" + ("\n".join([*table, "", ""]) if rows else "")
    out += f"Brought about by it:\n\n**{summary(told.brought)}**\n"
    return out + details(told.brought, COMMENT - len(out))


def _as_json(told: _Told) -> str:
    data: dict[str, Any] = {"configuration": told.comparison.as_dict(), "online": told.online}
    if told.online:
        data |= {"before": told.old.as_dict(), "after": told.new.as_dict(), "caused": told.brought.as_dict()}
    return json.dumps(data, ensure_ascii=False, indent=2, default=str) + "\n"


def _as_html(told: _Told) -> str:
    notes: Sequence[str] = [*lines(told.comparison), *(["", *told.head] if told.online else [])]
    title = "What this change of the configuration does"
    if not told.online:
        return page(ChangeSet(), title, notes)
    return page(told.brought, title, notes, told.contrasted)


_RENDERINGS = {"text": _as_text, "markdown": _as_markdown, "json": _as_json, "html": _as_html}
