"""The manual page exsync(1), made from the commands' own help (man-pages(7), groff_man(7))."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import click

from runner import __version__
from runner.cli import PROGRAM, exsync

SECTION = 1
EXITS = (
    (0, "done, or in sync"),
    (1, "a run failed"),
    (2, "differences (plan --exit-code), or an audit that found something"),
    (3, "warnings, with --strict"),
    (4, "a guard stopped it"),
    (64, "a word on the command line, or a name, that does not exist"),
    (69, "a server cannot be reached"),
    (70, "an answer outside the protocol"),
    (74, "the state is damaged"),
    (75, "for the moment: try again"),
    (77, "access or log-on refused"),
    (78, "the configuration is invalid"),
)
FILES = (
    ("targets.d/*.yaml, mappings/*.yaml, service.yaml", "the configuration, below --config"),
    ("state/exsync.duckdb", "the state, with its .counter beside it"),
)


def manual() -> str:
    """The page as roff."""
    return "\n".join(_page()) + "\n"


def _page() -> Iterator[str]:
    yield f'.TH {PROGRAM.upper()} {SECTION} "" "{PROGRAM} {__version__}" "User Commands"'
    context = click.Context(exsync, info_name=PROGRAM)
    yield ".SH NAME"
    yield rf"{PROGRAM} \- {_escaped(_lowered((exsync.help or '').splitlines()[0].rstrip('.')))}"
    yield ".SH SYNOPSIS"
    yield f".B {PROGRAM}"
    yield _escaped(" ".join(exsync.collect_usage_pieces(context)))
    yield ".SH OPTIONS"
    yield from _options(exsync, context)
    yield ".SH COMMANDS"
    for name in exsync.list_commands(context):
        command = exsync.get_command(context, name)
        if command is not None:
            yield from _command(command, click.Context(command, info_name=name, parent=context))
    yield ".SH EXIT STATUS"
    yield from _definitions((str(code), what) for code, what in EXITS)
    yield ".SH FILES"
    yield from _definitions(FILES)


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    """A command, and those below it, each under its whole name."""
    name = context.command_path.removeprefix(f"{PROGRAM} ")
    if not isinstance(command, click.Group):
        yield f'.SS "{_escaped(name)}"'
        yield ".PP"
        yield rf"\fB{_escaped(context.command_path)}\fR {_escaped(' '.join(command.collect_usage_pieces(context)))}"
        yield from _paragraphs(command.help or "")
        yield from _options(command, context)
        return
    for below in command.list_commands(context):
        found = command.get_command(context, below)
        if found is not None:
            yield from _command(found, click.Context(found, info_name=below, parent=context))


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    """Options with what is said of them; arguments stand in the synopsis, and --help is the same everywhere."""
    options = [each for each in command.get_params(context) if isinstance(each, click.Option) and each.name != "help"]
    records = [each.get_help_record(context) for each in options]
    yield from _definitions(record for record in records if record is not None)


def _definitions(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, text in pairs:
        yield ".TP"
        yield rf"\fB{_escaped(term)}\fR"
        yield _escaped(" ".join(text.split())) or r"\&"


def _paragraphs(text: str) -> Iterator[str]:
    """Paragraphs of help; one that Click leaves as it is (``\\b``) keeps its lines."""
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        lines = [line.strip() for line in paragraph.splitlines()]
        if lines[0] == "\b":
            yield ".PP"
            yield ".nf"
            yield from map(_escaped, lines[1:])
            yield ".fi"
        else:
            yield ".PP"
            yield _escaped(" ".join(lines))


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]


def _escaped(text: str) -> str:
    """Text that roff takes as it is: backslashes and hyphens are themselves, and no line begins with a request."""
    plain = text.replace("\\", r"\(rs").replace("-", r"\-")
    return rf"\&{plain}" if plain[:1] in (".", "'") else plain
