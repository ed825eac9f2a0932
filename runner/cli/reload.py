"""``exsync reload``: let the running service look at the YAML files now (B-102)."""

from __future__ import annotations

import click

from runner.cli.context import Context, pass_context
from runner.cli.output import emit, output_option
from runner.model.errors import UsageError


@click.command("reload")
@output_option("text", "json", "yaml")
@pass_context
def reload(context: Context, output: str) -> int:
    """Let the service look at the files now, and show the outcome: applied, unchanged, rejected or failed."""
    service = context.service()
    if service is None:
        raise UsageError(
            f"no service answers on {context.socket}", remedy="start `exsync serve`, or name its socket with --socket"
        )
    told = service.post("/-/reload")
    if output != "text":
        emit(told, output)
    else:
        why = f" ({told['reason']})" if told["reason"] else ""
        click.echo(f"{told['outcome']}{why}: generation {told['generation']} is in use")
        if told["trouble"]:
            click.echo(f"  {told['trouble']}", err=True)
        for finding in told["findings"]:
            click.echo(f"  {finding['at']}: {finding['severity']}[{finding['code']}]: {finding['message']}", err=True)
            if finding["hint"]:
                click.echo(f"    = hint: {finding['hint']}", err=True)
    return 78 if told["outcome"] in ("rejected", "failed") else 0
