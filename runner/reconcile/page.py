"""A change set as one HTML page: no script, no link to anywhere, readable in any mail client. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from runner.model.printable import printable
from runner.model.terms import Operation
from runner.reconcile.changeset import ChangeSet, LinkChanges, field_lines
from runner.reconcile.figures import COLUMNS, Contrast, figures, stopped_by
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


def page(
    changes: ChangeSet,
    title: str = "exsync plan",
    notes: Sequence[str] = (),
    contrasted: Sequence[Contrast] | None = None,
) -> str:
    """The whole page; ``notes`` are lines of text that stand above the change set. With ``contrasted`` (links under two
    configurations) the change set is what the newer one brings about."""
    return "\n".join(_page(changes, title, notes, contrasted)) + "\n"


def _page(changes: ChangeSet, title: str, notes: Sequence[str], contrasted: Sequence[Contrast] | None) -> Iterator[str]:
    yield f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
    yield f"<style>{STYLE}</style></head><body><h1>{escape(title)}</h1>"
    if notes:
        yield "<pre>" + "\n".join(_text(line) for line in notes) + "</pre>"
    if contrasted:
        yield "<h2>The next pass, before → after</h2>"
        yield from table((each.link, each.cells, each.stopped) for each in contrasted)
    if contrasted is not None:
        yield "<h2>Brought about by it</h2>"
    if changes.links or not notes:
        yield f"<p><strong>{_text(summary(changes))}</strong></p>"
    if contrasted is None and changes.links:
        yield from table((link.link, figures(link), stopped_by(link)) for link in changes.links)
    for link in changes.links:
        if not link.quiet:
            yield from _link(link)
    yield "</body></html>"


def table(rows: Iterable[tuple[str, Sequence[str], str]]) -> Iterator[str]:
    """A table of links: name, figures, what stops it."""
    yield "<table><tr><th>link</th>" + "".join(f"<th>{name}</th>" for name in COLUMNS) + "<th>stopped by</th></tr>"
    for name, cells, stopped in rows:
        numbers = "".join(f'<td class="n">{_text(cell)}</td>' for cell in cells)
        yield f'<tr><td>{_text(name)}</td>{numbers}<td class="stop">{_text(stopped)}</td></tr>'
    yield "</table>"


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
    for heading, noted in (
        ("detached", link.detached),
        ("drifted", link.drifted),
        ("left as it is", link.left),
        ("quarantined", link.quarantined),
    ):
        for one in noted[:PER_LINK]:
            yield f"<p>{heading}: {_text(shown(one.label.title))}: {_text(one.reason)}</p>"
    for unsure in link.unsure[:PER_LINK]:
        crm, target = (", ".join(keys) for keys in (unsure.crm, unsure.target))
        yield f"<p>unsure match: CRM {_text(crm)} with target {_text(target)}: left alone</p>"
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
