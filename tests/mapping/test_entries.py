"""Renames, value maps and what entries may not do to each other."""

from __future__ import annotations

import pytest

from runner.model.errors import Invalid
from runner.model.terms import ConflictPolicy, Direction
from tests.mapping.yamls import CRM, HEAD, CrmFieldType, FieldType, attempt, entries, findings, one


def test_direction_and_conflict_are_the_entrys_own() -> None:
    mapping = entries("- {crm: notes, record: description, direction: inbound, conflict: target_wins}")
    (unit,) = mapping.units
    assert (unit.direction, unit.conflict, unit.rule) == (Direction.INBOUND, ConflictPolicy.TARGET_WINS, "m.yaml:6:3")


def test_an_inbound_rename_still_presents_what_the_crm_holds() -> None:
    mapping = entries("- {crm: notes, record: description, direction: inbound}")
    assert mapping.outbound({"notes": "a"}) == {"description": "a"}
    assert mapping.inbound({"description": "a"}) == {"notes": "a"}


def test_an_outbound_rename_writes_nothing_into_the_crm() -> None:
    mapping = entries("- {crm: notes, record: description, direction: outbound}")
    assert mapping.inbound({"description": "a"}) == {}
    assert mapping.inbound_fields(["description"]) == frozenset()


def test_direction_none_takes_the_entry_out_but_still_checks_it() -> None:
    mapping = entries("- {crm: notes, record: description, direction: none}\n- {crm: subject, record: title}")
    assert mapping.outbound({"notes": "a", "subject": "b"}) == {"title": "b"}
    assert mapping.crm_fields == {"subject"}
    assert findings("- {crm: nots, record: description, direction: none}") == ["6:9 unknown-field"]


def test_an_unknown_field_is_found_on_either_side_with_a_suggestion() -> None:
    found = one("- {crm: subjct, record: title}")
    assert (found.code, str(found.span), found.hint) == ("unknown-field", "m.yaml:6:9", "did you mean 'subject'?")
    assert found.pointer == "/fields/0/crm"
    found = one("- {crm: subject, record: titel}")
    assert (found.code, str(found.span), found.hint) == ("unknown-field", "m.yaml:6:26", "did you mean 'title'?")


def test_all_mistakes_are_found_at_once() -> None:
    text = """\
    - {crm: subjct, record: title}
    - {crm: all_day, record: description}
    - {crm: priority, record: priority, values: {A: 1, B: 1}}
    - {crm: place, record: location, outbound: crm.place}
    """
    assert findings(text) == ["6:9 unknown-field", "7:9 type-mismatch", "8:55 not-one-to-one", "9:3 no-inverse"]


def test_a_rename_between_types_is_refused() -> None:
    found = one("- {crm: subject, record: show_without_time}")
    assert found.message == "the CRM field 'subject' is text, the record field 'show_without_time' is boolean"


def test_a_rename_cannot_fill_a_closed_vocabulary() -> None:
    assert findings("- {crm: show_as, record: free_busy_status}") == ["6:26 type-mismatch"]
    assert findings("- {crm: show_as, record: free_busy_status, direction: inbound}") == []


def test_only_the_target_says_uid() -> None:
    found = one("- {crm: label, record: uid}")
    assert (found.code, found.hint) == ("read-only-field", "add `direction: inbound`")
    assert entries("- {crm: label, record: uid, direction: inbound}").inbound({"uid": "x"}) == {"label": "x"}


def test_a_read_only_crm_field_is_not_written() -> None:
    found = one("- {crm: created_by, record: title}")
    assert (found.code, found.hint) == ("read-only-field", "add `direction: outbound`")
    assert findings("- {crm: created_by, record: title, direction: outbound}") == []


def test_two_entries_for_one_record_field_are_refused_naming_both_places() -> None:
    found = one("- {crm: subject, record: title}\n- {crm: label, record: title, direction: outbound}")
    assert found.code == "duplicate-field"
    assert found.message == "two entries claim the record field 'title': m.yaml:7:3 and m.yaml:6:3"
    assert str(found.related) == "m.yaml:6:3"


def test_two_entries_for_one_crm_field_are_refused_when_both_write_it() -> None:
    text = "- {crm: subject, record: title}\n- {crm: subject, record: description%s}"
    assert findings(text % "") == ["7:3 duplicate-field"]
    assert findings(text % ", direction: outbound") == []


def test_a_default_stands_in_for_an_empty_field_that_must_not_be_empty() -> None:
    with pytest.raises(Invalid, match="label: the field must not be empty"):
        entries("- {crm: label, record: title}").inbound({"title": None})
    assert entries("- {crm: label, record: title, inbound_default: ''}").inbound({"title": None}) == {"label": ""}
    assert entries("- {crm: label, record: title, inbound_default: (none)}").inbound({}) == {"label": "(none)"}
    assert entries("- {crm: label, record: title, outbound_default: untitled}").outbound({}) == {"title": "untitled"}


def test_a_default_must_fit_its_field() -> None:
    text = "- {crm: rank, record: priority, inbound_default: high, outbound_default: 5}"
    assert findings(text) == ["6:50 type-mismatch"]
    text = "- {crm: show_as, record: free_busy_status, values: {F: free}, inbound_default: F, outbound_default: buzy}"
    found = one(text)
    assert (found.code, found.hint) == ("bad-value", "did you mean 'busy'?")


def test_a_value_map_reads_its_keys_as_the_crm_fields_type() -> None:
    ranks = entries("- {crm: rank, record: priority, values: {'1': 1, '2': 5, '3': 9}}")
    assert ranks.outbound({"rank": 2}) == {"priority": 5}
    assert ranks.inbound({"priority": 9}) == {"rank": 3}
    flags = entries(
        "- {crm: hidden, record: privacy, values: {'true': private, 'false': public}, inbound_default: true}"
    )
    assert flags.outbound({"hidden": False}) == {"privacy": "public"}
    assert flags.inbound({"privacy": "secret"}) == {"hidden": True}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("- {crm: rank, record: priority, values: {A: 1}}", "6:45 type-mismatch"),
        ("- {crm: hidden, record: priority, values: {'yes': 1}}", "6:51 type-mismatch"),
        ("- {crm: categories, record: priority, values: {a: 1}}", "6:51 type-mismatch"),
        ("- {crm: rank, record: priority, values: {'1': high}}", "6:47 type-mismatch"),
        ("- {crm: rank, record: priority, values: {'1': true}}", "6:47 type-mismatch"),
        ("- {crm: rank, record: priority, values: {'1': 1, '01': 2}}", "6:56 not-one-to-one"),
        ("- {crm: show_as, record: free_busy_status, values: {B: buzy}, inbound_default: B}", "6:56 bad-value"),
    ],
)
def test_a_value_that_cannot_be_is_found_where_it_stands(entry: str, expected: str) -> None:
    assert findings(entry) == [expected]


def test_many_crm_values_may_share_a_record_value_only_outbound() -> None:
    text = "- {crm: priority, record: priority, values: {A: 1, B: 1}%s}"
    found = one(text % "")
    assert (found.code, str(found.span), str(found.related)) == ("not-one-to-one", "m.yaml:6:55", "m.yaml:6:49")
    assert entries(text % ", direction: outbound").outbound({"priority": "B"}) == {"priority": 1}


def test_a_vocabulary_that_is_not_covered_is_a_warning_with_its_consequence() -> None:
    found = one("- {crm: sensitivity, record: privacy, values: {N: public, P: private}}")
    assert (found.severity, found.code) == ("warning", "values-incomplete")
    assert found.message == "items whose privacy is personal or secret will be set aside"
    assert findings("- {crm: sensitivity, record: privacy, values: {N: public}, inbound_default: N}") == []


def test_a_declared_default_makes_the_loss_of_an_unknown_value_explicit() -> None:
    mapping = entries(
        "- {crm: priority, record: priority, values: {A: 1, B: 5, C: 9}, inbound_default: B, outbound_default: 5}"
    )
    assert mapping.inbound({"priority": 3}) == {"priority": "B"}
    assert mapping.inbound({"priority": None}) == {"priority": "B"}
    assert mapping.outbound({"priority": "Z"}) == {"priority": 5}


def test_an_empty_crm_field_stays_empty_without_a_default() -> None:
    mapping = entries("- {crm: rank, record: priority, values: {'1': 1}}")
    assert mapping.outbound({"rank": None}) == {"priority": None}
    assert mapping.inbound({"priority": None}) == {"rank": None}


def test_keys_of_another_kind_of_entry_are_refused() -> None:
    assert findings("- {crm: subject, record: title, values: {a: b}, outbound: crm.subject}") == ["6:59 mixed-entry"]
    assert findings("- {crm: subject, record: title, default_zone: Europe/Vienna}") == ["6:47 mixed-entry"]
    assert findings("- {crm: subject}") == ["6:3 missing-key"]


def test_match_keys_must_be_record_fields() -> None:
    text = HEAD.replace("fields:", "match: [[uid], [titel]]\nfields:") + "- {crm: subject, record: title}\n"
    _, (found,) = attempt(text)
    assert (found.code, str(found.span), found.hint) == ("unknown-field", "m.yaml:5:17", "did you mean 'title'?")


def test_contacts_are_never_matched() -> None:
    """B-51: a contact that a user made himself is never touched, so a pair is never made of one."""
    text = HEAD.replace("schedule_item", "contact").replace("fields:", "match: [[email_1]]\nfields:")
    _, (found,) = attempt(text + "- {crm: subject, record: email_1}\n")
    assert (found.code, str(found.span)) == ("match-refused", "m.yaml:5:8")


def test_a_task_mapping_carries_a_rule_without_overrides() -> None:
    """B-50: a recurring task is its outstanding occurrence and has no others."""
    crm = {"day": CrmFieldType(FieldType.DATE), "rule": CrmFieldType(FieldType.RECURRENCE)}
    text = HEAD.replace("schedule_item", "task")
    mapping, found = attempt(text + "- {crm: day, record: due}\n- {crm: rule, record: recurrence_rule}\n", crm)
    assert not found
    assert mapping is not None
    assert mapping.outbound({"day": "2026-12-01", "rule": "FREQ=WEEKLY"}) == {
        "due": "2026-12-01",
        "recurrence_rule": "FREQ=WEEKLY;BYDAY=TU",
    }


def test_the_digest_is_over_the_meaning_not_the_writing() -> None:
    plain = entries("- {crm: subject, record: title}")
    assert plain.digest == entries("# why\n- record: title\n  crm: subject\n  direction: both\n").digest
    assert plain.digest != entries("- {crm: subject, record: title, conflict: manual}").digest
    assert plain.digest != entries("- {crm: notes, record: title}").digest
    nullable = entries("- {crm: label, record: title}").digest
    assert nullable != entries("- {crm: label, record: title}", {**CRM, "label": CrmFieldType(FieldType.TEXT)}).digest


def test_the_order_of_a_value_map_does_not_matter() -> None:
    text = "- {crm: rank, record: priority, values: {%s}}"
    assert entries(text % "'1': 1, '2': 5").digest == entries(text % "'2': 5, '1': 1").digest
