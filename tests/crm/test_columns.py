"""Values to columns and back: what is written is read as the same, and what cannot be carried fails alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.config.plan import CrmField
from runner.mapping.canonical import CANONICAL
from runner.model.errors import Invalid
from runner.model.items import Item
from runner.model.moments import duration_of
from runner.model.record import FieldType
from runner.model.terms import Entity
from tests.support.crm import PLAN, SPECIMENS, World, create, specimen, update

_moments = st.datetimes(
    min_value=datetime.fromisoformat("1901-01-01"), max_value=datetime.fromisoformat("9998-12-31")
).map(lambda moment: moment.replace(microsecond=0))
_text = st.text(max_size=60).map(CANONICAL[FieldType.TEXT])
_words = st.text(st.characters(exclude_characters=";", exclude_categories=["Cc", "Cs"]), max_size=8)

VALUES = st.fixed_dictionaries(
    {
        "words": _text,
        "flag": st.none() | st.booleans(),
        "bit": st.none() | st.booleans(),
        "number": st.none() | st.integers(-(2**63), 2**63 - 1),
        "local": st.none() | _moments.map(lambda moment: moment.isoformat()),
        "day": st.none() | _moments.map(lambda moment: moment.date().isoformat()),
        "aware": st.none() | _moments.map(lambda moment: f"{moment.isoformat()}Z"),
        "naive": st.none() | _moments.map(lambda moment: f"{moment.isoformat()}Z"),
        "length": st.none() | st.integers(0, 10**7).map(lambda seconds: duration_of(timedelta(seconds=seconds))),
        "zone": st.none() | st.sampled_from(["Europe/Vienna", "America/New_York", "Etc/UTC"]),
        "tags": st.none() | st.lists(_words, max_size=4).map(CANONICAL[FieldType.KEYWORDS]),
    }
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=st.lists(VALUES, min_size=1, max_size=5))
def test_every_canonical_value_survives_the_way_there_and_back(world: World, batch: list[dict[str, Any]]) -> None:
    link = world.link(entity=Entity.TASK, fields=batch[0])
    world.sql("DELETE FROM specimen")
    world.sql("DELETE FROM exsync_keys")
    results = world.create(*(specimen(f"s{n}", **values) for n, values in enumerate(batch)), link=link)
    assert [result.error for result in results] == [None] * len(batch)
    assert [world.item(f"s{n}", link).values for n in range(len(batch))] == batch


def test_text_is_read_in_canonical_form(world: World) -> None:
    made = world.made("a")
    world.sql("UPDATE appointment SET subject = '', notes = :n, location = '  x  '", n="one\r\ntwo\rthree \n\n")
    values = world.item(made.key).values
    assert (values["subject"], values["notes"], values["place"]) == (None, "one\ntwo\nthree", "  x")


def test_keywords_are_read_sorted_unique_and_never_empty(world: World) -> None:
    made = world.made("a")
    world.sql("UPDATE appointment SET categories = :c", c=" b;a;; b ;")
    assert world.item(made.key).values["categories"] == ("a", "b")
    world.sql("UPDATE appointment SET categories = :c", c=" ; ")
    assert world.item(made.key).values["categories"] is None


def test_control_characters_that_no_side_can_carry_do_not_stop_the_item(world: World) -> None:
    """Fault E14: NUL and lone surrogates are dropped alike on both sides."""
    made = world.made("a", subject="a\x00b\ud800c")
    assert world.item(made.key).values["subject"] == "abc"


def test_a_bad_value_makes_its_own_record_invalid_and_no_other(world: World) -> None:
    made = [world.made(stamp) for stamp in "abcde"]
    ids = [int(entry.key or 0) for entry in made]
    world.sql("UPDATE appointment SET time_zone = 'Mars/Olympus' WHERE id = :id", id=ids[1])
    bad = "infinity" if world.dialect == "postgresql" else "soon"
    world.sql("UPDATE appointment SET starts_at = :v WHERE id = :id", v=bad, id=ids[3])
    found = world.crm.get(world.link(), [str(key) for key in ids])
    assert [type(found[str(key)]) for key in ids] == [Item, Invalid, Item, Invalid, Item]
    assert "time_zone" in str(found[str(ids[1])])
    assert world.item(str(ids[3]), world.link(fields=["subject"])).values == {"subject": "Review"}


@pytest.mark.parametrize(
    ("column", "value", "field"),
    [
        ("starts_at", "2026-03-29", "starts_at"),
        ("starts_at", "0099-01-01 00:00:00", "starts_at"),
        ("starts_at", 5, "starts_at"),
        ("all_day", 2, "all_day"),
        ("all_day", "yes", "all_day"),
        ("subject", b"\xff\x00", "subject"),
        ("categories", 5.5, "categories"),
    ],
)
def test_what_sqlite_lets_into_a_column_of_another_type_is_invalid(
    lite: World, column: str, value: object, field: str
) -> None:
    if column == "categories":  # a text column turns numbers into text
        lite.sql("ALTER TABLE appointment DROP COLUMN categories")
        lite.sql("ALTER TABLE appointment ADD COLUMN categories")
        lite.crm = lite.connector()
    made = lite.made("a")
    lite.sql(f"UPDATE appointment SET {column} = :v", v=value)  # noqa: S608
    found = lite.crm.get(lite.link(), [made.key or ""])[made.key or ""]
    assert isinstance(found, Invalid)
    assert field in str(found)


def test_text_that_is_no_utf_8_is_invalid_and_stops_no_other(lite: World) -> None:
    made = [lite.made(stamp) for stamp in "abc"]
    lite.sql("UPDATE appointment SET subject = CAST(x'ff41' AS TEXT) WHERE id = :id", id=int(made[1].key or 0))
    found = lite.crm.get(lite.link(), [entry.key or "" for entry in made])
    assert [type(item) for item in found.values()] == [Item, Invalid, Item]


def test_an_instant_of_any_offset_is_read_in_utc(lite: World) -> None:
    made = lite.made("a")
    for text, instant in {
        "2026-03-29T10:00:00+02:00": "2026-03-29T08:00:00Z",
        "2026-03-29 08:00:00.000000": "2026-03-29T08:00:00Z",
        "2026-03-29T08:00:00Z": "2026-03-29T08:00:00Z",
        "2026-03-29 08:00": "2026-03-29T08:00:00Z",
    }.items():
        lite.sql("UPDATE appointment SET starts_at = :t", t=text)
        assert lite.item(made.key).values["starts_at"] == instant


def test_naive_columns_are_in_the_crms_own_zone_and_an_hour_it_cannot_tell_is_refused(world: World) -> None:
    """B-46. In the second hour of the autumn change the CRM's column could only say the first."""
    plan = replace(PLAN, entities={Entity.TASK: SPECIMENS}, time_zone="Europe/Vienna")
    crm = world.connector(plan)
    link = world.link(entity=Entity.TASK, fields=["naive"])
    results = list(
        crm.write(link, [specimen("a", naive="2026-07-01T08:00:00Z"), specimen("b", naive="2026-10-25T01:30:00Z")])
    )
    assert results[0].error is None
    assert isinstance(results[1].error, Invalid)
    assert "second hour" in str(results[1].error)
    (row,) = world.sql("SELECT CAST(naive AS text) FROM specimen")
    assert row[0] == "2026-07-01 10:00:00"
    found = crm.get(link, ["a"])["a"]
    assert isinstance(found, Item)
    assert found.values == {"naive": "2026-07-01T08:00:00Z"}


def test_a_number_beyond_the_column_is_refused(world: World) -> None:
    link = world.link(entity=Entity.TASK)
    results = world.create(specimen("a", number=2**63), specimen("b", number=-(2**63)), link=link)
    assert [result.error and result.error.code for result in results] == ["value", None]


def test_an_empty_value_in_a_column_described_as_never_empty_is_invalid(world: World) -> None:
    fields = {**SPECIMENS.fields, "words": CrmField("words", "words", FieldType.TEXT, nullable=False)}
    crm = world.connector(replace(PLAN, entities={Entity.TASK: replace(SPECIMENS, fields=fields)}))
    link = world.link(entity=Entity.TASK, fields=["words"])
    list(crm.write(link, [specimen("a"), specimen("b", words="x")]))
    found = crm.get(link, ["a", "b"])
    assert isinstance(found["a"], Invalid)
    assert found["a"].code == "required"
    assert isinstance(found["b"], Item)


def test_errors_about_values_never_show_them(world: World) -> None:
    """P8: what a record holds stays out of messages."""
    made = world.made("a")
    results = world.create(
        update(made, subject="canary" * 100), update(made, categories=("canary;x",)), create("b", starts_at="canary")
    )
    assert all(result.error is not None and "canary" not in str(result.error) for result in results)


def test_a_recurrence_rule_is_handed_through_as_it_is_trimmed_and_empty_is_none(world: World) -> None:
    """B-36: only the mapping, which knows the series' start, makes a rule canonical; the connector changes nothing."""
    fields = {"words": CrmField("words", "words", FieldType.RECURRENCE)}
    crm = world.connector(replace(PLAN, entities={Entity.TASK: replace(SPECIMENS, fields=fields)}))
    link = world.link(entity=Entity.TASK, fields=fields)
    rule = "FREQ=WEEKLY;INTERVAL=1;BYDAY=we,MO;UNTIL=20261231T225959Z"
    (made, empty) = crm.write(link, [specimen("a", words=rule), specimen("b", words=None)])
    assert (made.error, empty.error) == (None, None)
    assert world.sql("SELECT words FROM specimen ORDER BY code") == [(rule,), (None,)]
    world.sql("UPDATE specimen SET words = :spaced WHERE code = 'a'", spaced=f"  {rule} \n")
    world.sql("UPDATE specimen SET words = '  ' WHERE code = 'b'")
    read = crm.get(link, ["a", "b"])
    assert [item.values["words"] for item in read.values() if isinstance(item, Item)] == [rule, None]
