"""A repository that holds nothing but YAML: a CRM in a schema of its own, a mail server that nobody reaches, one mapping."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from runner.cli import test as command

CRM = """\
version: 1
kind: crm
name: sales
url: {env: NO_SUCH_CRM_URL}
schema: sales
feed: version_column
users: {table: staff, key: staff_no, email: mail}
entities:
  schedule_item:
    table: visit
    key: visit_no
    version: stamp
    version_by: writer
    owner: staff_no
    modified: touched
    soft_delete: {column: state, value: gone}
    fields:
      what: {type: text, max_length: 20, nullable: false}
      where: text
      begins: instant
      ends: instant
      zone: zone
      whole_day: {type: boolean, nullable: false}
"""
HQ = """\
version: 1
kind: exchange
name: hq
endpoint: https://mail.example.com/EWS/Exchange.asmx
auth: {type: ntlm, username: EXAMPLE\\svc, password: {env: NO_SUCH_PASSWORD}}
access: impersonation
paused: true
guards: {max_deletes: {count: 1, ratio: 1.0}}
defaults:
  time_zone: Europe/Vienna
  folders: {calendar: {entity: schedule_item, mapping: visit, direction: both, window: {past: 30d, future: 365d}}}
links:
- user: ann@example.com
- user: bob@example.com
  folders: {calendar: {conflict: manual}}
"""
MAPPING = """\
version: 1
kind: mapping
name: visit
entity: schedule_item
match: [[title, start]]
fields:
- {crm: what, record: title}
- {crm: where, record: location}
- codec: interval
  crm: {start: begins, end: ends, zone: zone, all_day: whole_day}
"""
HEAD = """\
version: 1
kind: cases
clock: 2026-03-27T08:00:00Z
defaults:
  crm: {schedule_item: {zone: Europe/Vienna, whole_day: false}}
  target: {schedule_item: {duration: PT1H}}
cases:
"""
BOARD = (
    "{item: board, owner: ann@example.com, "
    "fields: {what: Board, begins: 2026-03-30T08:00:00Z, ends: 2026-03-30T09:00:00Z}}"
)
GIVEN = f"- name: a\n  given: {{crm: {{schedule_item: [{BOARD}]}}}}\n"
"""Lines 8 and 9 of a file: a case in which Ann has an appointment in the CRM."""

Play = Callable[[str], Result]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name, text in {"targets.d/crm.yaml": CRM, "targets.d/hq.yaml": HQ, "mappings/visit.yaml": MAPPING}.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (tmp_path / "tests").mkdir()
    return tmp_path


@pytest.fixture
def play(repository: Path) -> Play:
    """Play these cases in the repository."""

    def _play(cases: str) -> Result:
        (repository / "tests/c.cases.yaml").write_text(HEAD + cases, encoding="utf-8")
        return CliRunner().invoke(command.test, [], obj=SimpleNamespace(root=repository))

    return _play


def told(result: Result) -> list[str]:
    """What came out otherwise, with its place: the lines beneath a failed case, without the repository's path."""
    lines = [line.strip() for line in result.output.splitlines() if line.startswith("    ")]
    return ["tests/c.cases.yaml" + line.partition("tests/c.cases.yaml")[2] for line in lines]
