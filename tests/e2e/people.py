"""A CRM that says who takes part in a meeting, laid over the shipped configuration and the demo's schema."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from tests.e2e.operator import Operator

TABLES = """
ALTER TABLE appointment ADD COLUMN organizer VARCHAR(254);
CREATE TABLE appointment_user (appointment_id INTEGER NOT NULL, user_id INTEGER NOT NULL, invited_as VARCHAR(254),
  role VARCHAR(20), answer VARCHAR(20), PRIMARY KEY (appointment_id, user_id));
CREATE TABLE appointment_person (appointment_id INTEGER NOT NULL, person_id INTEGER NOT NULL, invited_as VARCHAR(254),
  role VARCHAR(20), answer VARCHAR(20), PRIMARY KEY (appointment_id, person_id));
CREATE TABLE appointment_guest (id INTEGER PRIMARY KEY, appointment_id INTEGER NOT NULL, email VARCHAR(254),
  name VARCHAR(100), role VARCHAR(20), answer VARCHAR(20));
DELETE FROM appointment;
"""
OWNERS = """\
    owners:
    - {column: owner_id}
    - {table: appointment_user, item: appointment_id, user: user_id, defaults: {role: holder}}
    participants:
      organizer: organizer
      users: {table: appointment_user, item: appointment_id, user: user_id, address: invited_as, role: role, response: answer}
      contacts: {table: appointment_person, item: appointment_id, contact: person_id, address: invited_as, role: role,
        response: answer, emails: [email, email_2, email_3]}
      external: {table: appointment_guest, item: appointment_id, address: email, name: name, role: role, response: answer}
"""
ENTRIES = """
- {crm: participants, record: participants}
- {crm: participant_names, record: participant_names, direction: inbound}
- {crm: responses, record: responses, direction: inbound}
- {crm: organizer, record: organizer, direction: inbound}
"""


def describe_people(operator: Operator) -> None:
    """The operator's YAML names the tables of participants, and the mapping carries them; one policy for both links."""
    operator.replace("targets.d/crm.yaml", "    owner: owner_id\n", OWNERS)
    first = "      notes: text\n      place: {column: location, type: text}\n"
    operator.replace("targets.d/crm.yaml", first, f"      organizer: text\n{first}")
    operator.replace("targets.d/sandbox.yaml", "  folders: {calendar: {conflict: target_wins}}\n", "")
    mapping = operator.home / "mappings" / "schedule_item.yaml"
    mapping.write_text(mapping.read_text(encoding="utf-8").rstrip() + ENTRIES, encoding="utf-8")
    (operator.home / "mappings" / "schedule_item.test.yaml").unlink()


def make_tables(operator: Operator) -> None:
    """The tables in the demo's SQLite file, which loses its appointments."""
    with closing(sqlite3.connect(operator.crm_file)) as connection:
        connection.executescript(TABLES)
