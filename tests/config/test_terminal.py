"""Beside the commands themselves: the manual page, completion in a shell, and signs of progress."""

from __future__ import annotations

import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from runner.cli import COMMANDS, exsync
from runner.cli.manual import EXITS, manual
from runner.cli.progress import followed, progress, working
from runner.model.errors import UsageError

REPOSITORY = Path(__file__).parents[2]
REQUESTS = frozenset({".TH", ".SH", ".SS", ".PP", ".TP", ".B", ".nf", ".fi"})


def leaves() -> list[tuple[str, click.Command]]:
    """Every command that does something, by its whole name."""
    found: list[tuple[str, click.Command]] = []
    todo: list[tuple[str, click.Command]] = [("", exsync)]
    while todo:
        name, command = todo.pop()
        if not isinstance(command, click.Group):
            found.append((name, command))
            continue
        context = click.Context(command)
        for below in command.list_commands(context):
            inner = command.get_command(context, below)
            assert inner is not None
            todo.append((f"{name} {below}".strip(), inner))
    return found


def test_the_manual_has_every_command_every_option_and_every_exit_code() -> None:
    text = manual()
    shown = text.replace(r"\-", "-")
    for name, command in leaves():
        assert f'.SS "{name}"' in shown
        for parameter in command.params:
            for option in (each for each in parameter.opts if each.startswith("--") and each != "--help"):
                assert option in shown, f"{name} {option}"
    for code, _ in EXITS:
        assert rf"\fB{code}\fR" in text


def test_the_manual_is_sound_roff() -> None:
    """Each line is a known request or text; no hyphen that would be a dash; groff says the same where there is one."""
    text = manual()
    for line in text.splitlines():
        assert line, "an empty line makes a gap of its own"
        if line[0] in ".'":
            assert line.split()[0] in REQUESTS, line
        elif not line.startswith(".TH"):
            assert not re.search(r"(?<!\\)-", line), line
    groff = shutil.which("groff")
    if groff is not None:
        done = subprocess.run(
            [groff, "-man", "-ww", "-z", "-Tutf8"], input=text, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")


def asked_by_a_shell(*words: str) -> list[str]:
    """What bash is answered when it completes the last of these words, by a process of its own."""
    environ = {**os.environ, "_EXSYNC_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(words)}
    environ["COMP_CWORD"] = str(len(words) - 1)
    done = subprocess.run([sys.executable, "-m", "runner"], env=environ, capture_output=True, text=True, check=True)
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_a_shell_completes_commands_and_options() -> None:
    assert asked_by_a_shell("exsync", "can") == ["candidate"]
    assert asked_by_a_shell("exsync", "doctor", "--out") == ["--outside", "--output"]


def offered(*words: str) -> list[str]:
    """What a shell is told, asked in this process."""
    asked = ShellComplete(exsync, {}, "exsync", "_EXSYNC_COMPLETE")
    return [item.value for item in asked.get_completions(list(words[:-1]), words[-1])]


def test_a_shell_completes_what_the_configuration_names(tmp_path: Path) -> None:
    """Links, users and targets come from the YAML files, also while something in them is wrong; no server is asked."""
    shutil.copytree(REPOSITORY / "targets.d", tmp_path / "targets.d")
    given = ("--config", str(tmp_path))  # without mappings: nothing compiles
    assert offered(*given, "apply", "sandbox/a") == ["sandbox/ann.lee@example.com/calendar"]
    assert offered(*given, "explain", "x", "--link", "bob") == ["bob.ray@example.com"]
    assert offered(*given, "undo", "--user", "") == ["ann.lee@example.com", "bob.ray@example.com"]
    assert offered(*given, "target", "suspend", "") == ["sandbox"]
    assert offered(*given, "target", "ddl", "") == ["crm"]
    assert offered(*given, "doctor", "") == ["crm", "sandbox"]
    assert offered("--config", str(tmp_path / "none"), "plan", "") == []


@pytest.mark.parametrize(
    ("typed", "shown"),
    [("exsync plan sandbox/ann.lee@exam", "example.com/calendar"), ("exsync completion ", "bash zsh fish")],
)
def test_bash_completes_addresses_too(typed: str, shown: str, tmp_path: Path) -> None:
    """Bash ends a word at ``@``: what it is given must be what stands behind it."""
    program = tmp_path / "exsync"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m runner "$@"\n')
    program.chmod(0o755)
    command = exsync.get_command(click.Context(exsync), "completion")
    assert command is not None
    script = CliRunner().invoke(command, ["bash"]).output
    ask = f"COMP_LINE={shlex.quote(typed)}; COMP_POINT=${{#COMP_LINE}}; _exsync_completion {program}; echo ${{COMPREPLY[*]}}"
    environ = {**os.environ, "EXSYNC_CONFIG": str(REPOSITORY), "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(["bash", "-c", f"{script}\n{ask}"], env=environ, capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == (shown, "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = exsync.get_command(click.Context(exsync), "completion")
    assert command is not None
    command.main([shell], standalone_mode=False)
    script = capsys.readouterr().out
    assert f"_EXSYNC_COMPLETE={shell}_complete" in script
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_long_work_shows_signs_on_a_terminal_and_none_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress() as bar, working("at it"):
        assert bar is None
    assert sys.stderr.getvalue() == ""  # type: ignore[attr-defined]
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    with working("at it"):
        pass
    with progress() as bar:
        assert bar is not None
        bar("report", 1, 2)
    assert "at it" in sys.stderr.getvalue()  # type: ignore[attr-defined]
    assert "report" in sys.stderr.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("watched", [True, False])
def test_what_a_service_does_shows_how_far_it_is(monkeypatch: pytest.MonkeyPatch, *, watched: bool) -> None:
    """The answer comes as it does without a terminal, and so does a refusal."""
    shown = Terminal() if watched else io.StringIO()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", shown)
    looked = Event()

    def seen() -> Iterator[tuple[str, int, int]]:
        yield "sandbox/ann", 3, 7
        looked.set()

    def work() -> str:
        assert not watched or looked.wait(60)
        return "answer"

    assert followed("the service is at it", work, seen) == "answer"
    assert ("sandbox/ann" in shown.getvalue(), "3/7" in shown.getvalue()) == (watched, watched)

    def refused() -> str:
        raise UsageError("no such link")

    with pytest.raises(UsageError, match="no such link"):
        followed("the service is at it", refused, seen)


def test_every_command_is_listed_with_its_line() -> None:
    assert {name.split()[0] for name, _ in leaves()} == set(COMMANDS)
