"""``exsync completion``: the script by which a shell completes commands and options."""

from __future__ import annotations

import click
from click.shell_completion import BashComplete, FishComplete, ZshComplete

from runner.cli import PROGRAM, exsync

_SHELLS = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}
VARIABLE = f"_{PROGRAM.upper()}_COMPLETE"
"""By which a shell asks the program itself what there is (Click's protocol)."""


@click.command()
@click.argument("shell", type=click.Choice(tuple(_SHELLS)))
def completion(shell: str) -> None:
    """Print what SHELL needs to complete exsync's commands and options.

    \b
    bash:  exsync completion bash > ~/.local/share/bash-completion/completions/exsync
    zsh:   exsync completion zsh > "${fpath[1]}/_exsync"
    fish:  exsync completion fish > ~/.config/fish/completions/exsync.fish
    """
    maker = _SHELLS[shell](exsync, {}, PROGRAM, VARIABLE)
    click.echo(maker.source_template % maker.source_vars())
