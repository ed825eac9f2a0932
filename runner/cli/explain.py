"""``exsync explain``: why an item did, or did not, synchronise."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from runner.cli import completing
from runner.cli.context import Context, pass_context
from runner.cli.output import FORMATS, emit, output_option
from runner.cli.progress import working
from runner.cli.provenance import origin_of
from runner.model.printable import printable
from runner.reconcile.rendering import shortened, shown
from runner.service.inquiry import explained

_WIDE = 40


@click.command()
@click.argument("word", metavar="ITEM|USER")
@completing.link_option
@output_option(*FORMATS)
@pass_context
def explain(context: Context, word: str, links: tuple[str, ...], output: str) -> None:
    """Why ITEM did, or did not, synchronise, and what the next pass would do with it. Writes nothing.

    ITEM is a CRM key, an Exchange id, a calendar UID or a part of a subject. With the address of a USER: where his links
    stand. Rules are shown with the line of YAML and, where the configuration lies in git, the commit that wrote it.
    """
    service = context.service()
    if service is not None:
        told = service.post("/api/v1/explain", {"word": word, "links": list(links)})
    else:
        with context.session() as session, working("looking for it"):
            told = explained(session.runner, word, links)
    _with_commits(told, context.root)
    if output != "table":
        emit(told, output)
        return
    for item in told["items"]:
        click.echo("\n".join(_item(item)) + "\n")
    for link in told["links"]:
        click.echo("\n".join(_user(link)) + "\n")
    if told["more"]:
        click.echo(f"… and {told['more']} more; narrow the search with --link")
    if told["unasked"]:
        click.echo(f"{told['unasked']} link(s) were not read through; name one with --link")


def _with_commits(told: dict[str, Any], root: Path) -> None:
    """Note the commit behind every rule."""
    for item in told["items"]:
        rules = [item["link_rule"], *(unit["rule"] for unit in item["units"])]
        rules += [rule for entry in item["ledger"] for rule in entry["rule"].split(", ")]
        found = {rule: origin for rule in rules if (origin := origin_of(root, rule)) is not None}
        item["commits"] = {rule: str(origin) for rule, origin in sorted(found.items())}


def _item(item: dict[str, Any]) -> Iterator[str]:
    yield f"{shown(item['title'])}  {item['entity']} of {item['link']}  [{item['link_rule']}]"
    yield f"  {item['outcome']}"
    yield from (f"    because {printable(reason)}" for reason in item["reasons"])
    pairing = item["pairing"]
    if pairing is None:
        yield "  pairing    none"
    else:
        why = f": {printable(pairing['reason'])}" if pairing["reason"] else ""
        agreed = "" if pairing["agreed"] else ", never compared yet"
        yield f"  pairing    {pairing['status']}{why}{agreed}"
        yield from (f"  {name:<9}  {printable(pairing[name])}" for name in ("stamp", "uid") if pairing[name])
    yield from (_side(side, item[side]) for side in ("crm", "target"))
    yield from _units(item["units"])
    yield from _remembered(item)
    if item["commits"]:
        yield "  written by"
        yield from (f"    {rule}  {printable(origin)}" for rule, origin in item["commits"].items())


def _side(name: str, side: dict[str, Any]) -> str:
    if side["key"] is None:
        return f"  {name:<9}  {side['state']}"
    told = [side["state"], *(["private: only its times are seen"] if side["masked"] else [])]
    if side["version"]:
        known = "as last agreed" if side["version"] == side["known"] else "changed since it was last agreed"
        told.append(known if side["known"] else "not agreed yet")
    changed = f", changed {_moment(side['modified'])} UTC" if side["modified"] else ""
    return f"  {name:<9}  {shortened(printable(side['key']), _WIDE)}: {', '.join(map(printable, told))}{changed}"


def _units(units: list[dict[str, Any]]) -> Iterator[str]:
    """Unit by unit; what is equal takes one line together, what is empty everywhere none."""
    equal = [unit["unit"] for unit in units if unit["outcome"] == "equal"]
    for unit in units:
        told = {
            name: values for name, values in unit["fields"].items() if any(each is not None for each in values.values())
        }
        if unit["outcome"] == "equal" or not told:
            continue
        yield f"  {unit['unit']}: {printable(unit['outcome'])}  [{unit['rule']}]"
        for name, values in told.items():
            cells = [f"{place.replace('_', ' ')} {_value(values[place])}" for place in ("crm", "target")]
            bases = {_value(values["base_crm"]), _value(values["base_target"])}
            cells.append(f"agreed {' / '.join(sorted(bases))}")
            yield f"    {name}: {', '.join(cells)}"
    if equal:
        yield f"  equal on both sides: {', '.join(equal)}"


def _remembered(item: dict[str, Any]) -> Iterator[str]:
    for guard in item["guards"]:
        state = "stops it" if guard["exceeded"] else "lets it pass"
        figures = f"{guard['wanted']} after {guard['spent']} in 24 hours, limit {guard['limit']}"
        yield f"  guard {guard['code']} ({guard['operation']}): {figures}: {state}  [{guard['rule']}]"
    yield from (f"  mail       {printable(told)}" for told in item["firewall"])
    for mark in item["waiting"]:
        due = f", not before {_moment(mark['due'])} UTC" if mark["due"] else ""
        yield f"  marked     dirty {'in the CRM' if mark['side'] == 'crm' else 'on the target'}{due}"
    for entry in item["quarantine"]:
        again = f"; tried again {_moment(entry['next_try'])} UTC" if entry["next_try"] else ""
        yield f"  set aside  {entry['code']}: {printable(entry['reason'])} ({entry['tries']} tries{again})"
        now = f"`exsync quarantine retry {entry['key'][-12:]}` tries it now"
        yield f"             mended on either side it goes on by itself; {now}"
    for entry in item["conflicts"]:
        state = entry["resolution"] or (f"{entry['winner']} won" if entry["winner"] else "waits for a decision")
        what = entry["field"] or "edit against delete"
        yield f"  conflict   {entry['id'][:8]} {_moment(entry['at'])}: {what}, {entry['policy']}: {state}  [{entry['rule']}]"
    for mail in item["mails"]:
        yield f"  noted mail {mail['id'][:8]} {mail['kind']} to {mail['addressees']}: {mail['status']} ({mail['reason']})"
    if item["ledger"]:
        yield "  ledger, newest first"
    for entry in item["ledger"]:
        yield f"    {_moment(entry['at'])} run {entry['run'][:8]}: {entry['operation']} {entry['side']}: " + (
            f"{printable(entry['reason'])}  [{entry['rule']}]"
        )
        yield from (f"      {line}" for line in _moved(entry))


def _moved(entry: dict[str, Any]) -> Iterator[str]:
    if entry["operation"] != "update":
        return
    before, after = entry["before"] or {}, entry["after"] or {}
    for name in after:
        yield f"{name}  {_value(before.get(name))} → {_value(after[name])}"


def _user(link: dict[str, Any]) -> Iterator[str]:
    yield f"{link['link']}  [{link['rule']}]"
    crm = f"CRM user {link['crm_user']}" if link["crm_user"] else "no CRM user has this address"
    last = f"last pass with an effect {_moment(link['last_pass'])} UTC" if link["last_pass"] else "no pass yet"
    yield f"  {link['condition']}, {crm}, {last}"
    if link["hindrance"]:
        yield f"  does not run: {printable(link['hindrance'])}"
    if link["reason"]:
        yield f"  {printable(link['reason'])}"
    yield f"  {link['pairs']} pairs, {link['waiting']} marks due, {link['open_conflicts']} conflicts held, " + (
        f"{len(link['quarantine'])} set aside"
    )
    for entry in link["quarantine"][:10]:
        yield f"  set aside  {entry['side']} {entry['key']}: {entry['code']}: {printable(entry['reason'])}"
    for entry in link["ledger"]:
        yield f"    {_moment(entry['at'])} run {entry['run'][:8]}: {entry['operation']} {entry['side']} {entry['key'][-12:]}"


def _value(value: Any) -> str:
    return shown(tuple(value) if isinstance(value, list) else value)


def _moment(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S}"
