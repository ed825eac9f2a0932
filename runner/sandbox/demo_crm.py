"""A small CRM in SQLite to try things on: two users with an alias each, a dozen appointments, some tasks and persons.

Its tables are those that ``targets.d/crm.yaml`` describes. It is an ordinary application's schema: it knows nothing of
exsync, and `exsync target ddl crm --apply` adds what exsync needs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

SCHEMA = """
CREATE TABLE crm_user (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name VARCHAR(100) NOT NULL,
  email VARCHAR(254) UNIQUE,
  login VARCHAR(100) UNIQUE,
  first_name VARCHAR(60),
  last_name VARCHAR(60),
  department VARCHAR(100),
  job_title VARCHAR(100),
  phone VARCHAR(40),
  mobile VARCHAR(40),
  role VARCHAR(20) NOT NULL DEFAULT 'user',
  language VARCHAR(5),
  template VARCHAR(20),
  group_names TEXT,
  directory VARCHAR(60),
  read_only TEXT,
  locked BOOLEAN NOT NULL DEFAULT 0,
  deleted BOOLEAN NOT NULL DEFAULT 0,
  row_version INTEGER NOT NULL DEFAULT 1,
  changed_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE crm_group (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name VARCHAR(100) NOT NULL UNIQUE,
  description TEXT,
  synchronize_users BOOLEAN NOT NULL DEFAULT 0,
  template VARCHAR(20),
  priority INTEGER,
  parents TEXT,
  directory VARCHAR(60),
  deleted BOOLEAN NOT NULL DEFAULT 0,
  row_version INTEGER NOT NULL DEFAULT 1,
  changed_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE crm_user_email (
  user_id INTEGER NOT NULL REFERENCES crm_user (id),
  email VARCHAR(254) NOT NULL UNIQUE
);
CREATE TABLE appointment (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  subject VARCHAR(255),
  notes TEXT,
  location VARCHAR(255),
  starts_at DATETIME,
  ends_at DATETIME,
  time_zone VARCHAR(64),
  all_day BOOLEAN NOT NULL DEFAULT 0,
  recurrence_rule VARCHAR(255),
  priority VARCHAR(1) NOT NULL DEFAULT 'B',
  sensitivity VARCHAR(20) NOT NULL DEFAULT 'Normal',
  show_as VARCHAR(20) NOT NULL DEFAULT 'Busy',
  categories TEXT,
  alarm_minutes INTEGER,
  organizer VARCHAR(254),
  owner_id INTEGER REFERENCES crm_user (id),
  deleted BOOLEAN NOT NULL DEFAULT 0,
  row_version INTEGER NOT NULL DEFAULT 1,
  changed_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX appointment_owner ON appointment (owner_id);
CREATE TABLE appointment_occurrence (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  appointment_id INTEGER NOT NULL REFERENCES appointment (id),
  original_day DATE NOT NULL,
  cancelled BOOLEAN NOT NULL DEFAULT 0,
  subject VARCHAR(255),
  notes TEXT,
  location VARCHAR(255),
  starts_at DATETIME,
  ends_at DATETIME,
  time_zone VARCHAR(64),
  all_day BOOLEAN,
  priority VARCHAR(1),
  alarm_minutes INTEGER,
  show_as VARCHAR(20),
  categories TEXT
);
CREATE UNIQUE INDEX appointment_occurrence_day ON appointment_occurrence (appointment_id, original_day);
CREATE TABLE appointment_user (
  appointment_id INTEGER NOT NULL REFERENCES appointment (id),
  user_id INTEGER NOT NULL REFERENCES crm_user (id),
  invited_as VARCHAR(254),
  role VARCHAR(20),
  answer VARCHAR(20),
  PRIMARY KEY (appointment_id, user_id)
);
CREATE TABLE appointment_guest (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  appointment_id INTEGER NOT NULL REFERENCES appointment (id),
  email VARCHAR(254),
  name VARCHAR(100),
  role VARCHAR(20),
  answer VARCHAR(20)
);
CREATE INDEX appointment_guest_of ON appointment_guest (appointment_id);
CREATE TABLE appointment_file (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  appointment_id INTEGER NOT NULL REFERENCES appointment (id),
  file_name VARCHAR(255),
  content BLOB,
  source VARCHAR(20)
);
CREATE INDEX appointment_file_of ON appointment_file (appointment_id);
CREATE TABLE task (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  subject VARCHAR(255),
  notes TEXT,
  starts_on DATE,
  due_on DATE,
  status VARCHAR(20) NOT NULL DEFAULT 'Outstanding',
  percent INTEGER,
  completed_on DATE,
  priority VARCHAR(1) NOT NULL DEFAULT 'B',
  sensitivity VARCHAR(20) NOT NULL DEFAULT 'Normal',
  categories TEXT,
  rule VARCHAR(255),
  regenerates BOOLEAN NOT NULL DEFAULT 0,
  deleted BOOLEAN NOT NULL DEFAULT 0,
  row_version INTEGER NOT NULL DEFAULT 1,
  changed_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE task_user (
  task_id INTEGER NOT NULL REFERENCES task (id),
  user_id INTEGER NOT NULL REFERENCES crm_user (id),
  PRIMARY KEY (task_id, user_id)
);
CREATE TABLE person (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  title VARCHAR(20),
  first_name VARCHAR(60),
  middle_name VARCHAR(60),
  last_name VARCHAR(60),
  suffix VARCHAR(20),
  initials VARCHAR(10),
  company VARCHAR(100),
  department VARCHAR(100),
  job_title VARCHAR(100),
  notes TEXT,
  email VARCHAR(254),
  email_2 VARCHAR(254),
  email_3 VARCHAR(254),
  phone VARCHAR(40),
  phone_home VARCHAR(40),
  mobile VARCHAR(40),
  fax VARCHAR(40),
  fax_home VARCHAR(40),
  street VARCHAR(200),
  city VARCHAR(100),
  region VARCHAR(100),
  postcode VARCHAR(20),
  country VARCHAR(60),
  home_street VARCHAR(200),
  home_city VARCHAR(100),
  home_region VARCHAR(100),
  home_postcode VARCHAR(20),
  home_country VARCHAR(60),
  categories TEXT,
  deleted BOOLEAN NOT NULL DEFAULT 0,
  row_version INTEGER NOT NULL DEFAULT 1,
  changed_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE appointment_person (
  appointment_id INTEGER NOT NULL REFERENCES appointment (id),
  person_id INTEGER NOT NULL REFERENCES person (id),
  invited_as VARCHAR(254),
  role VARCHAR(20),
  answer VARCHAR(20),
  PRIMARY KEY (appointment_id, person_id)
);
CREATE TABLE person_cover (
  person_id INTEGER NOT NULL REFERENCES person (id),
  user_id INTEGER NOT NULL REFERENCES crm_user (id),
  PRIMARY KEY (person_id, user_id)
);
CREATE TABLE person_list (
  person_id INTEGER NOT NULL REFERENCES person (id),
  user_id INTEGER NOT NULL REFERENCES crm_user (id),
  PRIMARY KEY (person_id, user_id)
);
"""

USERS = (
    ("Ann Lee", "ann.lee@example.com", "ann@example.com"),
    ("Bob Ray", "bob.ray@example.com", "robert.ray@example.com"),
)

# (owner, days from today, from, minutes, zone, subject, location, notes, other columns); minutes None: all day
_APPOINTMENTS: tuple[tuple[int, int, str, int | None, str, str, str | None, str | None, dict[str, str]], ...] = (
    (1, 1, "09:00", 30, "Europe/Vienna", "Stand-up with sales", "Room 4", None, {}),
    (1, 1, "14:00", 60, "Europe/Vienna", "Offer for Northwind", "Phone", "Ask for the volumes\nSend the draft before", {}),
    (1, 2, "10:30", 90, "Europe/Vienna", "Review", "Board room", None, {"priority": "A", "categories": "Finance;Team"}),
    (1, 3, "00:00", None, "Europe/Vienna", "Trade fair Linz", "Design Center", None, {"show_as": "OOF"}),
    (1, 5, "16:00", 45, "Europe/Vienna", "Dentist", None, None, {"sensitivity": "Private"}),
    (1, 8, "08:00", 120, "Europe/London", "Workshop with Contoso", "London office", "Bring the prototype", {"priority": "A"}),
    (1, 12, "13:00", 30, "Europe/Vienna", "Coffee, Jürgen", "Café Central", None, {"priority": "C", "show_as": "Tentative"}),
    (2, 1, "11:00", 60, "Europe/Vienna", "Support hand-over", "Room 2", None, {"categories": "Support"}),
    (2, 2, "15:00", 30, "Europe/Vienna", "Interview: backend engineer", "Room 1", None, {"sensitivity": "Confidential"}),
    (2, 4, "09:00", 240, "Europe/Vienna", "Migration rehearsal", None, "Roll back at noon if in doubt", {}),
    (2, 6, "00:00", None, "Europe/Vienna", "Holiday", None, None, {"show_as": "OOF", "sensitivity": "Personal"}),
    (2, 9, "17:30", 60, "America/New_York", "Call with the New York team", "Phone", None, {"show_as": "WorkingElsewhere"}),
)  # fmt: skip


# (assigned users, days until due, subject, other columns)
_TASKS: tuple[tuple[tuple[int, ...], int, str, dict[str, str]], ...] = (
    ((1,), 4, "Send the offer to Northwind", {"status": "Tentative", "priority": "A"}),
    ((1, 2), 7, "Read the draft contract", {"notes": "Clause 7 above all"}),
    ((2,), 2, "Weekly figures", {"rule": "FREQ=WEEKLY"}),
)

# (who covers them, whose list they are on, columns)
_PERSONS: tuple[tuple[tuple[int, ...], tuple[int, ...], dict[str, str]], ...] = (
    ((1,), (), {"title": "Dr.", "first_name": "Eva", "last_name": "Novak", "email": "eva@example.org"}),
    ((), (1, 2), {"first_name": "Max", "last_name": "Moser", "company": "Contoso", "mobile": "+43 660 1234567"}),
)  # fmt: skip


def create_demo_crm(path: str | Path, *, today: date | None = None) -> None:
    """Make the database file with its data. ``today`` is what the appointments lie around (default: today in UTC).

    Raises ``FileExistsError`` when the file is there already: a CRM is never overwritten.
    """
    file = Path(path)
    if file.exists():
        raise FileExistsError(f"{file} exists already")
    day = today or datetime.now(UTC).date()
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(SCHEMA)
        for name, email, alias in USERS:
            user = connection.execute("INSERT INTO crm_user (name, email) VALUES (?, ?)", (name, email)).lastrowid
            connection.execute("INSERT INTO crm_user_email (user_id, email) VALUES (?, ?)", (user, alias))
        for owner, days, at, minutes, zone, subject, location, notes, other in _APPOINTMENTS:
            start, end = _times(day + timedelta(days=days), at, minutes, zone)
            row = {
                "subject": subject,
                "notes": notes,
                "location": location,
                "starts_at": start,
                "ends_at": end,
                "time_zone": zone,
                "all_day": int(minutes is None),
                "owner_id": owner,
            } | other
            _insert(connection, "appointment", row)
        for users, days, subject, other in _TASKS:
            due = (day + timedelta(days=days)).isoformat()
            task = _insert(connection, "task", {"subject": subject, "due_on": due} | other)
            for user in users:
                _insert(connection, "task_user", {"task_id": task, "user_id": user})
        for covering, listing, columns in _PERSONS:
            person = _insert(connection, "person", dict(columns))
            for table, users in (("person_cover", covering), ("person_list", listing)):
                for user in users:
                    _insert(connection, table, {"person_id": person, "user_id": user})
        connection.commit()


def _insert(connection: sqlite3.Connection, table: str, row: Mapping[str, object]) -> int | None:
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    return connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(row.values())).lastrowid  # noqa: S608


def _times(day: date, at: str, minutes: int | None, zone: str) -> tuple[str, str]:
    """Start and end as the CRM's columns hold them: UTC without offset; all-day items as dates, midnight to midnight."""
    if minutes is None:
        midnight = datetime.combine(day, time(), UTC)
        return _utc(midnight), _utc(midnight + timedelta(days=1))
    start = datetime.combine(day, time.fromisoformat(at), ZoneInfo(zone)).astimezone(UTC)
    return _utc(start), _utc(start + timedelta(minutes=minutes))


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
