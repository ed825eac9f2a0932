"""``exsync show``: the compiled sync plan, and the line of YAML behind every value. Secrets stay references."""

from __future__ import annotations

from typing import Any

import click

from runner.cli import completing
from runner.cli.output import FORMATS, emit, output_option, table
from runner.config import Loaded, load
from runner.config.origins import described_link, settings_of, stated_values
from runner.config.plan import ExchangePlan, LinkPlan, SyncPlan, TargetPlan
from runner.config.secrets import SecretRef
from runner.model.errors import ConfigurationInvalid


@click.command()
@click.argument("what", type=click.Choice(("plan", "links", "config")))
@click.argument("names", nargs=-1, shell_complete=completing.links)
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
        more = (
            {"access": target.access, "notifications": target.notifications.mode}
            if isinstance(target, ExchangePlan)
            else {"group_rules": len(target.group_rules)}
        )
        servers.append(
            {
                "name": target.name,
                "kind": "exchange" if isinstance(target, ExchangePlan) else "ldap",
                "at": _place(target),
                "enabled": target.enabled,
                "auth": {
                    "type": target.auth.type,
                    "username": target.auth.username,
                    "password": _secret(target.auth.password) if target.auth.password else None,
                },
                **more,
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


def _place(target: TargetPlan) -> str:
    if isinstance(target, ExchangePlan) and target.autodiscover:
        return f"autodiscover: {target.autodiscover}"
    return target.endpoint


def _show_links(links: list[LinkPlan], loaded: Loaded, output: str) -> None:
    if output != "table":
        emit([described_link(link, loaded.settings[link.name]) for link in links], output)
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


def _show_config(loaded: Loaded, output: str) -> None:
    values = [
        {"document": document.name, "setting": stated.setting, "value": stated.value, "origin": stated.rule}
        for document in loaded.documents
        for stated in stated_values(document)
    ]
    if output != "table":
        emit({"digest": loaded.digest, "files": [each.file for each in loaded.documents], "values": values}, output)
        return
    rows = [(each["document"], each["setting"], each["value"], each["origin"]) for each in values]
    table(("DOCUMENT", "SETTING", "VALUE", "ORIGIN"), rows, "nothing is configured")


def _secret(value: str | SecretRef) -> str:
    return value if isinstance(value, str) else f"{value.kind}:{value.name}"


def _yes(value: object) -> str:
    return "yes" if value else "no"
