"""``exsync version``."""

from __future__ import annotations

import click

from runner import __version__


@click.command()
def version() -> None:
    """Show the version."""
    click.echo(__version__)
