"""Who takes part in a record of the in-memory CRM, where one table says who is invited and who holds it, as the demo's does.

The address of a user gets a row of his, which makes him a holder; any other one is an external participant. A row stays
where it is for as long as its address is invited. Who lets go of a record stays invited, as an external participant (B-31).
"""

from __future__ import annotations

from collections.abc import Mapping

from runner.config.plan import PARTICIPANTS, RESPONSES
from runner.model.record import Fields, Value
from runner.testing.tables import Row


def seated(row: Row, values: Fields, users: Mapping[str, str]) -> dict[str, Value]:
    """The record's values as the tables of participants give them back, with everybody's row where it belongs. ``users``
    are the CRM's users by address."""
    wanted = _words(values, PARTICIPANTS)
    for address in row.guests.keys() - wanted.keys():
        row.others -= {row.guests.pop(address)}
    for address in wanted.keys() - row.guests.keys():
        row.guests[address] = users.get(address, "")
        row.others |= {row.guests[address]} - {""}
    answers = {address: word for address, word in _words(values, RESPONSES).items() if address in wanted}
    return {
        **values,
        PARTICIPANTS: dict(sorted(wanted.items())) or None,
        RESPONSES: dict(sorted(answers.items())) or None,
    }


def stay_invited(row: Row, user: str) -> None:
    """A user lets go of the record."""
    row.guests.update({address: "" for address, key in row.guests.items() if key == user})


def without(row: Row, user: str) -> Fields:
    """The record's values when a user's row is taken out by somebody."""
    left = {address: role for address, role in _words(row.values, PARTICIPANTS).items() if row.guests[address] != user}
    return {**row.values, PARTICIPANTS: left}


def _words(values: Fields, name: str) -> dict[str, str]:
    value: Value = values.get(name)
    return {str(address): str(word) for address, word in value.items()} if isinstance(value, Mapping) else {}
