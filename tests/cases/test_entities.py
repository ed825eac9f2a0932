"""Cases of tasks, contacts, series, meetings and their mail, against the demo's configuration (B-100)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from runner.cli import _run
from runner.cli.demo import EDITS

REPOSITORY = Path(__file__).parents[2]
HEAD = """\
version: 1
kind: cases
clock: 2026-03-27T08:00:00Z
users: [ann.lee@example.com, bob.ray@example.com]
defaults:
  crm:
    schedule_item: {time_zone: Europe/Vienna, all_day: false, priority: B, sensitivity: Normal, show_as: Busy}
    task: {status: Outstanding, priority: B, sensitivity: Normal, regenerates: false}
  target:
    schedule_item: {duration: PT1H}
cases:
"""
ENTITIES = """\
- name: a task of two users is completed by one of them, and a contact is among those of who covers it
  given:
    crm:
      task:
      - {item: call, owners: [ann.lee@example.com, bob.ray@example.com], fields: {subject: Call, due_on: 2026-04-01}}
      contact:
      - {item: nora, owner: ann.lee@example.com, fields: {last_name: Winter, email: nora@example.com}}
  steps:
  - pass: {}
  - edit: {target: call, link: sandbox/bob.ray@example.com/tasks, fields: {status: completed}}
  - pass: {}
  - pass: {}
  expect:
    crm:
      task:
      - {item: call, owners: [ann.lee@example.com, bob.ray@example.com], fields: {status: Completed, percent: 100}}
    target:
      sandbox/ann.lee@example.com/tasks: [{item: call, fields: {status: completed}}]
      sandbox/bob.ray@example.com/tasks: [{item: call, fields: {status: completed}}]
      sandbox/ann.lee@example.com/contacts: [{item: nora, fields: {surname: Winter, email_1: nora@example.com}}]
      sandbox/bob.ray@example.com/contacts: []
- name: a series comes in with what its occurrences have of their own, a private item without its words
  given:
    target:
      sandbox/ann.lee@example.com/calendar:
      - item: huddle
        fields:
          title: Huddle
          start: 2026-03-30T09:00:00
          recurrence_rule: FREQ=WEEKLY;COUNT=4;BYDAY=MO
          recurrence_overrides: {2026-04-06: {location: Room 7}, 2026-04-13: {excluded: true}}
      - {item: secret, fields: {title: Secret, start: 2026-03-31T09:00:00, privacy: private}}
  steps: [pass: {}]
  expect:
    crm:
      schedule_item:
      - item: huddle
        fields:
          recurrence_rule: FREQ=WEEKLY;COUNT=4;BYDAY=MO
          occurrences: {2026-04-06: {place: Room 7}, 2026-04-13: {excluded: true}}
      - {item: secret, fields: {subject: Private, place: null}}
"""
FILES = """\
- name: files go both ways by name and content, but for kinds that are blocked
  given:
    crm:
      schedule_item:
      - item: board
        owner: ann.lee@example.com
        fields:
          subject: Board
          starts_at: 2026-03-30T08:00:00Z
          ends_at: 2026-03-30T09:00:00Z
          attachments: {agenda.txt: Point one, run.exe: MZ}
  steps:
  - pass: {}
  - expect:
      target: {sandbox/ann.lee@example.com/calendar: [{item: board, fields: {attachments: {agenda.txt: Point one}}}]}
  - edit: {target: board, fields: {attachments: {agenda.txt: Point one, minutes.txt: Agreed}}}
  - pass: {}
  - pass: {}
  expect:
    crm: {schedule_item: [{item: board, fields: {attachments: {agenda.txt: Point one, minutes.txt: Agreed, run.exe: MZ}}}]}
    writes: {}
- name: an expectation of a file with another content does not hold
  given: {crm: {schedule_item: [{item: a, owner: ann.lee@example.com, fields: {attachments: {agenda.txt: Point one}}}]}}
  expect: {crm: {schedule_item: [{item: a, fields: {attachments: {agenda.txt: Point two}}}]}}
"""
MEETINGS = """\
- name: a meeting among users is one record, an answer reaches it, and nobody is mailed by exsync
  steps:
  - create:
      target: sandbox/ann.lee@example.com/calendar
      item: board
      send: true
      fields: {title: Board, start: 2026-03-30T10:00:00, participants: {bob.ray@example.com: required}}
  - pass: {}
  - answer: {target: board, link: sandbox/bob.ray@example.com/calendar, response: accepted}
  - pass: {}
  - expect:
      crm: {schedule_item: [{item: board, fields: {responses: {bob.ray@example.com: accepted}}}]}
      target:
        sandbox/ann.lee@example.com/calendar: [{item: board, fields: {responses: {bob.ray@example.com: accepted}}}]
        sandbox/bob.ray@example.com/calendar: [{item: board, fields: {my_response: accepted}}]
  - delete: {target: board, send: true}
  - pass: {}
  expect: {mails: {sent: 0, held: 0}, crm: {schedule_item: []}}
- name: invitations go out within their budget after the first sync, and the rest is held
  steps:
  - pass: {}
  - create:
      crm: schedule_item
      owner: ann.lee@example.com
      fields:
        subject: One
        starts_at: 2026-03-30T08:00:00Z
        ends_at: 2026-03-30T09:00:00Z
        participants: {x@example.org: required}
  - create:
      crm: schedule_item
      owner: ann.lee@example.com
      fields:
        subject: Two
        starts_at: 2026-03-31T08:00:00Z
        ends_at: 2026-03-31T09:00:00Z
        participants: {y@example.org: required}
  - pass: {}
  expect: {mails: {sent: 1, held: 1}}
"""


def exit_of(cases: str, root: Path, stated: str) -> int:
    """The exit code of ``exsync test`` over these cases, with something stated among the target's defaults."""
    for part in ("targets.d", "mappings"):
        shutil.copytree(REPOSITORY / part, root / part)
    file = root / "targets.d/sandbox.yaml"
    text = file.read_text(encoding="utf-8")
    for old, new in {**EDITS, "  conflict: crm_wins\n": stated}.items():
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")
    (root / "tests").mkdir()
    (root / "tests/c.cases.yaml").write_text(HEAD + cases, encoding="utf-8")
    return _run(["test", str(root / "tests/c.cases.yaml")])


@pytest.mark.parametrize("cases", [ENTITIES, MEETINGS], ids=["entities", "meetings"])
def test_every_entity_has_its_cases(cases: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = exit_of(cases, tmp_path, "  mail: {send: [invitations], per_run: 1}\n")
    assert (code, capsys.readouterr().out) == (0, "2 case(s) in 1 file(s): all hold\n")


def test_files_are_attached_and_compared_by_name_and_content(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """B-45; the second case must not hold."""
    assert exit_of(FILES, tmp_path, "  attachments: true\n") == 1
    out = capsys.readouterr().out
    assert "failed: files go" not in out, out
    assert "failed: an expectation of a file with another content" in out
    assert "agenda.txt/" in out
