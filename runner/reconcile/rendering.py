"""Change sets as text for terminals and Markdown for a pull-request comment. No colour: that is the command line's.

Values come from strangers (the subject of anybody's meeting). Control and direction-changing characters are shown as
escapes, long values are shortened, and Markdown carries them in code spans, where nothing is a link or a mention.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from runner.model.printable import printable
from runner.model.record import Fields, Value
from runner.model.terms import Operation
from runner.reconcile.changeset import ChangeSet, Clashing, FieldLine, LinkChanges, field_lines
from runner.reconcile.figures import COLUMNS, figures, stopped_by
from runner.reconcile.ordering import Label, Planned

SYMBOLS = {Operation.CREATE: "+", Operation.UPDATE: "~", Operation.DELETE: "-"}
LONGEST = 48
"""Characters of a value before it is shortened."""
GIST = 92
"""Characters of a created or deleted item's line: with the indent and what follows it fits 120 columns."""
MOVE = 72
"""Characters of before and after that still share their line with the reason."""
_FIRST = ("start", "duration", "time_zone", "show_without_time")
COMMENT = 60_000
"""Characters of Markdown; hosts of pull requests refuse comments of more than 65,536."""
_PER_LINK = 50


def text(changes: ChangeSet) -> str:
    """For a terminal: grouped by link, the changes with symbols, then what is left alone, then the guards."""
    lines: list[str] = []
    for link in changes.links:
        lines += _link_text(link)
        lines.append("")
    lines.append(summary(changes))
    return "\n".join(lines) + "\n"


def as_json(changes: ChangeSet) -> str:
    """As JSON text, stable to the byte."""
    return json.dumps(changes.as_dict(), ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def summary(changes: ChangeSet) -> str:
    """The whole in one line."""
    conflicts, held = sum(len(link.clashes) for link in changes.links), sum(link.held for link in changes.links)
    failed = sum(1 for link in changes.links if link.error is not None)
    aside = sum(len(link.quarantined) for link in changes.links)
    tail = f" {_count(failed, 'link')} failed." if failed else ""
    tail += f" {_count(aside, 'item')} quarantined." if aside else ""
    tail += f" Stopped by {', '.join(sorted({trip.code for trip in changes.trips}))}." if changes.trips else ""
    if not changes and changes.mails_held:
        return f"No changes now: {_held_mail(changes.mails_held)}.{tail}"
    if not changes and not conflicts and not changes.trips:
        return f"No changes: {_count(len(changes.links) - failed, 'link')} in step.{tail}"
    parts = [f"{changes.total(operation)} to {operation}" for operation in Operation]
    parts.append(_count(conflicts, "conflict") + (f" ({held} held)" if held else ""))
    parts.append(_count(changes.mails, "mail") + (f" ({changes.mails_held} held)" if changes.mails_held else ""))
    return f"Plan: {', '.join(parts)}.{tail}"


def markdown(changes: ChangeSet) -> str:
    """For a pull-request comment: a table of links, then each link's changes folded away, within the size of a comment."""
    head = [f"**{summary(changes)}**", ""]
    if changes.links:
        head += [f"| link | {' | '.join(COLUMNS)} | stopped by |", f"|---|{'--:|' * len(COLUMNS)}---|"]
    head += [f"| {_code(link.link)} | {' | '.join(figures(link))} | {stopped_by(link)} |" for link in changes.links]
    out = "\n".join(head) + "\n"
    if len(out) > COMMENT:
        return f"**{summary(changes)}**\n\n{_count(len(changes.links), 'link')}: too many to list here.\n"
    return out + details(changes, COMMENT - len(out))


def details(changes: ChangeSet, room: int) -> str:
    """As Markdown of so many characters at most: each link's changes, folded away."""
    out, left_out = "", 0
    for block in (_link_markdown(link) for link in changes.links if not link.quiet):
        if len(out) + len(block) > room:
            left_out += 1
        else:
            out += "\n" + block
    return out + (f"\nThe details of {_count(left_out, 'link')} do not fit here.\n" if left_out else "")


def shown(value: Value, longest: int = LONGEST) -> str:
    """A value on one line: quoted text, escapes for what does not print, the middle of long text left out."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return "[" + ", ".join(shown(each, longest) for each in value) + "]"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{printable(key)}: {shown(inner, longest)}" for key, inner in value.items()) + "}"
    return '"' + shortened(printable(value.replace("\\", "\\\\").replace('"', '\\"')), longest) + '"'


def shortened(raw: str, longest: int) -> str:
    """Text of at most ``longest`` characters: its head, an ellipsis and a little of its tail."""
    if len(raw) <= longest:
        return raw
    tail = longest // 4
    return raw[: longest - tail - 1] + "…" + raw[-tail:]


def _link_text(link: LinkChanges) -> Iterator[str]:
    unseen = link.error is not None and not link.known  # what it knows was not even counted
    yield link.link if unseen else f"{link.link}   {_count(link.known, 'known item')}"
    if link.error:
        yield f"  error: {printable(link.error)}"
    if link.remedy:
        yield f"  = what to do: {printable(link.remedy)}"
    if link.quiet:
        held = link.counts.get("mail_held", 0)
        yield f"  {_held_mail(held)}" if held else "  nothing to do"
    for planned in link.changes:
        yield from _change_text(planned, link.stopped.get(planned.change.operation))
    if link.omitted:
        yield f"  … and {link.omitted} more"
    for each in link.clashes:
        yield from _clash_text(each)
    for heading, noted in (
        ("detached", link.detached),
        ("drifted", link.drifted),
        ("left as it is", link.left),
        ("quarantined", link.quarantined),
    ):
        for one in noted:
            yield f"  {heading}: {_name(one.label)}: {printable(one.reason)}"
    for unsure in link.unsure:
        crm, target = (", ".join(map(printable, keys)) for keys in (unsure.crm, unsure.target))
        yield f"  unsure match (key set {unsure.rule + 1}): CRM {crm} with target {target}: left alone"
    for gauge in link.gauges:
        if gauge.wanted:
            spent = f" after {gauge.spent} in the last 24 hours" if gauge.spent else ""
            state = "passed"
            if gauge.exceeded:
                state = "stopped" if gauge.operation in link.stopped else "lifted for this once"
            wanted = f"{gauge.wanted} to {gauge.operation}{spent}, limit {gauge.limit}"
            yield f"  guard {gauge.code}: {wanted}: {state}  [{gauge.rule}]"
    for trip in link.trips:
        yield f"  stopped: {trip}"
        yield f"           {trip.remedy}"


def _held_mail(attendees: int) -> str:
    return f"mail to {_count(attendees, 'attendee')} is held and holds its writes (`exsync mail list`)"


def _change_text(planned: Planned, stopped: str | None) -> Iterator[str]:
    change = planned.change
    mark = f"  (stopped by {stopped})" if stopped else ""
    yield f"  {SYMBOLS[change.operation]} {change.side:<6}  {_name(planned.label)}{mark}"
    lines = field_lines(planned)
    if change.operation is not Operation.UPDATE:
        if lines:
            yield f"             {_gist(lines, change.operation)}"
        yield f"             because {printable(change.reason)}  [{change.rule}]"
        return
    moves = [f"{_cut(line.before)} → {_cut(line.after)}" for line in lines]
    names = max(len(line.field) for line in lines)
    width = max((len(move) for move in moves if len(move) <= MOVE), default=0)
    for line, move in zip(lines, moves, strict=True):
        head, why = f"             {line.field:<{names}}  ", f"{printable(line.reason)}  [{line.rule}]"
        if len(move) <= MOVE:
            yield f"{head}{move:<{width}}   {why}"
        else:  # one long value must not push its neighbours' reasons out of sight
            yield head + move
            yield " " * len(head) + why


def _cut(value: Value) -> str:
    """A value of any kind within two usual ones' room."""
    return shortened(shown(value), 2 * LONGEST)


def _clash_text(each: Clashing) -> Iterator[str]:
    clash = each.clash
    yield f"  ! {clash.unit or 'edit against delete'}  {_name(each.label)}: {_outcome(each)}  [{clash.rule}]"
    for name, fields in (("base", clash.base), ("crm", clash.crm), ("target", clash.target)):
        yield f"             {name:<6}  {_record(fields, deleted=clash.unit is None)}"


def _outcome(each: Clashing) -> str:
    clash = each.clash
    if clash.held:
        return f"conflict held ({clash.policy}): decide with `exsync conflicts resolve`"
    if clash.settled:
        return f"conflict settled by the operator: {clash.winner or 'values given'}"
    return f"conflict, {clash.policy}: {clash.winner} won"


def _record(fields: Fields | None, *, deleted: bool) -> str:
    if fields is None:
        return "deleted" if deleted else "never agreed"
    if len(fields) == 1:
        return shown(next(iter(fields.values())))
    held = [f"{name} {shown(value)}" for name, value in fields.items() if value is not None]
    return shortened(", ".join(held), 4 * LONGEST) or "nothing"


def _gist(lines: Sequence[FieldLine], operation: Operation) -> str:
    """A created or deleted item on one line of a terminal: when it is first, then whole fields while they fit. Its title
    stands above."""
    told = sorted(
        (line for line in lines if line.field != "title"),
        key=lambda line: _FIRST.index(line.field) if line.field in _FIRST else len(_FIRST),
    )
    gist, room = "", GIST
    for count, line in enumerate(told):
        value = shown(line.after if operation is Operation.CREATE else line.before, 24)
        part = f"{', ' if gist else ''}{line.field} {value}"
        room -= len(part)
        if room < 0:
            return f"{gist} … and {len(told) - count} more"
        gist += part
    return gist or "no other field is filled"


def _name(label: Label) -> str:
    keys = [f"{side} {printable(key)}" for side, key in (("crm", label.crm_key), ("target", label.target_key)) if key]
    where = f"  ({', '.join(shortened(key, 32) for key in keys)})" if keys else ""
    return shown(label.title) + where


def _link_markdown(link: LinkChanges) -> str:
    out = [f"<details><summary>{_html(link.link)}</summary>", ""]
    if link.error:
        out += [f"Error: {_code(printable(link.error))}", ""]
    if link.remedy:
        out += [f"What to do: {_code(printable(link.remedy))}", ""]
    if link.trips:
        out += [f"- **{trip.code}** {_code(str(trip))}" for trip in link.trips] + [""]
    if link.changes:
        out += ["| | side | item | change | rule |", "|---|---|---|---|---|"]
        out += [_row(planned) for planned in link.changes[:_PER_LINK]]
        rest = link.omitted + max(0, len(link.changes) - _PER_LINK)
        out += [f"\n… and {rest} more", ""] if rest else [""]
    for each in link.clashes[:_PER_LINK]:
        unit = each.clash.unit or "edit against delete"
        out.append(f"- conflict {_code(unit)} in {_code(shown(each.label.title))}: {_code(_outcome(each))}")
    for heading, noted in (
        ("detached", link.detached),
        ("drifted", link.drifted),
        ("left as it is", link.left),
        ("quarantined", link.quarantined),
    ):
        out += [f"- {heading}: {_code(shown(n.label.title))}: {_code(printable(n.reason))}" for n in noted[:_PER_LINK]]
    for unsure in link.unsure[:_PER_LINK]:
        out.append(f"- unsure match: CRM {_code(', '.join(unsure.crm))}, target {_code(', '.join(unsure.target))}")
    return "\n".join([*out, "", "</details>", ""])


def _row(planned: Planned) -> str:
    change = planned.change
    lines = field_lines(planned)
    if change.operation is Operation.UPDATE:
        what = "<br>".join(_code(f"{n.field}: {shown(n.before)} → {shown(n.after)}") for n in lines)
    else:
        what = _code(_gist(lines, change.operation)) if lines else ""
    name = _code(shown(planned.label.title))
    return f"| `{SYMBOLS[change.operation]}` | {change.side} | {name} | {what} | {_code(change.rule)} |"


def _code(raw: str) -> str:
    """A code span that holds any text, also within a table cell (GitHub Flavored Markdown)."""
    flat = printable(raw).replace("|", "\\|")
    fence = "`"
    while fence in flat:
        fence += "`"
    pad = " " if len(fence) > 1 or not flat else ""
    return f"{fence}{pad}{flat}{pad}{fence}"


def _html(raw: str) -> str:
    return printable(raw).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
