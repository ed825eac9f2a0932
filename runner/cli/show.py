"""``exsync show``: the compiled sync plan, and the line of YAML behind every value. Secrets stay references."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click

from runner.cli.output import FORMATS, emit, output_option, table
from runner.config import Loaded, load
from runner.config.documents import Document
from runner.config.durations import duration_text
from runner.config.plan import LinkPlan, SyncPlan
from runner.config.secrets import SecretRef
from runner.config.settings import UNLIMITED, FolderSettings
from runner.config.yamlsource import Path
from runner.model.errors import ConfigurationInvalid
from runner.model.files import FileRules
from runner.model.terms import Side
from runner.reconcile.guards import Limit


@click.command()
@click.argument("what", type=click.Choice(("plan", "links", "config")))
@click.argument("names", nargs=-1)
@output_option(*FORMATS)
@click.pass_context
def show(ctx: click.Context, what: str, names: tuple[str, ...], output: str) -> None:
    """Show the compiled sync plan and where each value came from.

    plan: servers and counts. links: effective settings of every link (NAMES select by beginning). config: every value of
    every file with its place.
    """
    loaded = load(ctx.obj.root)
    if loaded.plan is None:
        raise ConfigurationInvalid(loaded.diagnostics, loaded.texts)
    if what == "plan":
        _show_plan(loaded.plan, output)
    elif what == "links":
        chosen = [link for link in loaded.plan.links.values() if not names or link.name.startswith(names)]
        _show_links(chosen, loaded, output)
    else:
        _show_config(loaded, output)


def _show_plan(plan: SyncPlan, output: str) -> None:
    crm = plan.crm
    servers: list[dict[str, Any]] = [
        {
            "name": crm.name,
            "kind": "crm",
            "at": _secret(crm.url),
            "enabled": True,
            "entities": [entity.value for entity in crm.entities],
            "feed": crm.feed,
            "rule": crm.rule,
        }
    ]
    for target in plan.targets.values():
        links = [link for link in plan.links.values() if link.target == target.name]
        servers.append(
            {
                "name": target.name,
                "kind": "exchange",
                "at": target.endpoint,
                "enabled": target.enabled,
                "auth": {
                    "type": target.auth.type,
                    "username": target.auth.username,
                    "password": _secret(target.auth.password),
                },
                "access": target.access,
                "links": len(links),
                "links_enabled": sum(link.enabled for link in links),
                "rule": target.rule,
            }
        )
    if output != "table":
        emit({"digest": plan.digest, "servers": servers}, output)
        return
    headers = ("NAME", "KIND", "AT", "ENABLED", "LINKS", "RULE")
    rows = [
        (each["name"], each["kind"], each["at"], _yes(each["enabled"]), each.get("links", "-"), each["rule"])
        for each in servers
    ]
    table(headers, rows, "nothing is configured")
    click.echo(f"digest {plan.digest}")


def _show_links(links: list[LinkPlan], loaded: Loaded, output: str) -> None:
    if output != "table":
        emit([_link(link, loaded.settings[link.name]) for link in links], output)
        return
    headers = ("LINK", "ENABLED", "DIRECTION", "CONFLICT", "MAPPING", "WINDOW", "ZONE", "RULE")
    rows = []
    for link in links:
        values = settings_of(loaded.settings[link.name])
        window = f"-{values['window']['past']} +{values['window']['future']}"
        rows.append(
            (
                link.name,
                _yes(link.enabled),
                values["direction"],
                values["conflict"],
                link.mapping.name,
                window,
                link.time_zone,
                link.rule,
            )
        )
    table(headers, rows, "no such link")


def _link(link: LinkPlan, settings: FolderSettings) -> dict[str, Any]:
    told = {name: {"value": value, "origin": settings.origins[name]} for name, value in settings_of(settings).items()}
    units = [
        {
            "name": unit.name,
            "fields": list(unit.fields),
            "direction": unit.direction.value,
            "conflict": unit.conflict.value,
            "origin": unit.rule,
        }
        for unit in link.rules.units
    ]
    return {
        "name": link.name,
        "target": link.target,
        "user": link.user,
        "folder": link.folder.value,
        "enabled": link.enabled,
        "rule": link.rule,
        "digest": link.digest,
        "settings": told,
        "units": units,
    }


def settings_of(settings: FolderSettings) -> dict[str, Any]:
    """The effective settings of a link as plain data, under their names in YAML."""
    by_operation = settings.limits.by_operation
    ends = {"past": settings.window.past, "future": settings.window.future}
    written = {Side.CRM: "inbound", Side.TARGET: "outbound"}
    return {
        "enabled": settings.enabled,
        "entity": settings.entity.value,
        "mapping": settings.mapping,
        "direction": settings.direction.value,
        "conflict": settings.conflict.value,
        "edit_vs_delete": settings.edit_vs_delete.value,
        "on_drift": settings.on_drift.value,
        "on_leave": settings.on_leave.value,
        "private": settings.private.value,
        "private_title": settings.private_title,
        "private_meetings": settings.private_meetings,
        "alerts": settings.alerts,
        "keep_items_older_than": duration_text(settings.keep_items_older_than)
        if settings.keep_items_older_than
        else None,
        "restrictions": {n: UNLIMITED if most is None else most for n, most in asdict(settings.restrictions).items()},
        "attachments": _files(settings.files),
        "filter": settings.filter,
        "clock_tolerance": f"{settings.clock_tolerance:g}s",
        "time_zone": settings.time_zone,
        "window": {end: UNLIMITED if length is None else duration_text(length) for end, length in ends.items()},
        "deny": sorted(f"{written[side]}-{operation}" for operation, side in settings.denied),
        "mail": {
            "send": sorted(f"{kind}s" for kind in settings.mail.send),
            **{
                name: UNLIMITED if budget is None else budget
                for name, budget in (
                    ("per_run", settings.mail.per_run),
                    ("per_user", settings.mail.per_user),
                    ("per_day", settings.mail.per_day),
                )
            },
        },
        **{f"guards.max_{operation}s": _limit(limit) for operation, limit in by_operation.items()},
    }


def _files(rules: FileRules | None) -> dict[str, Any] | bool:
    if rules is None:
        return False
    return {"max_bytes": rules.one, "max_total_bytes": rules.total, "blocked_extensions": sorted(rules.blocked)}


def _limit(limit: Limit) -> dict[str, Any]:
    return {
        "count": UNLIMITED if limit.count is None else limit.count,
        "ratio": UNLIMITED if limit.ratio is None else limit.ratio,
    }


def _show_config(loaded: Loaded, output: str) -> None:
    values = [
        {"document": document.name, "setting": setting, "value": value, "origin": origin}
        for document in loaded.documents
        for setting, value, origin in _values(document)
    ]
    if output != "table":
        emit({"digest": loaded.digest, "files": [each.file for each in loaded.documents], "values": values}, output)
        return
    rows = [(each["document"], each["setting"], each["value"], each["origin"]) for each in values]
    table(("DOCUMENT", "SETTING", "VALUE", "ORIGIN"), rows, "nothing is configured")


def _values(document: Document) -> Iterator[tuple[str, Any, str]]:
    def walk(value: Any, path: Path) -> Iterator[tuple[str, Any, str]]:
        if isinstance(value, dict) and value:
            for key, item in value.items():
                yield from walk(item, (*path, key))
        elif isinstance(value, list) and value:
            for index, item in enumerate(value):
                yield from walk(item, (*path, index))
        else:
            yield _dotted(path), value, document.rule(*path)

    return walk(document.data, ())


def _dotted(path: Path) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def _secret(value: str | SecretRef) -> str:
    return value if isinstance(value, str) else f"{value.kind}:{value.name}"


def _yes(value: object) -> str:
    return "yes" if value else "no"
