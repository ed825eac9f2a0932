"""Customised occurrences in a table of their own, read and written with their series, on SQLite and PostgreSQL (B-36)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from runner.config.plan import CrmField
from runner.connectors.crm import ddl
from runner.model.errors import ContainerGone, Gone, Invalid, VersionMoved
from runner.model.items import Item, Write, WriteResult
from runner.model.overrides import LEFT_OUT
from runner.model.record import Fields, FieldType, Value
from runner.model.terms import Entity, Operation
from tests.support.crm import BOB, MEETING, PLAN, SERIES, World, create, feed_rows, keys, update

PLANNED = replace(PLAN, entities={Entity.SCHEDULE_ITEM: SERIES})
WEEKLY: Fields = {
    **MEETING,
    "starts_at": "2026-03-05T08:00:00Z",
    "ends_at": "2026-03-05T09:00:00Z",
    "recurrence_rule": "FREQ=WEEKLY;BYDAY=TH",
    "occurrences": None,
}
FIRST, SECOND, THIRD = "2026-03-05", "2026-03-12", "2026-03-19"
OWN: Fields = {"place": "Room 2", "starts_at": "2026-03-12T10:00:00Z", "ends_at": "2026-03-12T11:00:00Z"}


@pytest.fixture
def crm(bare: World) -> Iterator[World]:
    """A CRM that knows recurring appointments, once on each database."""
    world = World(bare.url, PLANNED)
    world.crm.apply_ddl()
    yield world
    world.close()


def made(
    crm: World, stamp: str = "token-1", patches: Mapping[str, Fields] | None = None, **values: Value
) -> WriteResult:
    """A weekly series with these customised occurrences."""
    return crm.made(stamp, **{**WEEKLY, "occurrences": patches, **values})


def said(held: Item | WriteResult, patches: Mapping[str, Fields] | None, **values: Value) -> Write:
    """A write of the occurrences (and of some fields): as the engine does it, with the whole item beside."""
    wanted = {**WEEKLY, **values, "occurrences": patches}
    return Write(Operation.UPDATE, held.key, held.version, wanted, frozenset({"occurrences", *values}))


def row(crm: World, series: WriteResult | Item, day: str, **columns: Any) -> None:
    """A user's own row."""
    names = ["appointment_id", "original_day", *columns]
    crm.sql(
        f"INSERT INTO appointment_occurrence ({', '.join(names)}) VALUES ({', '.join(':' + name for name in names)})",  # noqa: S608
        appointment_id=int(series.key or 0), original_day=date.fromisoformat(day), **columns,
    )  # fmt: skip


def rows(crm: World, *columns: str) -> list[Any]:
    return crm.sql(f"SELECT {', '.join(columns)} FROM appointment_occurrence ORDER BY original_day")  # noqa: S608


def patches_of(crm: World, held: WriteResult) -> Value:
    return crm.item(held.key).values["occurrences"]


# -- reads -------------------------------------------------------------------------------------------------------------


def test_b36_a_series_is_read_with_its_customised_occurrences(crm: World) -> None:
    series = made(crm)
    row(crm, series, SECOND, subject="Own", location="", categories="b;a", all_day=True)
    row(crm, series, THIRD, cancelled=True, subject="nobody asks")
    row(crm, series, FIRST)
    item = crm.item(series.key)
    assert item.values["recurrence_rule"] == "FREQ=WEEKLY;BYDAY=TH"
    assert item.values["occurrences"] == {
        SECOND: {"subject": "Own", "place": "", "categories": ("a", "b"), "all_day": True},
        THIRD: LEFT_OUT,
    }


def test_empty_text_is_not_null_in_an_occurrence(crm: World) -> None:
    """NULL follows the series, '' says that the occurrence has none, and each stays what it is through a write."""
    series = made(crm, patches={SECOND: {"place": "", "categories": ""}, THIRD: {"subject": "Own"}})
    assert rows(crm, "location", "categories", "subject") == [("", "", None), (None, None, "Own")]
    assert patches_of(crm, series) == {SECOND: {"place": "", "categories": ""}, THIRD: {"subject": "Own"}}


def test_only_series_are_asked_for_occurrences_and_only_where_the_link_carries_them(crm: World) -> None:
    single = made(crm, recurrence_rule=None)
    row(crm, single, FIRST, subject="left over")
    assert patches_of(crm, single) is None
    assert "occurrences" not in crm.item(single.key, crm.link(fields=["subject"])).values


def test_an_occurrence_has_no_field_that_the_link_does_not_carry(crm: World) -> None:
    series = made(crm)
    row(crm, series, SECOND, subject="Own", notes="not carried")
    held = crm.item(series.key, crm.link(fields=["subject", "recurrence_rule", "occurrences"]))
    assert held.values["occurrences"] == {SECOND: {"subject": "Own"}}


def test_two_rows_for_one_day_set_the_series_aside_and_nothing_else(crm: World) -> None:
    crm.sql("DROP INDEX appointment_occurrence_day")
    series, other = made(crm), made(crm, "token-2", {SECOND: OWN})
    row(crm, series, SECOND, subject="one")
    row(crm, series, SECOND, subject="other")
    found = crm.crm.get(crm.link(), [series.key or "", other.key or ""])
    refused = found[series.key or ""]
    assert isinstance(refused, Invalid)
    assert (refused.code, SECOND in str(refused), "unique" in (refused.remedy or "")) == (
        "occurrence-twice",
        True,
        True,
    )
    assert isinstance(found[other.key or ""], Item)


def test_a_row_without_a_day_or_with_an_unreadable_value_sets_the_series_aside(crm: World) -> None:
    series, other = made(crm), made(crm, "token-2")
    nothing = "original_day DROP NOT NULL" if crm.dialect != "sqlite" else ""
    if nothing:
        crm.sql(f"ALTER TABLE appointment_occurrence ALTER COLUMN {nothing}")
        crm.sql(f"INSERT INTO appointment_occurrence (appointment_id) VALUES ({series.key})")  # noqa: S608
    else:
        crm.sql(f"INSERT INTO appointment_occurrence (appointment_id, original_day) VALUES ({series.key}, 'soon')")  # noqa: S608
    row(crm, other, SECOND, time_zone="Europe/Wien")
    found = crm.crm.get(crm.link(), [series.key or "", other.key or ""])
    assert {type(item) for item in found.values()} == {Invalid}
    assert [getattr(item, "code", "") for item in found.values()][1] == "value"
    assert f"occurrence of {SECOND}: time_zone" in str(found[other.key or ""])


def test_a_series_and_its_occurrences_are_read_in_one_snapshot(crm: World) -> None:
    """A commit between two reads would give a series that never was (SQLite lets nobody commit meanwhile)."""
    series = made(crm, patches={SECOND: {"subject": "before"}})
    between: list[str] = []

    def meanwhile(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if "appointment_occurrence" in statement and crm.dialect != "sqlite" and not between:
            between.append(statement)
            crm.sql("UPDATE appointment SET subject = 'after'")
            crm.sql("UPDATE appointment_occurrence SET subject = 'after'")

    engine = crm.crm._engine
    sa.event.listen(engine, "before_cursor_execute", meanwhile)
    item = crm.item(series.key)
    sa.event.remove(engine, "before_cursor_execute", meanwhile)
    assert (item.values["subject"], item.values["occurrences"]) == ("Review", {SECOND: {"subject": "before"}})
    assert bool(between) == (crm.dialect != "sqlite")


# -- writes ------------------------------------------------------------------------------------------------------------


def test_b36_occurrences_are_inserted_changed_and_removed_with_their_series(crm: World) -> None:
    series = made(crm, patches={FIRST: {"subject": "Kick-off"}, SECOND: OWN, THIRD: LEFT_OUT})
    assert patches_of(crm, series) == {FIRST: {"subject": "Kick-off"}, SECOND: OWN, THIRD: LEFT_OUT}
    wanted: dict[str, Fields] = {SECOND: {"place": ""}, THIRD: {"subject": "Back"}, "2026-03-26": LEFT_OUT}
    (result,) = crm.create(said(crm.item(series.key), wanted, subject="Series"))
    item = crm.item(series.key)
    assert (result.error, item.version) == (None, result.version)
    assert (item.values["subject"], item.values["occurrences"]) == ("Series", wanted)
    assert rows(crm, "original_day", "cancelled", "subject", "location", "starts_at") == [
        (day if crm.dialect == "sqlite" else date.fromisoformat(day), cancelled, subject, place, None)
        for day, cancelled, subject, place in (
            (SECOND, False, None, ""), (THIRD, False, "Back", None), ("2026-03-26", True, None, None),
        )
    ]  # fmt: skip


def test_an_occurrence_alone_is_written_on_the_version_of_its_series(crm: World) -> None:
    series = made(crm)
    (result,) = crm.create(said(series, {SECOND: OWN}))
    assert result.error is None
    assert int(result.version or 0) > int(series.version or 0)
    (stale,) = crm.create(said(series, None))
    assert isinstance(stale.error, VersionMoved)
    assert patches_of(crm, series) == {SECOND: OWN}


def test_a_users_row_since_the_read_stops_the_write(crm: World) -> None:
    """B-64: a row of an occurrence moves its series' version, so nobody's edit is overwritten unseen."""
    series = made(crm, patches={SECOND: OWN})
    item = crm.item(series.key)
    row(crm, series, THIRD, subject="By hand")
    (result,) = crm.create(said(item, None))
    assert isinstance(result.error, VersionMoved)
    assert patches_of(crm, series) == {SECOND: OWN, THIRD: {"subject": "By hand"}}


def test_an_occurrence_that_does_not_fit_fails_with_its_series_alone(crm: World) -> None:
    a, b = made(crm), made(crm, "token-2")
    long: Fields = {"subject": "x" * 256}
    results = crm.create(
        said(a, {SECOND: OWN, THIRD: long}, subject="A"),
        said(b, {SECOND: OWN}, subject="B"),
        create("token-3", **{**WEEKLY, "occurrences": {SECOND: long}}),
        create("token-4", **{**WEEKLY, "occurrences": {SECOND: {"nonsense": "x"}}}),
        create("token-5", **{**WEEKLY, "subject": "C", "occurrences": {SECOND: OWN}}),
    )
    assert [result.error and result.error.code for result in results] == [
        "too-long", None, "too-long", "unknown-field", None,
    ]  # fmt: skip
    assert crm.sql("SELECT subject FROM appointment ORDER BY id") == [("Review",), ("B",), ("C",)]
    assert [item[0] for item in rows(crm, "appointment_id")] == [int(b.key or 0), int(results[4].key or 0)]


def test_a_constraint_of_the_crm_on_occurrences_fails_the_series_alone(crm: World) -> None:
    crm.sql("CREATE UNIQUE INDEX one_place ON appointment_occurrence (location)")
    a, b = made(crm, patches={SECOND: {"place": "Hall"}}), made(crm, "token-2")
    results = crm.create(said(b, {SECOND: {"place": "Hall"}}, subject="B"), said(a, {SECOND: {"place": "Hall 2"}}))
    assert [result.error and result.error.code for result in results] == ["constraint", None]
    assert crm.item(b.key).values["subject"] == "Review"


def test_what_the_link_does_not_carry_stays_in_the_rows(crm: World) -> None:
    link = crm.link(fields=["subject", "recurrence_rule", "occurrences"])
    series = made(crm)
    row(crm, series, SECOND, subject="Own", notes="the CRM's own")
    row(crm, series, THIRD, subject="Own")
    item = crm.item(series.key, link)
    whole = {"subject": "Review", "recurrence_rule": WEEKLY["recurrence_rule"], "occurrences": None}
    (result,) = crm.create(
        Write(Operation.UPDATE, item.key, item.version, whole, frozenset({"occurrences"})), link=link
    )
    assert result.error is None
    assert rows(crm, "subject", "notes") == [(None, "the CRM's own")]


def test_a_row_that_says_it_already_is_not_written_again(crm: World) -> None:
    series = made(crm, patches={SECOND: OWN, THIRD: LEFT_OUT})
    number = rows(crm, "id")
    seen: list[str] = []
    engine = crm.crm._engine
    sa.event.listen(engine, "before_cursor_execute", lambda c, cursor, statement, *rest: seen.append(statement))
    (result,) = crm.create(said(series, {SECOND: OWN, THIRD: LEFT_OUT}, subject="New"))
    assert result.error is None
    assert [s for s in seen if "appointment_occurrence" in s and not s.startswith("SELECT")] == []
    assert rows(crm, "id") == number


def test_a_series_goes_with_its_occurrences_where_rows_are_deleted(crm: World) -> None:
    """The rows refer to their series: the CRM's foreign key would refuse it otherwise."""
    hard = replace(PLANNED, entities={Entity.SCHEDULE_ITEM: replace(SERIES, soft_delete=None)})
    connector = crm.connector(hard)
    a, b, c = made(crm, patches={SECOND: OWN}), made(crm, "token-2"), made(crm, "token-3", {SECOND: OWN})
    row(crm, c, THIRD, subject="By hand")
    writes = [Write(Operation.DELETE, held.key, held.version) for held in (a, b, c)]
    results = list(connector.write(crm.link(), writes))
    assert [type(result.error) for result in results] == [type(None), type(None), VersionMoved]
    assert crm.sql("SELECT id FROM appointment") == [(int(c.key or 0),)]
    assert len(rows(crm, "id")) == 2
    assert isinstance(crm.crm.get(crm.link(), [a.key or ""])[a.key or ""], Gone)


def test_b36_five_thousand_exceptions_are_written_and_read_in_one_go(crm: World) -> None:
    day = date(2026, 3, 5)
    many = {str(day + timedelta(days=n)): {"subject": f"day {n}"} for n in range(5000)}
    _, since = feed_rows(crm, None)
    series = made(crm, patches=many, recurrence_rule="FREQ=DAILY")
    assert patches_of(crm, series) == many
    fewer: dict[str, Fields] = {key: LEFT_OUT for n, key in enumerate(many) if n % 1000 == 0}
    (result,) = crm.create(said(series, fewer, recurrence_rule="FREQ=DAILY"))
    assert result.error is None
    assert patches_of(crm, series) == fewer
    found, _ = feed_rows(crm, since)
    assert {key for key, _ in found} == {series.key}
    if crm.dialect != "sqlite":  # once per statement, not per row
        assert crm.sql("SELECT count(*) FROM exsync_outbox")[0][0] < 100


# -- what users do -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "edit",
    [
        "INSERT INTO appointment_occurrence (appointment_id, original_day, subject) VALUES (:id, '2026-03-19', 'x')",
        "UPDATE appointment_occurrence SET cancelled = :yes WHERE appointment_id = :id",
        "DELETE FROM appointment_occurrence WHERE appointment_id = :id",
    ],
)
def test_every_change_of_a_row_is_a_change_of_its_series(crm: World, edit: str) -> None:
    series, other = made(crm, patches={SECOND: OWN}), made(crm, "token-2", {SECOND: OWN})
    _, since = feed_rows(crm, None)
    crm.sql(edit, id=int(series.key or 0), **({"yes": True} if ":yes" in edit else {}))
    found, _ = feed_rows(crm, since)
    assert found == [(series.key, frozenset({"1"}))]
    assert int(crm.item(series.key).version) > int(series.version or 0)
    assert crm.item(other.key).version == other.version


def test_a_row_that_moves_to_another_series_is_a_change_of_both(crm: World) -> None:
    a, b = made(crm, patches={SECOND: OWN}), made(crm, "token-2")
    _, since = feed_rows(crm, None)
    crm.sql("UPDATE appointment_occurrence SET appointment_id = :b", b=int(b.key or 0))
    assert {key for key, _ in feed_rows(crm, since)[0]} == {a.key, b.key}
    assert (patches_of(crm, a), patches_of(crm, b)) == (None, {SECOND: OWN})


def test_the_series_of_another_user_tells_him(crm: World) -> None:
    (bobs,) = crm.create(create("bobs", **WEEKLY), link=crm.link(BOB))
    _, since = feed_rows(crm, None)
    row(crm, bobs, SECOND, subject="x")
    assert feed_rows(crm, since)[0] == [(bobs.key, frozenset({BOB}))]


def test_a_row_that_commits_late_is_seen(crm: World) -> None:
    """Fault E3: the row was written before a younger change that the feed has read already."""
    series, other = made(crm), made(crm, "token-2")
    _, since = feed_rows(crm, None)
    if crm.dialect == "sqlite":
        row(crm, series, SECOND, subject="x")
        found, _ = feed_rows(crm, since)
    else:
        with crm.users.connect() as late, late.begin():
            late.execute(sa.text(f"INSERT INTO appointment_occurrence (appointment_id, original_day, subject) VALUES ({series.key}, '{SECOND}', 'x')"))  # noqa: S608, E501  # fmt: skip
            row(crm, other, SECOND, subject="younger")
            young, after = feed_rows(crm, since)
            assert [key for key, _ in young] == [other.key]
        found, _ = feed_rows(crm, after)
    assert [key for key, _ in found] == [series.key]
    assert patches_of(crm, series) == {SECOND: {"subject": "x"}}


def test_the_newest_row_is_the_items_last_change(crm: World) -> None:
    """B-61: `newest_wins` must not take an edited occurrence for an old one."""
    kind = "DATETIME" if crm.dialect == "sqlite" else "timestamptz"
    crm.sql(f"ALTER TABLE appointment_occurrence ADD COLUMN touched {kind}")
    occurrences = replace(SERIES.occurrences, modified="touched")  # type: ignore[type-var]
    plan = replace(PLANNED, entities={Entity.SCHEDULE_ITEM: replace(SERIES, occurrences=occurrences)})
    connector, link = crm.connector(plan), crm.link()
    series = made(crm)
    crm.clock.advance(600)
    now = crm.clock.now()
    row(crm, series, SECOND, subject="x", touched=str(now.replace(tzinfo=None)) if crm.dialect == "sqlite" else now)
    item = connector.get(link, [series.key or ""])[series.key or ""]
    assert isinstance(item, Item)
    assert item.modified == now
    (result,) = connector.write(link, [said(item, {THIRD: OWN})])
    assert result.error is None
    assert len(crm.sql("SELECT id FROM appointment_occurrence WHERE touched IS NOT NULL")) == 1


# -- names and DDL -----------------------------------------------------------------------------------------------------


def described(**changes: Any) -> Any:
    occurrences = replace(SERIES.occurrences, **changes)  # type: ignore[type-var]
    return replace(PLANNED, entities={Entity.SCHEDULE_ITEM: replace(SERIES, occurrences=occurrences)})


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"table": "appointment_ocurrence"}, "table-missing", ["schedule_item.occurrences", "'appointment_occurrence'?"]),
        ({"series": "appointment"}, "column-missing", ["did you mean 'appointment_id'?"]),
        ({"day": "orig_day"}, "column-missing", ["'original_day'"]),
        ({"excluded": ("canceled", True, False)}, "column-missing", ["'cancelled'?"]),
        ({"key": "idd"}, "column-missing", ["'idd'"]),
        ({"modified": "x"}, "column-missing", ["'x'"]),
        ({"defaults": {"nonsense": 1}}, "column-missing", ["'nonsense'"]),
        ({"fields": {"place": CrmField("place", "loc", FieldType.TEXT)}}, "column-missing", ["occurrences.place"]),
        ({"fields": {"x": CrmField("x", "appointment_id", FieldType.TEXT)}}, "column-type", ["NOT NULL", "text"]),
        ({"day": "all_day"}, "column-type", ["occurrences.day", "date"]),
        ({"series": "location"}, "column-type", ["text", "integer"]),
        ({"key": "appointment_id"}, "column-type", ["nothing makes the key"]),
    ],
)  # fmt: skip
def test_e9_names_and_types_are_looked_up_before_any_statement(
    crm: World, changes: dict[str, Any], code: str, words: list[str]
) -> None:
    with pytest.raises(ContainerGone) as caught:
        crm.connector(described(**changes)).check()
    assert caught.value.code == code
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_table_without_a_key_of_its_own_and_one_whose_keys_nobody_makes(crm: World) -> None:
    kinds = "appointment_id INTEGER, original_day DATE, cancelled VARCHAR(9), subject TEXT"
    crm.sql(f"CREATE TABLE bare_occurrence ({kinds}, PRIMARY KEY (appointment_id, original_day))")
    crm.sql(f"CREATE TABLE text_occurrence (code VARCHAR(40) PRIMARY KEY, {kinds})")
    if crm.dialect != "sqlite":
        crm.sql("ALTER TABLE bare_occurrence ALTER COLUMN appointment_id TYPE bigint")
    words: dict[str, Any] = {
        "excluded": ("cancelled", "gone", "held"),
        "fields": {"subject": CrmField("subject", "subject", FieldType.TEXT)},
    }
    for table, key in (("bare_occurrence", None), ("text_occurrence", "code")):
        connector, link = crm.connector(described(table=table, key=key, **words)), crm.link()
        connector.apply_ddl()
        connector.check()
        series = made(crm, table)
        wanted: dict[str, Fields] = {SECOND: {"subject": "Own"}, THIRD: LEFT_OUT}
        (result,) = connector.write(link, [said(series, wanted)])
        assert result.error is None
        (result,) = connector.write(link, [said(result, {THIRD: {"subject": "Own"}})])
        assert result.error is None
        assert crm.sql(f"SELECT cancelled, subject FROM {table}") == [("held", "Own")]  # noqa: S608


def test_check_names_the_triggers_that_are_missing_on_the_occurrences(crm: World) -> None:
    crm.crm.check()
    name = "exsync_occurrence_schedule_item_update"
    crm.sql(f"DROP TRIGGER {name}" + ("" if crm.dialect == "sqlite" else " ON appointment_occurrence"))
    with pytest.raises(ContainerGone, match=f"trigger {name} on appointment_occurrence"):
        crm.crm.check()


def test_the_printed_sql_may_be_run_again(crm: World) -> None:
    assert crm.crm.apply_ddl() == crm.crm.apply_ddl()
    crm.crm.check()


def test_names_that_need_quoting_are_quoted_in_the_triggers(crm: World) -> None:
    odd = 'a"; DROP TABLE appointment; -- :x'
    quoted = '"' + odd.replace('"', '""') + '"'
    with crm.users.begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE appointment_occurrence RENAME TO {quoted}")
    connector = crm.connector(described(table=odd))
    connector.apply_ddl()
    connector.check()
    (result,) = connector.write(crm.link(), [create("token-1", **{**WEEKLY, "occurrences": {SECOND: OWN}})])
    assert result.error is None


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_a_version_that_is_no_number_is_moved_by_the_crms_own_trigger(dialect: str) -> None:
    text = ddl(PLANNED, dialect, untouched=[Entity.SCHEDULE_ITEM])
    assert 'SET "row_version" = "row_version"' in text
    assert "coalesce" not in text


def test_updates_of_many_series_at_once(crm: World) -> None:
    series = [made(crm, f"t{n}", {SECOND: OWN}) for n in range(20)]
    results = crm.create(*(said(held, {THIRD: {"subject": f"{n}"}}) for n, held in enumerate(series)))
    assert keys(results) == [held.key for held in series]
    assert [patches_of(crm, held) for held in series] == [{THIRD: {"subject": f"{n}"}} for n in range(20)]
    assert [crm.item(held.key).version for held in series] == [result.version for result in results]
    (plain,) = crm.create(update(results[0], subject="Only the series"))
    assert (plain.error, patches_of(crm, plain)) == (None, {THIRD: {"subject": "0"}})
