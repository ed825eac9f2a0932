"""What tests and demos say of an item in plain Python, as the store keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from html import escape as escape_text

from runner.sandbox.attendees import NOT_ASKED, Attendee, rendered
from runner.sandbox.bodies import Body
from runner.sandbox.items import Dictionary, Stored
from runner.sandbox.tasks import midnight
from runner.sandbox.wire import Fragment, tag
from runner.sandbox.zones import render_instant

Plain = str | bool | int | float | datetime | date | Body | Fragment | Sequence[str] | Dictionary | None


def stored(kind: str, value: Plain) -> Stored:
    """A value for a property of this kind."""
    if isinstance(value, Body):
        return Body.stored(value.kind, value.text)
    if isinstance(value, Fragment | dict):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return render_instant(value)
    if isinstance(value, date):
        return midnight(value)
    if isinstance(value, str):
        return Body.stored("Text", value) if kind == "body" else value
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    texts = [str(text) for text in value or ()]
    if kind == "attendees":
        return attendees(texts)
    return Fragment("".join(tag("String", text) for text in texts))


def attendees(addresses: Sequence[str], response: str = NOT_ASKED) -> Fragment:
    """Attendees by address, as a property value."""
    return rendered(Attendee(address, address, response) for address in addresses)


def organizer(address: str, name: str | None = None) -> Fragment:
    """An organizer other than the mailbox's owner, as a property value."""
    shown = escape_text(name or address)
    return Fragment(
        f"<t:Mailbox><t:Name>{shown}</t:Name><t:EmailAddress>{escape_text(address)}</t:EmailAddress>"
        "<t:RoutingType>SMTP</t:RoutingType></t:Mailbox>"
    )
