"""A change set as one HTML page: no script, no link to anywhere, readable in any mail client. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from runner.model.printable import printable
from runner.model.terms import Operation
from runner.reconcile.changeset import ChangeSet, LinkChanges, field_lines
from runner.reconcile.ordering import Planned
from runner.reconcile.rendering import SYMBOLS, shown, summary

PER_LINK = 200
"""Changes of one link that are listed."""
STYLE = (
    "body{font:14px/1.5 system-ui,sans-serif;margin:2em;max-width:75em;color:#1c2733}"
    "table{border-collapse:collapse;margin:.6em 0}th,td{border:1px solid #d5dbe1;padding:.25em .6em;text-align:left;"
    "vertical-align:top}td.n{text-align:right}code{font-size:12.5px}.delete{background:#fdecea}.create{background:#eaf6ec}"
    "summary{cursor:pointer;font-weight:600}.stop{color:#a4262c}"
)


def page(changes: ChangeSet, title: str = "exsync plan", notes: Sequence[str] = ()) -> str:
    """The whole page; ``notes`` are lines of text that stand above the change set."""
    return "\n".join(_page(changes, title, notes)) + "\n"


def _page(changes: ChangeSet, title: str, notes: Sequence[str]) -> Iterator[str]:
    yield f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
    yield f"<style>{STYLE}</style></head><body><h1>{escape(title)}</h1>"
    if notes:
        yield "<pre>" + "\n".join(_text(line) for line in notes) + "</pre>"
    yield f"<p><strong>{_text(summary(changes))}</strong></p>"
    yield "<table><tr><th>link</th>" + "".join(f"<th>{o}</th>" for o in Operation)
    yield "<th>conflicts</th><th>mail</th><th>stopped by</th></tr>"
    for link in changes.links:
        numbers = "".join(f'<td class="n">{link.writes().get(operation, 0)}</td>' for operation in Operation)
        codes = ", ".join(sorted({trip.code for trip in link.trips})) or ("an error" if link.error else "")
        mail = link.counts.get("mail", 0) + link.counts.get("mail_held", 0)
        yield f"<tr><td>{_text(link.link)}</td>{numbers}<td class=n>{len(link.clashes)}</td><td class=n>{mail}</td>"
        yield f'<td class="stop">{_text(codes)}</td></tr>'
    yield "</table>"
    for link in changes.links:
        if not link.quiet:
            yield from _link(link)
    yield "</body></html>"


def _link(link: LinkChanges) -> Iterator[str]:
    yield f"<details open><summary>{_text(link.link)}</summary>"
    if link.error:
        yield f'<p class="stop">{_text(link.error)}</p>'
    if link.remedy:
        yield f"<p>What to do: {_text(link.remedy)}</p>"
    for trip in link.trips:
        yield f'<p class="stop">{_text(str(trip))} {_text(trip.remedy)}</p>'
    if link.changes:
        yield "<table><tr><th></th><th>side</th><th>item</th><th>change</th><th>because</th><th>rule</th></tr>"
        yield from (_row(planned) for planned in link.changes[:PER_LINK])
        yield "</table>"
    rest = link.omitted + max(0, len(link.changes) - PER_LINK)
    if rest:
        yield f"<p>… and {rest} more</p>"
    for each in link.clashes[:PER_LINK]:
        unit = each.clash.unit or "edit against delete"
        yield f"<p>conflict in {_text(unit)} of {_text(shown(each.label.title))}  <code>{_text(each.clash.rule)}</code></p>"
    for heading, noted in (("detached", link.detached), ("drifted", link.drifted), ("quarantined", link.quarantined)):
        for one in noted[:PER_LINK]:
            yield f"<p>{heading}: {_text(shown(one.label.title))}: {_text(one.reason)}</p>"
    yield "</details>"


def _row(planned: Planned) -> str:
    change = planned.change
    lines = field_lines(planned)
    if change.operation is Operation.UPDATE:
        what = "<br>".join(f"<code>{_text(f'{n.field}: {shown(n.before)} → {shown(n.after)}')}</code>" for n in lines)
    else:
        create = change.operation is Operation.CREATE
        what = ", ".join(f"<code>{_text(f'{n.field} {shown(n.after if create else n.before)}')}</code>" for n in lines)
    return (
        f'<tr class="{change.operation}"><td>{SYMBOLS[change.operation]}</td><td>{change.side}</td>'
        f"<td>{_text(shown(planned.label.title))}</td><td>{what}</td><td>{_text(change.reason)}</td>"
        f"<td><code>{_text(change.rule)}</code></td></tr>"
    )


def _text(raw: str) -> str:
    return escape(printable(raw))
