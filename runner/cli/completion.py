"""``exsync completion``: the script by which a shell completes commands and options."""

from __future__ import annotations

import click
from click.shell_completion import BashComplete, FishComplete, ZshComplete

from runner.cli import PROGRAM, exsync


class _Bash(BashComplete):
    """Bash, which takes ``@`` for the end of a word, and gets back what lies behind the last one only: the line is split
    anew, where blanks are, since addresses are what there is to complete."""

    source_template = r"""%(complete_func)s() {
    local IFS=$'\n' typed="${COMP_LINE:0:$COMP_POINT}" response type value
    local -a words
    IFS=$' \t' read -ra words <<< "$typed"
    local last=$(( ${#words[@]} - 1 )) begun="${words[-1]}"
    if [[ "$typed" == *[[:blank:]] ]]; then last=$(( last + 1 )); begun=""; fi
    response=$(env COMP_WORDS="$typed" COMP_CWORD=$last %(complete_var)s=bash_complete "$1")
    local behind=""
    if [[ "$begun" == *@* && "$COMP_WORDBREAKS" == *@* ]]; then behind="${begun%%@*}@"; fi
    COMPREPLY=()
    local completion
    for completion in $response; do
        IFS=',' read -r type value <<< "$completion"
        case $type in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("${value#"$behind"}") ;;
        esac
    done
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""


_SHELLS = {"bash": _Bash, "zsh": ZshComplete, "fish": FishComplete}
VARIABLE = f"_{PROGRAM.upper()}_COMPLETE"
"""By which a shell asks the program itself what there is (Click's protocol)."""


@click.command()
@click.argument("shell", type=click.Choice(tuple(_SHELLS)))
def completion(shell: str) -> None:
    """Print what SHELL needs to complete exsync's commands and options, and the names of links, users and targets.

    \b
    bash:  exsync completion bash > ~/.local/share/bash-completion/completions/exsync
    zsh:   exsync completion zsh > "${fpath[1]}/_exsync"
    fish:  exsync completion fish > ~/.config/fish/completions/exsync.fish
    """
    maker = _SHELLS[shell](exsync, {}, PROGRAM, VARIABLE)
    click.echo(maker.source_template % maker.source_vars())
