"""``exsync mail list|release|drop``: mail to attendees that is held, and a person's word on it (B-42)."""

from __future__ import annotations

from urllib.parse import quote

import click

from runner.cli.context import Context, pass_context
from runner.cli.output import FORMATS, emit, output_option, table
from runner.service.acts import settle_mail
from runner.service.views import mail_view


@click.group()
def mail() -> None:
    """List, release and drop mail to attendees that is held."""


@mail.command("list")
@click.option("--all", "everything", is_flag=True, help="Sent, dropped and failed mail, too.")
@output_option(*FORMATS)
@pass_context
def list_(context: Context, everything: bool, output: str) -> None:
    """What waits for a decision or is on its way, oldest first. The write of a held mail waits with it."""
    service = context.service()
    if service is not None:
        found = service.get(f"/api/v1/mail{'?all=1' if everything else ''}")["mails"]
    else:
        with context.session() as session:
            found = [mail_view(entry) for entry in session.store.mails(open_only=not everything)]
    if output != "table":
        emit(found, output)
        return
    rows = [
        (
            entry["id"][:8],
            entry["link"],
            entry["kind"],
            entry["addressees"],
            entry["status"],
            entry["title"] or "(private item)",
            entry["reason"],
        )
        for entry in found
    ]
    empty = "No mail was ever noted." if everything else "No mail is held."
    table(("ID", "LINK", "KIND", "PEOPLE", "STATUS", "TITLE", "REASON"), rows, empty)


@mail.command()
@click.argument("mail_id", metavar="ID")
@pass_context
def release(context: Context, mail_id: str) -> None:
    """Let a held mail go out, whatever the budgets say: the next pass writes the meeting and tells its attendees."""
    _settle(context, mail_id, "release")


@mail.command()
@click.argument("mail_id", metavar="ID")
@pass_context
def drop(context: Context, mail_id: str) -> None:
    """Tell nobody: the next pass writes the meeting silently."""
    _settle(context, mail_id, "drop")


def _settle(context: Context, mail_id: str, word: str) -> None:
    service = context.service()
    if service is not None:
        entry = service.post(f"/api/v1/mail/{quote(mail_id, safe='')}/{word}")
        click.echo(f"mail {entry['id'][:8]}: {word} is noted; the service carries it out now")
        return
    with context.session() as session:
        noted = settle_mail(session.store, context.operator(), mail_id, word)
    click.echo(f"mail {noted.id[:8]}: {word} is noted; `exsync apply {noted.link}` carries it out now")
