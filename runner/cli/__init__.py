"""Floor 6: the command line. Commands parse arguments, call a lower floor and render; they decide nothing.

Exit codes (the whole list): 0 done or in sync, 1 a run failed, 2 differences (``plan --exit-code``), 3 warnings with
``--strict``, 4 a guard stopped it, 64 usage, 69 unreachable, 70 outside the protocol, 74 state damaged, 75 temporary, 77
access refused, 78 configuration invalid.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import click

from runner import __version__
from runner.model.errors import ConfigurationInvalid, ExsyncError

PROGRAM = "exsync"

COMMANDS = {
    "validate": "Check the YAML files: every finding at once, with file, line and column.",
    "plan": "Show what the next pass would do. Writes nothing, anywhere.",
    "apply": "Run one pass and show what it did.",
    "run": "Run passes until stopped, or one with --once.",
    "serve": "Keep both sides in step: the long-running service.",
    "status": "Show where every link stands.",
    "state": "Look after the state file: carry on from what of it reads.",
    "undo": "Take back what a run wrote, where nobody edited it since.",
    "snapshot": "Give one side what the other holds, planned first.",
    "candidate": "Try a change of a target's defaults beside what is live, and widen it ring by ring.",
    "audit": "Compare both sides item by item: prove that they agree, or say where not.",
    "forget": "Drop the state of a link that is not configured any more.",
    "explain": "Say why an item did, or did not, synchronise.",
    "reload": "Let the running service look at the YAML files now.",
    "queue": "Show the service's queue; retry and discard its messages.",
    "link": "Suspend, resume and reset links.",
    "conflicts": "List, show and resolve conflicts.",
    "ledger": "List and show every write with what was there before; prove that the ledger is whole.",
    "quarantine": "List the items that were set aside, with the reason.",
    "mail": "List, release and drop mail to attendees that is held.",
    "runs": "Show what passes did, and each write of a run.",
    "report": "Sum up what happened on each target: Markdown, or HTML with charts.",
    "olap": "Count over the history: changes, latency, errors, conflicts, mail, queue.",
    "acts": "Show what operators did.",
    "console": "Make users of the web console.",
    "test": "Run the tests of mappings, and play the cases of the whole configuration.",
    "doctor": "Check what the installation needs, and say what to do.",
    "target": "Look after targets: suspend, resume, print the SQL that the CRM needs.",
    "schema": "Print a JSON Schema.",
    "show": "Show the compiled sync plan and where each value came from.",
    "completion": "Print what a shell needs to complete commands, options and names.",
    "scaffold": "Print files for running the service: systemd, containers, alerts, a dashboard.",
    "sandbox": "Start the sandbox: a simulated Exchange on loopback.",
    "version": "Show the version.",
}
"""Every command and its one line; a command's module is imported when it is called, so that `--help` stays quick."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f"runner.cli.{cmd_name}"), cmd_name)
        if not isinstance(command, click.Command):
            raise TypeError(f"runner.cli.{cmd_name} has no command of its name")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    "root",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="EXSYNC_CONFIG",
    default=Path(),
    help="Directory that holds targets.d/ and mappings/ (or EXSYNC_CONFIG). Default: here.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="EXSYNC_STATE",
    default=Path("state/exsync.duckdb"),
    help="The state file (or EXSYNC_STATE). Default: state/exsync.duckdb.",
)
@click.option(
    "--socket",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="EXSYNC_SOCKET",
    default=None,
    help="The running service's socket (or EXSYNC_SOCKET). Default: beside the state file, ending in .sock.",
)
@click.pass_context
def exsync(ctx: click.Context, root: Path, state: Path, socket: Path | None) -> None:
    """Keep a CRM's SQL database and Microsoft Exchange in step, driven by YAML in git."""
    from runner.cli.context import Context

    ctx.obj = Context(root, state, socket or state.with_suffix(".sock"))


def main() -> None:
    """Entry point: run the command; expected faults become one message and an exit code, never a traceback."""
    sys.exit(_run(sys.argv[1:]))


def _run(arguments: list[str]) -> int:
    try:
        result = exsync.main(arguments, prog_name=PROGRAM, standalone_mode=False)
    except ConfigurationInvalid as error:
        from runner.cli.diagnostics import report

        report(error.diagnostics, error.texts)
        return error.exit_code
    except ExsyncError as error:
        click.echo(f"error[{error.code}]: {error}", err=True)
        if error.remedy:
            click.echo(f"  = what to do: {error.remedy}", err=True)
        return error.exit_code
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.Abort:
        click.echo("stopped", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return 64
    return result if isinstance(result, int) else 0


__all__ = ["COMMANDS", "PROGRAM", "__version__", "exsync", "main"]
