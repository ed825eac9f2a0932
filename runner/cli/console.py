"""``exsync console user``: a line for the file of the console's users."""

from __future__ import annotations

import click

from runner.model.errors import UsageError
from runner.web.console.users import NAME, Role, hashed


@click.group()
def console() -> None:
    """Make users of the web console."""


@console.command()
@click.argument("name")
@click.option(
    "--role", type=click.Choice([role.value for role in Role]), default=Role.VIEWER.value, show_default=True,
    help="Viewers look and see no personal field; operators see everything and act.",
)  # fmt: skip
@click.password_option("--password", prompt="Password", help="Asked for when it is not given, and better not given.")
def user(name: str, role: str, password: str) -> None:
    """Print a line for the file that service.yaml names as console.users. Nothing is written."""
    if not NAME.match(name):
        raise UsageError(
            f"{name!r} is no name for a user", remedy="letters, digits and . _ @ + -, beginning with one of the former"
        )
    click.echo(f"{name}:{role}:{hashed(password)}")
