"""What the in-memory mail server makes of an item when its user invites somebody."""

from __future__ import annotations

from collections.abc import Mapping

from runner.testing.held import Held


def convene(held: Held, user: str) -> None:
    """An item with attendees is a meeting, and who invites them its organizer; without any it is none. Of those who are off
    the list the answer is forgotten; nobody who is new on it has answered yet."""
    invited, answers = held.values.get("participants"), held.values.get("responses")
    if not isinstance(invited, Mapping) or not invited:
        held.values["responses"] = None
        if held.organizer in {None, user}:
            held.shared, held.organizer, held.response = False, None, None
        return
    if not held.shared:
        held.shared, held.organizer, held.response = True, user, "organizer"
    known = answers if isinstance(answers, Mapping) else {}
    held.values["responses"] = {address: known.get(address, "needs_action") for address in sorted(invited)}
