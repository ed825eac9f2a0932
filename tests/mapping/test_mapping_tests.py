"""``exsync test``: cases hold or are told apart, spoilt test files are findings, and nothing passes by being empty."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result
from lxml import etree

from runner.cli import _run
from runner.cli import test as command
from runner.model.errors import UsageError

REPOSITORY = Path(__file__).parents[2]
CRM = """\
version: 1
kind: crm
name: crm
url: {env: CRM_URL}
feed: outbox
users: {table: crm_user, key: id, email: email}
entities:
  schedule_item:
    {table: appointment, key: id, version: row_version, owner: owner_id,
     fields: {subject: text, notes: text, rank: integer, tags: keywords}}
"""
MAPPING = """\
version: 1
kind: mapping
name: m
entity: schedule_item
fields:
- crm: subject
  record: title
  outbound: crm.subject | truncate(5)
  inbound: record.title
- {crm: notes, record: description, direction: outbound}
- {crm: tags, record: keywords}
- {crm: rank, record: priority, values: {'1': 1, '2': 5}}
"""
HEAD = "version: 1\nkind: mapping-test\nmapping: m\ncases:\n"

Try = Callable[[str], Result]


def call(root: Path, *arguments: str | Path) -> Result:
    return CliRunner().invoke(command.test, [str(each) for each in arguments], obj=SimpleNamespace(root=root))


@pytest.fixture
def attempt(tmp_path: Path) -> Try:
    """Run these cases on the mapping above."""

    def _attempt(cases: str, mapping: str = MAPPING) -> Result:
        for name, text in {
            "targets.d/crm.yaml": CRM,
            "mappings/m.yaml": mapping,
            "mappings/m.test.yaml": HEAD + cases,
        }.items():
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return call(tmp_path)

    return _attempt


def differences(result: Result) -> list[str]:
    """The lines that tell what came out otherwise."""
    return [line.strip() for line in result.output.splitlines() if line.startswith("    ")]


def test_the_stock_mappings_own_tests_hold() -> None:
    result = call(REPOSITORY)
    assert result.output.endswith("in 6 file(s): all hold\n")
    assert result.exit_code == 0


def test_the_command_is_offered() -> None:
    assert _run(["--config", str(REPOSITORY), "test"]) == 0


def test_a_failed_case_is_told_with_its_place_and_every_difference(attempt: Try, tmp_path: Path) -> None:
    result = attempt(
        "- name: holds\n  outbound: {crm: {subject: a}}\n  expect: {record: {title: a}}\n"
        "- name: cuts\n  outbound: {crm: {subject: abcdefg, rank: 2, tags: [b, a]}}\n"
        "  expect: {record: {title: abcdefg, priority: 5, keywords: [a, b], description: x, location: y}}\n"
    )
    assert result.exit_code == 1
    assert result.output == (
        f"{tmp_path}/mappings/m.test.yaml:8:3: failed: cuts\n"
        '    title: expected "abcdefg", got "abcd…"\n'
        '    description: expected "x", got null\n'
        '    location: expected "y", got null (the mapping does not give this field)\n'
        "2 case(s) in 1 file(s): 1 failed\n"
    )


def test_inbound_and_errors_are_expected_likewise(attempt: Try) -> None:
    result = attempt(
        "- name: a\n  inbound: {record: {title: x, priority: 5}}\n  expect: {crm: {subject: x, rank: 1}}\n"
        "- name: b\n  inbound: {record: {priority: 7}}\n  expect: {error: value map}\n"
        "- name: c\n  inbound: {record: {priority: 7}}\n  expect: {crm: {subject: null}}\n"
        "- name: d\n  inbound: {record: {}}\n  expect: {error: value map}\n"
    )
    assert differences(result) == [
        "rank: expected 1, got 2",
        'error: expected "nothing", got "mappings/m.yaml:12:3: rank: the integer in \'priority\' is not in the '
        "entry's value map\"",
        'error: expected "value map", got "nothing"',
    ]


def test_one_is_not_true(attempt: Try) -> None:
    result = attempt("- {name: a, outbound: {crm: {rank: 1}}, expect: {record: {priority: true}}}\n")
    assert differences(result) == ["priority: expected true, got 1"]


def test_an_undeclared_loss_fails_the_round_trip(attempt: Try) -> None:
    result = attempt("- {name: a, round_trip: {crm: {subject: abcdefg, notes: n}}}\n")
    assert differences(result) == [
        'subject: expected "abcdefg", got "abcd…" (lost on the round trip, and not declared under loss)'
    ]


def test_a_declared_loss_must_occur(attempt: Try) -> None:
    result = attempt(
        "- {name: a, round_trip: {crm: {subject: abcdefg}}, loss: {subject: cut}}\n"
        "- {name: b, round_trip: {crm: {subject: abc}}, loss: {subject: cut, notes: one way}}\n"
    )
    assert differences(result) == [
        'subject: expected "lost: cut", got "abc" (a loss is declared, but it came back as it was)',
        "notes: a loss is declared for a field that does not run both ways",
    ]


def test_a_round_trip_from_the_record_holds_the_same_laws(attempt: Try) -> None:
    result = attempt(
        "- {name: a, round_trip: {record: {title: abc, description: x, priority: 1}}}\n"
        "- {name: b, round_trip: {record: {title: abcdefg}}}\n"
    )
    assert differences(result) == [
        'title: expected "abcdefg", got "abcd…" (lost on the round trip, and not declared under loss)',
        'subject: expected "abcdefg", got "abcd…" (does not settle: put out again, it changes)',
    ]


def test_a_mapping_that_grows_with_each_trip_does_not_settle(attempt: Try) -> None:
    """Such a pair of expressions would let both sides answer each other for ever."""
    growing = MAPPING.replace("crm.subject | truncate(5)", "(crm.subject | default('')) ~ '!'")
    result = attempt("- {name: a, round_trip: {crm: {subject: x}}, loss: {subject: marked}}\n", growing)
    assert differences(result) == ['title: expected "x!", got "x!!" (does not settle: put out again, it changes)']


def test_a_reconcile_case_tells_changes_fields_and_conflicts(attempt: Try) -> None:
    sides = "base: {title: t, priority: 1}, crm: {notes: n, rank: 2}, target: {priority: 5, title: u}"
    case = f"- name: a\n  reconcile: {{{sides}}}\n"
    held = attempt(
        case + "  expect:\n    changes:\n"
        "    - {side: target, operation: update, fields: {description: n}}\n"
        "    - {side: crm, operation: update, fields: {subject: u}}\n    conflicts: []\n"
    )
    assert held.exit_code == 0, held.output
    result = attempt(
        case + "  expect:\n    changes:\n    - {side: crm, operation: update, fields: {subject: v, rank: 1}}\n"
        "    - {side: target, operation: update}\n    conflicts: [title]\n"
    )
    assert differences(result) == [
        'crm update rank: expected 1, got "nothing"',
        'crm update subject: expected "v", got "u"',
        'conflicts: expected ["title"], got []',
    ]
    assert differences(attempt(case + "  expect: {changes: [{side: crm, operation: create}]}\n")) == [
        'changes: expected ["crm create"], got ["crm update", "target update"]'
    ]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("", "changes: [{side: target, operation: update, fields: {title: c}}], conflicts: [title]"),
        ("policy: target_wins", "changes: [{side: crm, operation: update, fields: {subject: t}}], conflicts: [title]"),
        ("policy: manual", "changes: [], conflicts: [title]"),
        ("policy: newest_wins", "changes: [{side: target, operation: update}], conflicts: [title]"),
        (
            "policy: newest_wins, target_modified: '2026-01-01T00:02:01Z'",
            "changes: [{side: crm, operation: update}], conflicts: [title]",
        ),
        ("direction: inbound", "changes: [{side: crm, operation: update}], conflicts: []"),
        ("direction: outbound", "changes: [{side: target, operation: update}], conflicts: []"),
        ("direction: none", "changes: [], conflicts: []"),
    ],
)
def test_a_case_sets_the_links_policy_direction_and_times(attempt: Try, more: str, expected: str) -> None:
    """B-2, B-61: the same edits on both sides, decided by what the case says of its link."""
    comma = ", " if more else ""
    case = f"- {{name: a, reconcile: {{base: {{title: b}}, crm: {{subject: c}}, target: {{title: t}}{comma}{more}}}, "
    result = attempt(case + f"expect: {{{expected}}}}}\n")
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("base", "crm", "target", "more", "expected"),
    [
        ("{title: b}", "null", "{}", "", "changes: [{side: target, operation: delete}], conflicts: []"),
        (
            "{title: b}", "{subject: c}", "null", "",
            "changes: [{side: target, operation: create}], conflicts: [edit_vs_delete]",
        ),
        (
            "{title: b}", "{subject: c}", "null", ", edit_vs_delete: delete_wins",
            "changes: [{side: crm, operation: delete}], conflicts: [edit_vs_delete]",
        ),
        (
            "null", "null", "{title: t}", "",
            "changes: [{side: crm, operation: create, fields: {subject: t, tags: null, rank: null}}]",
        ),
        ("null", "{subject: c}", "{title: t}", "", "changes: [{side: target, operation: update}], conflicts: [title]"),
    ],
)  # fmt: skip
def test_presence_is_part_of_a_case(attempt: Try, base: str, crm: str, target: str, more: str, expected: str) -> None:
    case = f"- {{name: a, reconcile: {{base: {base}, crm: {crm}, target: {target}{more}}}, expect: {{{expected}}}}}\n"
    result = attempt(case)
    assert result.exit_code == 0, result.output


def test_defaults_and_clock_serve_every_case(attempt: Try) -> None:
    result = attempt(
        "- {name: a, outbound: {crm: {notes: n}}, expect: {record: {title: s, description: n}}}\n"
        "- {name: b, inbound: {record: {}}, expect: {crm: {subject: r}}}\n"
        "defaults: {crm: {subject: s}, record: {title: r}}\nclock: 2026-03-29T00:30:00Z\n"
    )
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("cases", "place", "code"),
    [
        ("- {name: a, outbound: {crm: {subjct: x}}, expect: {record: {title: x}}}\n", "5:30", "unknown-field"),
        ("- {name: a, outbound: {crm: {}}, expect: {record: {titel: x}}}\n", "5:52", "unknown-field"),
        ("- {name: a, round_trip: {crm: {}}, loss: {title: cut}}\n", "5:43", "unknown-field"),
        (
            "- {name: a, reconcile: {crm: {}, target: null}, "
            "expect: {changes: [{side: crm, operation: update, fields: {title: x}}]}}\n",
            "5:108", "unknown-field",
        ),
        ("- {name: a, outbound: {crm: {}}}\n", "5:3", "no-expectation"),
        ("- {name: a, outbound: {crm: {}}, expect: {}}\n", "5:3", "no-expectation"),
        ("- {name: a, outbound: {crm: {}}, expect: {crm: {subject: x}}}\n", "5:43", "misplaced"),
        ("- {name: a, round_trip: {crm: {}}, expect: {error: x}}\n", "5:45", "misplaced"),
        ("- {name: a, inbound: {record: {}}, loss: {title: x}, expect: {crm: {subject: x}}}\n", "5:36", "misplaced"),
        ("- {name: a}\n", "5:3", "bad-value"),
        ("- {name: a, outbound: {crm: {}}, inbound: {record: {}}, expect: {error: x}}\n", "5:3", "bad-value"),
        ("- {nam: a, round_trip: {crm: {}}}\n", "5:4", "unknown-key"),
        ("- {name: a, round_trip: {crm: {}}}\nclock: 2026-02-30T00:00:00Z\n", "6:8", "bad-value"),
    ],
)  # fmt: skip
def test_a_spoilt_test_file_is_a_finding_and_runs_nothing(attempt: Try, cases: str, place: str, code: str) -> None:
    result = attempt(cases)
    assert result.exit_code == 78
    assert f"m.test.yaml:{place}: error[{code}]" in result.output
    assert "hold" not in result.output


def test_an_unknown_mapping_is_a_finding_with_a_suggestion(attempt: Try, tmp_path: Path) -> None:
    attempt("- {name: a, round_trip: {crm: {}}}\n")
    (tmp_path / "mappings/n.test.yaml").write_text(
        HEAD.replace("mapping: m", "mapping: mm") + "- {name: a, round_trip: {crm: {}}}\n"
    )
    result = call(tmp_path)
    assert result.exit_code == 78
    assert "n.test.yaml:3:10: error[unknown-mapping]: there is no mapping 'mm'" in result.output
    assert "did you mean 'm'?" in result.output


def test_a_mapping_that_does_not_compile_shows_why(attempt: Try) -> None:
    result = attempt("- {name: a, round_trip: {crm: {}}}\n", MAPPING.replace("crm.subject", "crm.subjct"))
    assert result.exit_code == 78
    assert "mappings/m.yaml:8:17: error[unknown-field]: crm has no field 'subjct'" in result.output
    assert "m.test.yaml:3:10: error[mapping-invalid]" in result.output


def test_no_tests_at_all_is_not_a_success(tmp_path: Path) -> None:
    result = call(tmp_path)
    assert isinstance(result.exception, UsageError)
    assert "there are no mapping tests below" in str(result.exception)


def test_a_path_names_a_root_or_a_test_file(attempt: Try, tmp_path: Path) -> None:
    attempt("- {name: a, round_trip: {crm: {}}}\n")
    (tmp_path / "mappings/other.test.yaml").write_text(
        HEAD + "- {name: a, outbound: {crm: {}}, expect: {record: {title: x}}}\n"
    )
    elsewhere = REPOSITORY
    assert call(elsewhere, tmp_path).exit_code == 1
    assert call(elsewhere, tmp_path / "mappings/m.test.yaml").output == "1 case(s) in 1 file(s): all hold\n"
    assert call(elsewhere, tmp_path / "mappings/other.test.yaml").exit_code == 1
    for wrong in ("mappings/m.yaml", "mappings/none.test.yaml"):
        assert isinstance(call(elsewhere, tmp_path / wrong).exception, UsageError)


def test_an_untested_mapping_is_named(attempt: Try, tmp_path: Path) -> None:
    attempt("- {name: a, round_trip: {crm: {}}}\n")
    (tmp_path / "mappings/b.yaml").write_text(MAPPING.replace("name: m", "name: b"))
    assert call(tmp_path).output == "the mapping 'b' has no tests\n1 case(s) in 1 file(s): all hold\n"


def test_junit_has_every_case_and_is_the_same_each_time(attempt: Try, tmp_path: Path) -> None:
    attempt(
        '- {name: "good <&> \\x01", round_trip: {crm: {}}}\n- {name: bad, round_trip: {crm: {subject: "abcdef\\x02"}}}\n'
    )
    first, second = tmp_path / "first.xml", tmp_path / "second.xml"
    assert call(tmp_path, "--junit", first).exit_code == 1
    assert call(tmp_path, "--junit", second).exit_code == 1
    assert first.read_bytes() == second.read_bytes()
    root = etree.fromstring(first.read_bytes())
    assert dict(root.attrib) == {"tests": "2", "failures": "1"}
    good, bad = root.iter("testcase")
    assert dict(good.attrib) == {"classname": "m", "name": "good <&>", "file": "mappings/m.test.yaml", "line": "5"}
    assert len(good) == 0
    assert bad[0].get("message", "").startswith("subject: expected")
    assert (bad[0].text or "").startswith("mappings/m.test.yaml:6:3\n")


def test_junit_to_a_place_that_is_not_there_is_a_usage_error(attempt: Try, tmp_path: Path) -> None:
    attempt("- {name: a, round_trip: {crm: {}}}\n")
    assert isinstance(call(tmp_path, "--junit", tmp_path / "no" / "where.xml").exception, UsageError)


def test_json_output_is_one_document(attempt: Try, tmp_path: Path) -> None:
    attempt("- {name: a, round_trip: {crm: {subject: abcdef}}}\n")
    data = json.loads(call(tmp_path, "-o", "json").output)
    assert (data["cases"], data["failed"]) == (1, 1)
    (case,) = data["suites"][0]["cases"]
    assert (case["name"], case["line"], case["holds"]) == ("a", 5, False)
    assert case["differences"][0]["what"] == "subject"
