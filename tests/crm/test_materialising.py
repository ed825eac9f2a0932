"""Occurrences as rows up to a horizon: derived, rolled forward, never rewritten without need (B-38), on both databases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from runner.config.plan import CrmMaterialised
from runner.connectors.crm.schema import EntityTable
from runner.model.errors import ContainerGone
from runner.model.overrides import LEFT_OUT
from runner.model.record import Fields
from runner.model.terms import Entity
from tests.crm.test_occurrences import WEEKLY, made, row, said
from tests.support.crm import PLAN, SERIES, World, create, delete, update

DAYS = CrmMaterialised(
    table="appointment_day",
    series="appointment_id",
    day="day",
    start="begins",
    end="ends",
    horizon=timedelta(days=30),
    source={
        "rule": "recurrence_rule",
        "start": "starts_at",
        "end": "ends_at",
        "zone": "time_zone",
        "all_day": "all_day",
    },
)
ENTITY = replace(SERIES, materialised=DAYS)
PLANNED = replace(PLAN, entities={Entity.SCHEDULE_ITEM: ENTITY})
TABLE = "CREATE TABLE appointment_day (appointment_id {0} REFERENCES appointment (id), day date, begins {1}, ends {1})"
NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
"""Thursdays behind: the 5th, 12th, 19th; ahead, up to 19 April: 26 March, 2, 9, 16 April. The clocks change on the 29th."""


@pytest.fixture
def crm(bare: World) -> Iterator[World]:
    kinds = ("INTEGER", "DATETIME") if bare.dialect == "sqlite" else ("bigint", "timestamptz")
    bare.sql(TABLE.format(*kinds))
    bare.clock.advance(NOW - bare.clock.now())
    world = World(bare.url, PLANNED, bare.clock)
    world.crm.apply_ddl()
    yield world
    world.close()


def days(crm: World, key: str | None = None) -> dict[str, tuple[str, str]]:
    """Day → start and end in UTC, of one series or all."""
    where = "" if key is None else f" WHERE appointment_id = {int(key)}"
    found = crm.sql(f"SELECT day, begins, ends FROM appointment_day{where}")  # noqa: S608
    assert len({(str(day)) for day, _, _ in found}) == len(found) or key is None
    return {str(day): (_plain(begins), _plain(ends)) for day, begins, ends in found}


def _plain(moment: Any) -> str:
    return str(moment).removesuffix("+00:00")[:16]


def written(crm: World) -> list[str]:
    """Statements from now on that write to the table."""
    seen: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if "appointment_day" in statement and not statement.startswith("SELECT"):
            seen.append(statement.split()[0])

    sa.event.listen(crm.crm._engine, "before_cursor_execute", note)
    return seen


def test_b38_every_series_has_rows_up_to_the_horizon_and_keeps_its_local_time(crm: World) -> None:
    series = made(crm, patches={"2026-03-12": LEFT_OUT, "2026-04-02": {"subject": "Own"}})
    own = {"starts_at": "2026-04-10T15:00:00Z", "ends_at": "2026-04-10T17:00:00Z"}
    row(crm, series, "2026-04-09", starts_at=_given(crm, own["starts_at"]), ends_at=_given(crm, own["ends_at"]))
    made(crm, "single", recurrence_rule=None)
    assert crm.crm.materialise() == 1
    assert days(crm) == {
        "2026-03-05": ("2026-03-05 08:00", "2026-03-05 09:00"),
        "2026-03-19": ("2026-03-19 08:00", "2026-03-19 09:00"),
        "2026-03-26": ("2026-03-26 08:00", "2026-03-26 09:00"),
        "2026-04-02": ("2026-04-02 07:00", "2026-04-02 08:00"),
        "2026-04-09": ("2026-04-10 15:00", "2026-04-10 17:00"),
        "2026-04-16": ("2026-04-16 07:00", "2026-04-16 08:00"),
    }


def _given(crm: World, instant: str) -> Any:
    moment = datetime.fromisoformat(instant)
    return str(moment.replace(tzinfo=None)) if crm.dialect == "sqlite" else moment


def test_whole_days_are_midnights(crm: World) -> None:
    series = made(crm, all_day=True, starts_at="2026-03-05T00:00:00Z", ends_at="2026-03-06T00:00:00Z", time_zone=None)
    crm.crm.materialise()
    assert days(crm, series.key)["2026-04-02"] == ("2026-04-02 00:00", "2026-04-03 00:00")


def test_b38_as_time_passes_only_the_new_days_are_added(crm: World) -> None:
    """Also over a clock change: nothing that was made is written again, or looked at."""
    made(crm)
    ended = made(crm, "ended", recurrence_rule="FREQ=WEEKLY;COUNT=3;BYDAY=TH")
    crm.crm.materialise()
    before, seen = days(crm), written(crm)
    assert crm.crm.materialise() == 0
    crm.clock.advance(timedelta(days=3))
    assert crm.crm.materialise() == 1
    assert seen == []
    crm.clock.advance(timedelta(days=8))
    assert crm.crm.materialise() == 1
    assert seen == ["INSERT"]
    assert days(crm) == {**before, "2026-04-23": ("2026-04-23 07:00", "2026-04-23 08:00"),
                         "2026-04-30": ("2026-04-30 07:00", "2026-04-30 08:00")}  # fmt: skip
    assert list(days(crm, ended.key)) == ["2026-03-05", "2026-03-12", "2026-03-19"]


def test_a_changed_series_has_its_differing_rows_written_and_no_others(crm: World) -> None:
    series, other = made(crm), made(crm, "other")
    crm.crm.materialise()
    seen = written(crm)
    (result,) = crm.create(update(series, subject="Only the subject"))
    assert crm.crm.materialise() == 1
    assert seen == []
    (result,) = crm.create(said(result, {"2026-03-26": LEFT_OUT, "2026-04-02": {"subject": "x"}}))
    crm.crm.materialise()
    assert seen == ["DELETE"]
    longer = {"ends_at": "2026-03-05T10:00:00Z"}
    (result,) = crm.create(said(result, {"2026-03-26": LEFT_OUT}, **longer))
    crm.crm.materialise()
    assert seen == ["DELETE", "UPDATE"]
    assert days(crm, series.key)["2026-04-16"] == ("2026-04-16 07:00", "2026-04-16 09:00")
    assert "2026-03-26" not in days(crm, series.key)
    assert "2026-03-26" in days(crm, other.key)


def test_b37_a_cut_series_loses_the_rows_behind_its_end(crm: World) -> None:
    series = made(crm)
    crm.crm.materialise()
    crm.sql("UPDATE appointment SET recurrence_rule = 'FREQ=WEEKLY;UNTIL=20260326;BYDAY=TH'")
    crm.crm.materialise()
    assert list(days(crm, series.key)) == ["2026-03-05", "2026-03-12", "2026-03-19", "2026-03-26"]
    crm.sql("UPDATE appointment SET recurrence_rule = NULL")
    crm.crm.materialise()
    assert days(crm) == {}
    assert crm.sql("SELECT * FROM exsync_series") == []


def test_rows_go_with_their_series(crm: World) -> None:
    soft, hard = made(crm), made(crm, "hard")
    crm.crm.materialise()
    crm.sql("DELETE FROM appointment WHERE id = :id", id=int(hard.key or 0))
    assert days(crm, hard.key) == {}
    crm.create(delete(soft))
    crm.crm.materialise()
    assert days(crm) == {}
    assert crm.sql("SELECT * FROM exsync_series") == []


def test_a_series_that_cannot_be_carried_keeps_its_rows_until_it_changes(crm: World) -> None:
    series = made(crm)
    crm.crm.materialise()
    before = days(crm)
    crm.sql("UPDATE appointment SET recurrence_rule = 'FREQ=HOURLY'")
    assert crm.crm.materialise() == 1
    assert crm.crm.materialise() == 0
    assert days(crm) == before
    crm.sql("UPDATE appointment SET recurrence_rule = 'FREQ=WEEKLY;BYDAY=TH', time_zone = 'Europe/Wien'")
    crm.crm.materialise()
    assert days(crm) == before
    crm.sql("UPDATE appointment SET time_zone = 'Etc/UTC'")
    crm.crm.materialise()
    assert days(crm, series.key)["2026-04-02"] == ("2026-04-02 08:00", "2026-04-02 09:00")


def test_who_changes_a_series_meanwhile_is_not_overwritten(crm: World) -> None:
    series = made(crm)
    read, edited = crm.crm._series, []

    def meanwhile(entity: EntityTable, fields: frozenset[str], keys: Sequence[str]) -> Mapping[str, Any]:
        items = read(entity, fields, keys)
        if not edited:
            edited.append(crm.sql("UPDATE appointment SET recurrence_rule = 'FREQ=WEEKLY;COUNT=2;BYDAY=TH'"))
        return items

    crm.crm._series = meanwhile  # type: ignore[method-assign]
    crm.crm.materialise()
    assert days(crm) == {}
    crm.crm.materialise()
    assert list(days(crm, series.key)) == ["2026-03-05", "2026-03-12"]


def test_series_that_are_there_before_are_noted_by_the_ddl_once(crm: World) -> None:
    made(crm)
    crm.sql("DELETE FROM exsync_series")
    crm.crm.apply_ddl()
    assert crm.crm.materialise() == 1
    crm.crm.apply_ddl()
    assert crm.crm.materialise() == 0


def test_many_series_and_endless_ones(crm: World) -> None:
    crm.create(*(_daily(n) for n in range(130)))
    assert crm.crm.materialise() == 130
    ((count,),) = crm.sql("SELECT count(*) FROM appointment_day")
    assert count == 130 * ((NOW + DAYS.horizon).date() - date(2026, 3, 5) + timedelta(days=1)).days


def _daily(number: int) -> Any:
    values: Fields = {**WEEKLY, "recurrence_rule": "FREQ=DAILY"}
    return create(f"daily-{number}", **values)


@pytest.mark.parametrize(
    ("changes", "code", "word"),
    [
        ({"table": "appointment_days"}, "table-missing", "'appointment_day'?"),
        ({"start": "begin"}, "column-missing", "'begins'?"),
        ({"day": "begins"}, "column-type", "schedule_item.materialise"),
        ({"series": "day"}, "column-type", "the key of 'appointment'"),
    ],
)
def test_e9_names_and_types_are_looked_up(crm: World, changes: dict[str, Any], code: str, word: str) -> None:
    entity = replace(ENTITY, materialised=replace(DAYS, **changes))
    with pytest.raises(ContainerGone, match=word) as caught:
        crm.connector(replace(PLANNED, entities={Entity.SCHEDULE_ITEM: entity})).check()
    assert caught.value.code == code


def test_check_names_what_is_missing(crm: World) -> None:
    crm.crm.check()
    crm.sql("DROP TRIGGER exsync_series_schedule_item_delete" + ("" if crm.dialect == "sqlite" else " ON appointment"))
    with pytest.raises(ContainerGone, match="exsync_series_schedule_item_delete on appointment"):
        crm.crm.check()
    crm.crm.apply_ddl()
    crm.crm.check()


def test_a_crm_without_such_a_table_has_nothing_to_do(world: World) -> None:
    assert world.crm.materialise() == 0
    assert "exsync_series" not in world.crm.ddl()
