"""``exsync test`` plays cases: what holds, what befalls a pass, and what is said of every expectation that fails (B-100)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from click.testing import CliRunner
from lxml import etree

from runner.cli import test as command
from tests.cases.conftest import GIVEN, HEAD, Play, told

CALENDAR = "hq/ann@example.com/calendar"


def holds(play: Play, case: str) -> None:
    result = play(case)
    assert result.output.endswith("1 case(s) in 1 file(s): all hold\n"), result.output
    assert result.exit_code == 0


def test_a_repository_of_yaml_alone_is_played_by_the_real_command(repository: Path) -> None:
    """No secret is set, no server reached, and nothing is left behind."""
    (repository / "tests/c.cases.yaml").write_text(
        HEAD + GIVEN + "  steps: [pass: {}, pass: {}]\n"
        f"  expect: {{target: {{{CALENDAR}: [{{item: board, fields: {{title: Board, start: 2026-03-30T10:00:00}}}}]}}, "
        "writes: {}}\n"
    )
    environ = {name: value for name, value in os.environ.items() if not name.startswith("EXSYNC_")}
    before = sorted(repository.rglob("*"))
    done = subprocess.run(
        [sys.executable, "-m", "runner", "test"],
        cwd=repository,
        env=environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "1 case(s) in 1 file(s): all hold\n"
    assert sorted(repository.rglob("*")) == before


def test_people_work_on_both_sides(play: Play) -> None:
    holds(
        play,
        GIVEN + "  steps:\n"
        "  - pass: {links: [hq/ann@example.com]}\n"
        "  - edit: {target: board, fields: {location: Room 4, start: 2026-03-30T11:00:00}}\n"
        f"  - create: {{target: {CALENDAR}, item: lunch, fields: {{title: Lunch, start: 2026-03-31T12:00:00}}}}\n"
        "  - pass: {}\n"
        "  - expect:\n"
        "      crm:\n"
        "        schedule_item:\n"
        "        - {item: lunch, owner: ann@example.com, fields: {begins: 2026-03-31T10:00:00Z}}\n"
        "        - {item: board, fields: {where: Room 4, begins: 2026-03-30T09:00:00Z, ends: 2026-03-30T10:00:00Z}}\n"
        "      writes: {crm: {create: 1, update: 1}}\n"
        "  - edit: {crm: lunch, fields: {where: null, what: Lunch with Bob}}\n"
        "  - delete: {crm: board}\n"
        "  - pass: {}\n"
        f"  expect: {{target: {{{CALENDAR}: [{{item: lunch, fields: {{title: Lunch with Bob}}}}]}}, conflicts: []}}\n",
    )


def test_a_fault_before_its_effect_costs_a_pass(play: Play) -> None:
    holds(
        play,
        GIVEN + "  steps:\n"
        "  - fault: {target: hq, operation: CreateItem, code: ErrorMailboxStoreUnavailable}\n"
        "  - pass: {exit: 75}\n"
        f"  - expect: {{target: {{{CALENDAR}: []}}, writes: {{}}}}\n"
        "  - clock: 1d\n"
        "  - pass: {}\n"
        f"  expect: {{target: {{{CALENDAR}: [{{item: board}}]}}, writes: {{target: {{create: 1}}}}}}\n",
    )


def test_a_fault_after_its_effect_makes_no_duplicate(play: Play) -> None:
    """A create whose answer is lost is settled by its stamp, and not sent again (L5)."""
    holds(
        play,
        GIVEN + "  steps:\n"
        "  - fault: {target: hq, operation: CreateItem, code: ErrorInternalServerError, after: true}\n"
        "  - pass: {}\n"
        f"  - expect: {{target: {{{CALENDAR}: [{{fields: {{title: Board}}}}]}}}}\n"
        "  - clock: 1d\n"
        "  - pass: {}\n"
        f"  expect: {{target: {{{CALENDAR}: [{{item: board}}]}}}}\n",
    )


def test_a_server_that_is_busy_away_or_refuses_the_log_on_ends_the_pass_with_its_exit_code(play: Play) -> None:
    holds(
        play,
        GIVEN + "  steps:\n"
        "  - fault: {target: hq, operation: SyncFolderItems, code: ErrorServerBusy, whole: true, user: ANN@example.com}\n"
        "  - pass: {exit: 75}\n"
        "  - fault: {target: hq, operation: SyncFolderItems, http: 503}\n"
        "  - clock: 1h\n"
        "  - pass: {exit: 75}\n"
        "  - fault: {target: hq, operation: SyncFolderItems, http: 401}\n"
        "  - clock: 2026-03-27T12:00:00Z\n"
        "  - pass: {exit: 77}\n"
        "  - pass: {}\n"
        f"  expect: {{target: {{{CALENDAR}: [{{item: board}}]}}}}\n",
    )


def test_a_guard_stops_deletes_until_they_are_allowed(play: Play) -> None:
    two = GIVEN.replace("}}]}}", "}}, {item: lunch, owner: ann@example.com, fields: {what: Lunch}}]}}").replace(
        "{what: Lunch}", "{what: Lunch, begins: 2026-03-31T10:00:00Z, ends: 2026-03-31T11:00:00Z}"
    )
    holds(
        play,
        two + "  steps:\n"
        "  - pass: {}\n"
        "  - delete: {crm: board}\n"
        "  - delete: {target: lunch}\n"
        "  - pass: {exit: 4}\n"
        "  - pass: {allow: [delete]}\n"
        f"  expect: {{crm: {{schedule_item: []}}, target: {{{CALENDAR}: []}}}}\n",
    )


def test_a_conflict_is_held_and_what_does_not_fit_is_set_aside(play: Play) -> None:
    holds(
        play,
        GIVEN.replace("ann@", "bob@") + "  steps:\n"
        "  - pass: {}\n"
        "  - edit: {crm: board, fields: {what: CRM's}}\n"
        "  - edit: {target: board, fields: {title: Outlook's}}\n"
        "  - create: {target: hq/bob@example.com/calendar, fields: {title: a title of too many letters, "
        "start: 2026-04-01T08:00:00}}\n"
        "  - pass: {}\n"
        "  expect:\n"
        "    crm: {schedule_item: [{fields: {what: CRM's}}]}\n"
        "    conflicts: [title]\n"
        "    held: [title]\n"
        "    quarantine: [too-long]\n"
        "    mails: {sent: 0, held: 0}\n",
    )


def test_every_expectation_that_fails_is_told_with_its_place(play: Play) -> None:
    result = play(
        GIVEN + "  steps: [pass: {}]\n"
        "  expect:\n"
        "    crm:\n"
        "      schedule_item:\n"
        "      - {item: board, owner: bob@example.com, fields: {what: Bord, whole_day: false}}\n"
        "      - {fields: {what: Lunch}}\n"
        "    target:\n"
        f"      {CALENDAR}: []\n"
        "      hq/bob@example.com/calendar:\n"
        "      - {item: board}\n"
        "    conflicts: [title]\n"
        "    held: [title]\n"
        "    quarantine: [too-long]\n"
        "    mails: {sent: 1}\n"
        "    writes: {crm: {update: 1}}\n"
    )
    assert result.exit_code == 1
    assert f"{result.output.partition('tests/c.cases.yaml')[0]}tests/c.cases.yaml:8:3: failed: a\n" in result.output
    lines = told(result)
    unexpected = lines.pop(3)
    assert unexpected.startswith(f'tests/c.cases.yaml:17:7: {CALENDAR}: expected "nothing", got {{"')
    assert '"title": "Board"' in unexpected
    assert unexpected.endswith("(nobody expected this item)")
    assert lines == [
        'tests/c.cases.yaml:14:9: crm schedule_item what: expected "Bord", got "Board"',
        'tests/c.cases.yaml:14:9: crm schedule_item owners: expected ["bob@example.com"], got ["ann@example.com"]',
        'tests/c.cases.yaml:15:9: crm schedule_item: expected {"what": "Lunch"}, got "nothing" (no such item)',
        'tests/c.cases.yaml:19:9: hq/bob@example.com/calendar: expected "board", got "nothing" (no item here is \'board\')',
        'tests/c.cases.yaml:20:16: conflicts: expected ["title"], got []',
        'tests/c.cases.yaml:21:11: held: expected ["title"], got []',
        'tests/c.cases.yaml:22:17: quarantine: expected ["too-long"], got []',
        "tests/c.cases.yaml:23:12: mails sent: expected 1, got 0",
        "tests/c.cases.yaml:24:13: writes crm.update: expected 1, got 0",
        "tests/c.cases.yaml:24:13: writes target.create: expected 0, got 1",
    ]


def test_a_pass_that_ends_otherwise_and_a_fault_that_met_nothing_fail_the_case(play: Play) -> None:
    result = play(
        GIVEN + "  steps:\n"
        "  - fault: {target: hq, operation: DeleteItem, code: ErrorServerBusy}\n"
        "  - fault: {target: hq, operation: SyncFolderItems, http: 503}\n"
        "  - pass: {}\n"
        "  expect: {conflicts: []}\n"
    )
    pass_, fault = told(result)
    assert pass_.startswith(f"tests/c.cases.yaml:13:11: pass exit code: expected 0, got 75 ({CALENDAR}: ")
    assert fault == "tests/c.cases.yaml:11:12: fault: this fault met no request: the case does not show what it says"


def test_a_step_that_cannot_be_done_ends_the_case(play: Play) -> None:
    result = play(GIVEN + "  steps: [{edit: {target: board, fields: {title: x}}}]\n  expect: {conflicts: [title]}\n")
    assert told(result) == [
        "tests/c.cases.yaml:10:18: edit: 'board' is not there on the side target: no pass has brought it, or it went again"
    ]
    result = play(
        f"- name: a\n  given: {{target: {{{CALENDAR}: [{{fields: {{title: x}}}}]}}}}\n  expect: {{conflicts: []}}\n"
    )
    assert told(result) == ["tests/c.cases.yaml:9:50: given: this cannot be done: an appointment needs a start"]
    result = play(GIVEN + "  steps: [{clock: 2026-03-26T08:00:00Z}]\n  expect: {conflicts: []}\n")
    assert told(result)[0].startswith(
        'tests/c.cases.yaml:10:19: clock: expected "2026-03-26T08:00:00Z", got "2026-03-27T08:00'
    )


def test_users_may_fill_what_exsync_only_reads(play: Play, repository: Path) -> None:
    for file, old, new in (
        ("targets.d/crm.yaml", "      where: text\n", "      where: text\n      number: {type: integer, writable: false}\n"),
        ("mappings/visit.yaml", "- {crm: where, record: location}\n", "- {crm: where, record: location, direction: inbound}\n"
         "- {crm: number, record: description, direction: outbound, outbound: \"'No. ' ~ crm.number\"}\n"),
    ):  # fmt: skip
        path = repository / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")
    holds(
        play,
        GIVEN.replace("what: Board,", "what: Board, number: 7,") + "  steps:\n"
        "  - pass: {}\n"
        f"  - expect: {{target: {{{CALENDAR}: [{{fields: {{description: No. 7}}}}]}}}}\n"
        "  - edit: {crm: board, fields: {number: 8}}\n"
        "  - pass: {}\n"
        f"  expect: {{target: {{{CALENDAR}: [{{item: board, fields: {{description: No. 8}}}}]}}}}\n",
    )


def test_everybody_in_a_case_is_on_every_list(play: Play, repository: Path) -> None:
    """B-73: no directory, no file and no CRM is read for a list of users."""
    hq = repository / "targets.d/hq.yaml"
    text = hq.read_text(encoding="utf-8")
    listed = "links:\n- generate: {from: {csv: nobody-has-this.csv}}\n"
    hq.write_text(text[: text.index("links:")] + listed, encoding="utf-8")
    holds(
        play,
        GIVEN.replace("ann@", "Eve@") + "  steps: [pass: {}]\n"
        "  expect: {target: {hq/eve@example.com/calendar: [{item: board}]}}\n",
    )


def test_a_crm_that_cannot_be_made_is_told_by_each_case(play: Play, repository: Path) -> None:
    crm = repository / "targets.d/crm.yaml"
    crm.write_text(crm.read_text(encoding="utf-8").replace("where: text", "where: {column: WHAT, type: text}"))
    result = play(
        GIVEN + "  expect: {conflicts: []}\n- name: b\n  users: [ann@example.com]\n  expect: {conflicts: []}\n"
    )
    assert result.output.count("world: the case cannot be set up: duplicate column name: WHAT") == 2
    assert result.exit_code == 1


def test_json_and_junit_tell_the_places_too(play: Play, repository: Path, tmp_path: Path) -> None:
    play(GIVEN + "  expect: {target: {hq/ann@example.com/calendar: [{item: board}]}}\n")
    call = CliRunner().invoke(
        command.test,
        [str(repository / "tests/c.cases.yaml"), "-o", "json", "--junit", str(tmp_path / "r.xml")],
        obj=SimpleNamespace(root=tmp_path / "elsewhere"),
    )
    assert call.exit_code == 1
    suite = json.loads(call.output)["suites"][0]
    assert (suite["file"], suite["mapping"], suite["cases"][0]["line"]) == ("tests/c.cases.yaml", None, 8)
    assert suite["cases"][0]["differences"] == [
        {"what": CALENDAR, "expected": "board", "got": "nothing", "note": "no item here is 'board'", "line": 10,
         "column": 51}
    ]  # fmt: skip
    (case,) = etree.fromstring((tmp_path / "r.xml").read_bytes()).iter("testcase")
    assert case.get("classname") == "c"
    assert case[0].get("message", "").startswith(f"tests/c.cases.yaml:10:51: {CALENDAR}: expected")
