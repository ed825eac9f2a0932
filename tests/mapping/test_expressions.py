"""Expressions: what they compute, what they read, and how their failures are told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.model.errors import Invalid
from runner.model.record import Value
from runner.model.terms import Direction
from tests.mapping.yamls import entries, findings, one


def out(expression: str, record: str = "title", **crm: Value) -> Value:
    """The value of an outbound expression."""
    text = f"- record: {record}\n  direction: outbound\n  outbound: |\n    {expression}\n"
    return entries(text).outbound(crm)[record]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("crm.subject", "Board"),
        ("crm['subject']", "Board"),
        ("crm.subject | upper", "BOARD"),
        ("crm.subject | lower | capitalize", "Board"),
        ("crm.notes | trim", "two\nlines"),
        ("crm.notes | first_line", "two"),
        ("crm.place | upper", None),
        ("crm.place | default('here')", "here"),
        ("crm.subject | replace('oar', 'ir')", "Bird"),
        ("crm.subject | truncate(4)", "Boa…"),
        ("crm.subject | truncate(2, end='')", "Bo"),
        ("crm.subject[:2]", "Bo"),
        ("crm.subject[0]", "B"),
        ("[crm.case_no, crm.place, crm.subject] | join_nonempty(': ')", "7: Board"),
        ("crm.label ~ ' ' ~ crm.case_no", "L 7"),
        ("crm.label + '!'", "L!"),
        ("'long' if crm.subject | length > 3 else 'short'", "long"),
        ("'none' if crm.place is none else crm.place", "none"),
        ("crm.subject if 'a' in crm.categories else none", "Board"),
        ("crm.subject if crm.case_no in [7, 8] and not crm.all_day else none", "Board"),
        ("crm.place or crm.subject", "Board"),
        ("crm.subject if (crm.case_no * 2 - 4) // 5 == 2 and crm.case_no % 2 == 1 else none", "Board"),
        ("crm.items", "a column named like a method"),
    ],
)  # fmt: skip
def test_an_expression_gives_the_value_itself(expression: str, expected: Value) -> None:
    crm = {
        "subject": "Board", "notes": " two\nlines ", "case_no": 7, "label": "L", "categories": ("a", "b"),
        "all_day": False, "items": "a column named like a method",
    }  # fmt: skip
    assert out(expression, **crm) == expected


def test_an_empty_expression_is_refused() -> None:
    assert findings("- {record: title, direction: outbound, outbound: ' '}") == ["6:51 bad-expression"]


def test_results_keep_their_types() -> None:
    """Text stays text: nothing turns "123" into a number or "None" into nothing."""
    assert out("crm.subject", subject="123") == "123"
    assert out("crm.subject", subject="None") == "None"
    assert out("crm.subject", subject="[1, 2]") == "[1, 2]"
    assert out("crm.rank", "priority", rank=5) == 5
    assert out("crm.notes | split(';')", "keywords", notes="b; a;;b") == ("a", "b")
    assert out("crm.categories", "keywords", categories=("x",)) == ("x",)


def test_values_are_never_expressions() -> None:
    """Record values come from strangers (E4)."""
    assert out("crm.subject ~ ''", subject="{{ 7 * 7 }}{% for x in y %}") == "{{ 7 * 7 }}{% for x in y %}"


def test_no_field_becomes_the_text_none() -> None:
    assert out("crm.place ~ crm.subject ~ crm.notes", subject="a") == "a"
    for name in ("upper", "lower", "trim", "capitalize", "first_line", "truncate(5)", "replace('a', 'b')", "split"):
        assert out(f"crm.place | {name}") is None


def test_a_pair_is_one_unit_and_runs_both_ways() -> None:
    mapping = entries("""\
        - crm: subject
          record: title
          outbound: "crm.subject | replace('/', '-')"
          inbound: record.title | replace('-', '/')
        """)
    assert mapping.outbound({"subject": "a/b"}) == {"title": "a-b"}
    assert mapping.inbound({"title": "a-b"}) == {"subject": "a/b"}
    assert [(unit.name, unit.fields, unit.direction) for unit in mapping.units] == [
        ("title", ("title",), Direction.BOTH)
    ]


def test_needed_fields_are_inferred() -> None:
    mapping = entries("""\
        - {crm: subject, record: title}
        - record: description
          direction: outbound
          outbound: "[crm.case_no, crm['notes']] | join_nonempty if crm.place else crm.label"
        - crm: items
          direction: inbound
          inbound: "[record.title, record.location] | join_nonempty"
        - {crm: sensitivity, record: location, direction: inbound}
        """)
    assert mapping.crm_fields == {"subject", "case_no", "notes", "place", "label", "items", "sensitivity"}
    assert mapping.record_fields == {"title", "description", "location"}  # written ones too: the merge compares them
    assert mapping.inbound_fields(["title"]) == {"subject", "items"}
    assert mapping.inbound_fields(["location"]) == {"items", "sensitivity"}
    assert mapping.inbound_fields(["description"]) == frozenset()


def test_an_inbound_expression_makes_a_unit_of_a_field_that_no_other_entry_carries() -> None:
    mapping = entries("""\
        - {crm: subject, record: title}
        - {crm: items, inbound: record.uid | upper, direction: inbound}
        """)
    assert [(unit.fields, unit.direction) for unit in mapping.units] == [
        (("title",), Direction.BOTH),
        (("uid",), Direction.INBOUND),
    ]
    assert mapping.outbound({"subject": "a", "items": "b"}) == {"title": "a", "uid": None}
    assert mapping.inbound({"title": "a", "uid": "u"}) == {"subject": "a", "items": "U"}


def test_an_inbound_expression_over_carried_fields_needs_no_unit_of_its_own() -> None:
    mapping = entries("""\
        - {crm: subject, record: title}
        - {crm: label, record: uid, direction: inbound, inbound_default: '-'}
        - {crm: items, inbound: "[record.title, record.uid] | join_nonempty", direction: inbound}
        """)
    assert [unit.fields for unit in mapping.units] == [("title",), ("uid",)]
    assert mapping.inbound({"title": "a", "uid": "u"})["items"] == "a u"


def test_an_inbound_expression_cannot_join_fields_that_the_crm_does_not_hold() -> None:
    """Recomputed when the title changes, it would lose the uid, which the CRM cannot say."""
    found = one("""\
        - {crm: subject, record: title}
        - {crm: items, inbound: "[record.title, record.uid] | join_nonempty", direction: inbound}
        """)
    assert (found.code, str(found.span)) == ("not-held", "m.yaml:7:25")
    assert found.hint == "keep it in a CRM field: {crm: …, record: uid, direction: inbound}"


def test_an_inbound_expression_over_a_field_that_never_comes_in_is_refused() -> None:
    found = one("""\
        - {crm: subject, record: title, direction: outbound}
        - {crm: items, inbound: record.title | upper, direction: inbound}
        """)
    assert (found.code, str(found.span), str(found.related)) == ("never-arrives", "m.yaml:7:25", "m.yaml:6:3")


@pytest.mark.parametrize(
    ("entry", "hint"),
    [
        ("- {crm: subject, record: title, outbound: crm.subject}", "add `inbound:`, or `direction: outbound`"),
        ("- {crm: subject, record: title, inbound: record.title}", "add `outbound:`, or `direction: inbound`"),
        ("- {crm: subject, inbound: record.title, direction: outbound, record: title}", None),
    ],
)
def test_both_ways_need_an_inverse(entry: str, hint: str | None) -> None:
    found = one(entry)
    assert found.code == "no-inverse"
    assert hint is None or found.hint == hint


def test_an_expression_says_what_it_fills() -> None:
    assert findings("- {outbound: crm.subject, direction: outbound}") == ["6:3 missing-key"]
    assert findings("- {inbound: record.title, direction: inbound, record: title}") == ["6:3 missing-key"]


@pytest.mark.parametrize(
    ("expression", "record", "reason"),
    [
        ("crm.case_no", "title", "title: expected text, got integer"),
        ("crm.case_no / 2", "priority", "priority: expected an integer, got fraction"),
        ("crm.case_no > 3", "priority", "priority: expected an integer, got boolean"),
        ("[crm.case_no]", "keywords", "keywords: expected text, got integer"),
        ("crm.label", "show_without_time", "show_without_time: expected a boolean, got text"),
        ("crm.label", "privacy", "privacy: the value is none of public, personal, private, secret"),
        ("crm.label", "start", "start: expected a local date and time such as"),
        ("crm.label", "duration", "duration: expected a duration such as"),
        ("crm.label", "time_zone", "time_zone: unknown time zone"),
        ("crm.label > 3", "title", "title: the expression fails: TypeError"),
        ("1 // (crm.case_no - 7)", "title", "title: the expression fails: ZeroDivisionError"),
        ("crm.label[9]", "title", "title: the expression fails: IndexError"),
        ("crm.case_no | replace('', 'x')", "title", "title: the expression fails: ValueError: replace needs a text"),
        ("crm.categories | upper", "title", "title: the expression fails: TypeError: expected text, got list"),
    ],
)
def test_a_wrong_result_names_the_field_and_the_place_but_no_value(expression: str, record: str, reason: str) -> None:
    text = f"""\
        - {{crm: subject, record: location}}
        - record: {record}
          direction: outbound
          outbound: {expression!r}
        - {{record: description, outbound: crm.notes, direction: outbound}}
        """
    with pytest.raises(Invalid) as caught:
        entries(text).outbound({"case_no": 7, "label": "Zanzibar", "categories": ("Zanzibar",)})
    assert str(caught.value).startswith(f"m.yaml:9:13: {reason}")
    assert caught.value.code == "mapping"
    assert "Zanzibar" not in str(caught.value) or record == "time_zone"


def test_an_inbound_result_that_must_not_be_empty_needs_a_default() -> None:
    text = "- {crm: label, inbound: record.title | first_line, direction: inbound%s}"
    with pytest.raises(Invalid, match=r"m.yaml:6:25: label: the field must not be empty"):
        entries(text % "").inbound({"title": None})
    assert entries(text % ", inbound_default: '?'").inbound({"title": None}) == {"label": "?"}


def test_what_is_only_presented_does_not_set_an_item_aside() -> None:
    mapping = entries("""\
        - crm: subject
          record: title
          direction: inbound
          inbound: record.title
          outbound: crm.case_no // crm.rank
        - {record: location, outbound: crm.place, direction: outbound}
        """)
    assert mapping.outbound({"case_no": 1, "rank": 0, "place": "here"}) == {"title": None, "location": "here"}


@given(st.dictionaries(st.sampled_from(["subject", "notes", "place"]), st.none() | st.text(max_size=40)))
def test_a_computed_field_agrees_with_the_same_rename(crm: dict[str, str | None]) -> None:
    plain = entries("- {crm: subject, record: title, direction: outbound}")
    computed = entries("- {record: title, outbound: crm.subject, direction: outbound}")
    assert computed.outbound(crm) == plain.outbound(crm)
