"""The mapping that ships: what each field becomes, both ways (B-30, B-46)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.mapping.canonical import CANONICAL
from runner.model.errors import Invalid
from runner.model.record import SCHEDULE_ITEM, Value
from runner.model.terms import Direction, Entity
from tests.mapping.yamls import stock

CRM_ITEM = {
    "subject": "Board ",
    "notes": "one\r\ntwo\n\n",
    "place": "",
    "starts_at": "2026-03-28T23:30:00Z",
    "ends_at": "2026-03-29T02:30:00Z",
    "time_zone": "Europe/Vienna",
    "all_day": False,
    "recurrence_rule": None,
    "occurrences": None,
    "priority": "A",
    "sensitivity": "Confidential",
    "show_as": "OOF",
    "categories": ("sales", "Kunde"),
    "alarm": 15,
    "organizer": "ann@example.com",
    "participants": {"zoe@example.com": "required", "eva@example.com": "optional"},
    "participant_names": {"zoe@example.com": "Zoe"},
    "responses": {"zoe@example.com": "accepted"},
    "attachments": {"agenda.txt": "0" * 64},
}
RECORD = {
    "title": "Board",
    "description": "one\ntwo",
    "location": None,
    "start": "2026-03-29T00:30:00",
    "time_zone": "Europe/Vienna",
    "duration": "PT3H",
    "show_without_time": False,
    "recurrence_rule": None,
    "recurrence_overrides": None,
    "priority": 1,
    "privacy": "secret",
    "free_busy_status": "out_of_office",
    "keywords": ("Kunde", "sales"),
    "alert": 15,
    "organizer": "ann@example.com",
    "participants": {"eva@example.com": "optional", "zoe@example.com": "required"},
    "participant_names": {"zoe@example.com": "Zoe"},
    "responses": {"zoe@example.com": "accepted"},
    "attachments": {"agenda.txt": "0" * 64},
}
TOLD = {"organizer", "participant_names", "responses"}


def test_outbound_gives_exactly_the_units_fields_in_canonical_form() -> None:
    assert stock().outbound(CRM_ITEM) == RECORD


def test_inbound_gives_every_crm_field_back() -> None:
    assert stock().inbound(RECORD) == CRM_ITEM | {
        "subject": "Board",
        "notes": "one\ntwo",
        "place": None,
        "categories": ("Kunde", "sales"),
    }


def test_the_interval_merges_as_one_unit() -> None:
    units = {unit.name: unit for unit in stock().units}
    assert units["interval"].fields == ("start", "time_zone", "duration", "show_without_time", "recurrence_rule")
    assert all(unit.conflict is None for unit in units.values())
    assert units["interval"].rule == "mappings/schedule_item.yaml:11:3"


def test_units_are_disjoint_and_carry_every_writable_field() -> None:
    fields = [name for unit in stock().units for name in unit.fields]
    carried = {name for name, spec in SCHEDULE_ITEM.items() if spec.writable and spec.carried}
    assert sorted(fields) == sorted(carried | TOLD)


def test_what_the_target_alone_can_say_only_comes_in() -> None:
    """B-5, B-31: who called a meeting, how its people are called and what they answered."""
    inbound = {name for unit in stock().units if unit.direction is not Direction.BOTH for name in unit.fields}
    assert inbound == TOLD
    assert {unit.direction for unit in stock().units if unit.fields[0] in TOLD} == {Direction.INBOUND}


def test_a_mapping_says_what_it_needs() -> None:
    mapping = stock()
    assert mapping.entity is Entity.SCHEDULE_ITEM
    assert mapping.crm_fields == set(CRM_ITEM)
    assert mapping.record_fields == {*RECORD, "uid"}
    assert mapping.match == (("uid",), ("title", "start"))
    assert mapping.inbound_fields(["title"]) == {"subject"}
    assert mapping.inbound_fields(["duration", "privacy"]) == {
        *("starts_at", "ends_at", "time_zone", "all_day", "recurrence_rule", "occurrences"),
        "sensitivity",
    }
    assert mapping.inbound_fields(["uid"]) == frozenset()


def test_a_crm_value_outside_the_map_sets_the_item_aside_without_being_shown() -> None:
    with pytest.raises(Invalid) as caught:
        stock().outbound(CRM_ITEM | {"priority": "Ludwig"})
    assert caught.value.code == "mapping"
    assert str(caught.value) == (
        "mappings/schedule_item.yaml:13:3: priority: the text in 'priority' is not in the entry's value map"
    )
    assert caught.value.remedy


def test_a_record_value_outside_the_map_sets_the_item_aside() -> None:
    with pytest.raises(Invalid, match=r"schedule_item.yaml:13:3: priority: the integer in 'priority' is not in"):
        stock().inbound(RECORD | {"priority": 3})


def test_a_field_that_must_not_be_empty_does_not_become_empty() -> None:
    with pytest.raises(Invalid, match="sensitivity: the field must not be empty"):
        stock().inbound(RECORD | {"privacy": None})


def test_a_value_of_the_wrong_type_sets_the_item_aside_and_names_only_types() -> None:
    with pytest.raises(Invalid, match=r"schedule_item.yaml:8:3: title: expected text, got integer") as caught:
        stock().outbound(CRM_ITEM | {"subject": 4711})
    assert "4711" not in str(caught.value)


def test_equal_input_gives_equal_output_whatever_the_order_of_fields() -> None:
    backwards = dict(reversed(CRM_ITEM.items()))
    first, second = stock(), stock()
    assert first.outbound(CRM_ITEM) == second.outbound(backwards)
    assert list(first.outbound(CRM_ITEM)) == list(second.outbound(backwards))
    assert first.digest == second.digest


def test_what_xml_cannot_carry_is_dropped_alike_on_both_ways() -> None:
    """E14: control characters and lone surrogates would be refused by the server, or change there."""
    dirty = "a\x00b\x0bc\ud800d\ufffee\tf"
    assert stock().outbound(CRM_ITEM | {"subject": dirty})["title"] == "abcde\tf"
    assert stock().inbound(RECORD | {"title": dirty})["subject"] == "abcde\tf"


TEXTS = st.none() | st.text(max_size=30)


@given(
    st.fixed_dictionaries(
        {
            "subject": TEXTS,
            "notes": TEXTS,
            "place": TEXTS,
            "priority": st.sampled_from("ABC"),
            "sensitivity": st.sampled_from(["Normal", "Personal", "Private", "Confidential"]),
            "show_as": st.sampled_from(["Free", "Tentative", "Busy", "OOF", "WorkingElsewhere"]),
            "categories": st.none() | st.lists(st.text(max_size=8), max_size=4).map(tuple),
        }
    )
)
def test_whatever_the_crm_holds_settles_after_one_trip(changed: dict[str, Value]) -> None:
    """``put(get(put(x))) = put(x)`` and ``get(put(get(y))) = get(y)``: no item is ever sent back and forth."""
    mapping = stock()
    put = mapping.outbound({**CRM_ITEM, **changed})
    got = mapping.inbound(put)
    assert mapping.outbound(got) == put
    assert mapping.inbound(mapping.outbound(got)) == got
    assert all(value is None or value == CANONICAL[SCHEDULE_ITEM[name].type](value) for name, value in put.items())
