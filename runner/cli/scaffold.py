"""``exsync scaffold systemd|docker|kustomize|alerts|grafana|ci|man``: files to be read and adapted."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import click

from runner.model.errors import UsageError

SCAFFOLDS = {
    "systemd": ("exsync.service",),
    "docker": ("Dockerfile",),
    "kustomize": ("kustomization.yaml", "deployment.yaml", "state.yaml"),
    "alerts": ("alerts.yaml",),
    "grafana": ("dashboard.json",),
    "ci": ("github-exsync.yaml", "gitlab-exsync.yaml"),
    "man": ("exsync.1",),
}
"""What can be printed, and the files of each."""


@click.command()
@click.argument("what", type=click.Choice(tuple(SCAFFOLDS)))
@click.option(
    "--to", type=click.Path(path_type=Path, file_okay=False), help="Write the files into this directory instead."
)
def scaffold(what: str, to: Path | None) -> None:
    """Print files for running the service under systemd or in containers and for watching it, for pull requests, a manual."""
    names = SCAFFOLDS[what]
    for name in names:
        text = scaffold_text(name)
        if to is not None:
            _write(to / name, text)
            click.echo(f"{to / name}")
        else:
            click.echo(f"# --- {name}\n{text}" if len(names) > 1 else text, nl=False)


def scaffold_text(name: str) -> str:
    """The text of one file."""
    if name == "exsync.1":
        from runner.cli.manual import manual

        return manual()
    return files("runner.cli").joinpath("scaffolds", name).read_text("utf-8")


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} exists already", remedy="remove it, or name another directory with --to") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None
