"""Names in YAML against the schema that is there (fault E9), and the SQL that we ask for."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from runner.cli import exsync
from runner.config.plan import CrmField, CrmPlan, CrmUsers
from runner.connectors.crm import ddl
from runner.model.errors import ContainerGone, UsageError
from runner.model.items import Write
from runner.model.record import FieldType
from runner.model.terms import Entity, Operation
from runner.sandbox.demo_crm import create_demo_crm
from tests.support.crm import ANN, APPOINTMENT, PLAN, RULE, World, create, feed_rows, update, with_entity

ODD = 'a"; DROP TABLE appointment; -- %s :x (?)'
"""A legal name in both databases: quoted right it is harmless."""


def _field(name: str, column: str, type_: FieldType = FieldType.TEXT) -> dict[str, Any]:
    return {"fields": {**APPOINTMENT.fields, name: CrmField(name, column, type_)}}


def _refusal(world: World, plan: CrmPlan) -> ContainerGone:
    with pytest.raises(ContainerGone) as caught:
        world.connector(plan).check()
    return caught.value


# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plan", "code", "words"),
    [
        (with_entity(PLAN, table="apointment"), "table-missing", ["'apointment'", "did you mean 'appointment'?"]),
        (with_entity(PLAN, key="idd"), "column-missing", ["'idd'", "appointment"]),
        (with_entity(PLAN, version="rowversion"), "column-missing", ["did you mean 'row_version'?"]),
        (with_entity(PLAN, owner="owner"), "column-missing", ["did you mean 'owner_id'?"]),
        (with_entity(PLAN, modified="changed"), "column-missing", ["did you mean 'changed_at'?"]),
        (with_entity(PLAN, soft_delete=("delete", True)), "column-missing", ["did you mean 'deleted'?"]),
        (with_entity(PLAN, defaults={"nonsense": 1}), "column-missing", ["'nonsense'", "defaults"]),
        (with_entity(PLAN, **_field("subject", "subjct")), "column-missing", ["schedule_item.subject", "'subject'?"]),
        (with_entity(PLAN, **_field("subject", ODD)), "column-missing", ["DROP TABLE"]),
        (with_entity(PLAN, table=ODD), "table-missing", ["DROP TABLE"]),
        (with_entity(PLAN, **_field("owner", "owner_id", FieldType.DATE)), "column-type", ["integer", "date"]),
        (with_entity(PLAN, key="subject"), "column-type", ["not unique"]),
        (with_entity(PLAN, version="subject", version_by="writer"), "column-type", ["needs a number"]),
        (replace(with_entity(PLAN, soft_delete=None), feed="version_column"), "column-type", ["soft_delete"]),
        (replace(PLAN, users=CrmUsers("crm_users", "id", "email")), "table-missing", ["did you mean 'crm_user'?"]),
        (replace(PLAN, users=CrmUsers("crm_user", "id", "mail")), "column-missing", ["did you mean 'email'?"]),
        (replace(PLAN, users=CrmUsers("crm_user", "id", "email", ("x", "y", "z"))), "table-missing", ["users.aliases"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_name_that_is_not_there_is_refused_with_its_place_and_the_nearest_one(
    world: World, plan: CrmPlan, code: str, words: list[str]
) -> None:
    error = _refusal(world, plan)
    assert error.code == code
    assert str(error).startswith(RULE)
    assert error.remedy
    assert all(word in str(error) for word in words), str(error)
    assert world.sql("SELECT count(*) FROM appointment") == [(0,)]


@pytest.mark.parametrize("column", ["id", "owner_id"])
def test_a_key_with_decimals_is_refused_where_the_database_writes_them(pg: World, column: str) -> None:
    """PostgreSQL's text of such a number is 12.00: what its triggers note would be no record that we know."""
    pg.sql("ALTER TABLE appointment DROP CONSTRAINT appointment_owner_id_fkey")
    pg.sql("ALTER TABLE appointment_occurrence DROP CONSTRAINT appointment_occurrence_appointment_id_fkey")
    pg.sql("ALTER TABLE appointment ALTER id DROP IDENTITY")
    pg.sql(f"ALTER TABLE appointment ALTER {column} TYPE numeric(12, 0)")
    pg.connector(PLAN).check()
    pg.sql(f"ALTER TABLE appointment ALTER {column} TYPE numeric(12, 2)")
    error = _refusal(pg, PLAN)
    assert error.code == "column-type"
    assert f"'{column}' has 2 decimals" in str(error)


def test_all_findings_come_at_once(world: World) -> None:
    error = _refusal(world, with_entity(PLAN, owner="owner", modified="changed", **_field("subject", "subjct")))
    assert [name in str(error) for name in ("'owner'", "'changed'", "'subjct'")] == [True] * 3


def test_every_use_before_check_refuses_a_wrong_name_too(world: World) -> None:
    crm = world.connector(with_entity(PLAN, table="apointment"))
    with pytest.raises(ContainerGone, match="did you mean"):
        crm.users(["ann.lee@example.com"])
    with pytest.raises(ContainerGone, match="did you mean"):
        crm.ddl()


def test_an_entity_that_the_crm_does_not_describe_is_a_usage_error(world: World) -> None:
    crm = world.connector(with_entity(PLAN))
    with pytest.raises(UsageError, match="describes no entity task"):
        crm.get(world.link(entity=Entity.TASK, fields=[]), ["1"])


def test_names_full_of_sql_are_quoted_everywhere(bare: World) -> None:
    """Fault E9, with names that really exist: nothing but the named table is touched."""
    name = '"' + ODD.replace('"', '""') + '"'
    key = "INTEGER PRIMARY KEY" if bare.dialect == "sqlite" else "bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"
    with bare.users.begin() as connection:
        cursor = connection.connection.cursor()
        cursor.execute(f'CREATE TABLE {name} (id {key}, {name} text, "order" integer NOT NULL, "select" text)')
        cursor.close()
    plan = with_entity(
        PLAN, table=ODD, version="order", owner="select", modified=None, soft_delete=None,
        fields={"subject": CrmField("subject", ODD, FieldType.TEXT)},
    )  # fmt: skip
    crm = bare.connector(plan)
    crm.apply_ddl()
    crm.check()
    link = bare.link(fields=["subject"])
    since = next(crm.feed(None)).watermark
    write = Write(
        Operation.CREATE, None, None, {"subject": "'; DROP TABLE appointment; --"}, frozenset({"subject"}), "t"
    )
    many = [replace(write, stamp=f"t{n}") for n in range(3)]
    made = list(crm.write(link, [write, *many]))
    assert [result.error for result in made] == [None] * 4
    (updated,) = crm.write(link, [update(made[0], subject="x'\"")])
    assert updated.version == "2"
    found = crm.get(link, [made[0].key or "", made[1].key or ""])
    assert [getattr(item, "values", None) for item in found.values()] == [
        {"subject": "x'\""},
        {"subject": "'; DROP TABLE appointment; --"},
    ]
    assert [len(page.changed) for page in crm.listing(link)] == [4]
    assert [row.owners for page in crm.feed(since) for row in page.rows] == [{ANN}] * 4
    (gone,) = crm.write(link, [Write(Operation.DELETE, made[1].key, "1")])
    assert gone.error is None
    assert bare.sql("SELECT count(*) FROM appointment") == [(0,)]


def test_values_full_of_sql_stay_values(world: World) -> None:
    evil = "x'); DROP TABLE appointment; -- %(a)s :b ?"
    made = world.made(evil, evil, subject=evil, categories=("') --",))
    assert world.item(made.key).values["subject"] == evil
    assert world.crm.users([evil]) == {}
    assert list(world.crm.get(world.link(), [evil])) == [evil]


# -- the printed SQL ---------------------------------------------------------------------------------------------------


def test_check_names_what_is_missing_and_the_command_that_makes_it(bare: World) -> None:
    error = _refusal(bare, PLAN)
    assert error.code == "ddl-missing"
    for word in ("exsync_keys", "exsync_outbox", "exsync_version_schedule_item", RULE):
        assert word in str(error)
    assert "exsync target ddl crm" in (error.remedy or "")


def test_the_sql_may_be_run_again_and_keeps_what_is_there(bare: World) -> None:
    bare.crm.apply_ddl()
    made = bare.made("a")
    _, watermark = feed_rows(bare, None)
    bare.crm.apply_ddl()
    bare.crm.check(bare.link())
    assert feed_rows(bare, watermark)[0] == []
    (result,) = bare.create(update(made, subject="x"))
    assert result.version == "2"


def test_the_printed_text_does_what_apply_does(bare: World) -> None:
    printed = bare.crm.ddl()
    if bare.dialect == "sqlite":
        with closing(sqlite3.connect(bare.users.url.database or "")) as shell:
            shell.executescript(printed)
    else:
        with bare.users.connect() as connection:
            connection.connection.driver_connection.execute(printed)  # type: ignore[union-attr]
    bare.crm.check()
    assert bare.made("a").version == "1"


@pytest.mark.parametrize("gone", ["exsync_outbox_schedule_item", "exsync_version_schedule_item"])
def test_a_trigger_that_is_missing_or_switched_off_is_found(pg: World, gone: str) -> None:
    pg.sql(f"ALTER TABLE appointment DISABLE TRIGGER {gone}")
    assert gone in str(_refusal(pg, PLAN))
    pg.sql(f"DROP TRIGGER {gone} ON appointment")
    assert gone in str(_refusal(pg, PLAN))
    pg.crm.apply_ddl()
    pg.crm.check()


def test_a_key_table_without_its_columns_is_found(world: World) -> None:
    world.sql("ALTER TABLE exsync_keys RENAME COLUMN token TO badge")
    assert "exsync_keys" in str(_refusal(world, PLAN))


def test_by_version_column_no_outbox_is_asked_for(bare: World) -> None:
    plan = replace(with_entity(PLAN), feed="version_column")
    crm = bare.connector(plan)
    assert "exsync_outbox" not in crm.ddl()
    crm.apply_ddl()
    crm.check()
    assert next(crm.write(bare.link(), [create("a")])).error is None


def test_a_schema_of_its_own_is_used_and_written_into_the_triggers(pg: World) -> None:
    """The CRM's sessions may have another search_path than ours."""
    pg.sql("CREATE SCHEMA sales")
    for table in ("appointment", "crm_user", "crm_user_email", "specimen"):
        pg.sql(f"ALTER TABLE {table} SET SCHEMA sales")
    plan = replace(PLAN, schema="sales")
    crm = pg.connector(plan)
    try:
        crm.apply_ddl()
        crm.check()
        watermark = next(crm.feed(None)).watermark
        pg.sql("SET search_path = pg_catalog; INSERT INTO sales.appointment (owner_id) VALUES (1)")
        assert [row.owners for page in crm.feed(watermark) for row in page.rows] == [{ANN}]
        assert next(crm.write(pg.link(), [create("a")])).version == "1"
    finally:
        crm.close()
        pg.sql("DROP SCHEMA sales CASCADE")


def test_a_version_that_is_no_number_is_left_to_the_crms_own_trigger(world: World) -> None:
    plan = with_entity(PLAN, version="changed_at", modified=None)
    crm = world.connector(plan)
    assert "exsync_version_schedule_item" not in crm.ddl()
    (row,) = world.sql("INSERT INTO appointment (subject, owner_id) VALUES ('x', 1) RETURNING id")
    item = crm.get(world.link(fields=["subject"]), [str(row[0])])[str(row[0])]
    (result,) = crm.write(world.link(), [update(item, subject="y")])  # type: ignore[arg-type]
    assert result.error is None
    world.sql("UPDATE appointment SET changed_at = '2026-01-01 00:00:00'")
    (moved,) = crm.write(world.link(), [update(item, subject="z")])  # type: ignore[arg-type]
    assert moved.error is not None


@pytest.mark.parametrize(("precision", "fine"), [(0, False), (2, False), (3, True), (6, True)])
def test_a_version_that_cannot_tell_two_edits_apart_is_refused(pg: World, precision: int, fine: bool) -> None:
    """B-12: an edit within the same second would be taken for our own echo, and be overwritten."""
    pg.sql(f"ALTER TABLE appointment ALTER changed_at TYPE timestamptz({precision})")
    plan = with_entity(PLAN, version="changed_at", modified=None)
    if fine:
        pg.connector(plan).apply_ddl()
        return
    assert "version column 'changed_at' does not even tell milliseconds apart" in str(_refusal(pg, plan))


def test_other_dialects_have_no_triggers() -> None:
    with pytest.raises(UsageError, match="mysql"):
        ddl(PLAN, "mysql")


def test_the_sql_asks_for_no_more_rights_than_the_writer_has() -> None:
    assert "DEFINER" not in ddl(PLAN, "postgresql").upper()


# -- the demo CRM and the command --------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shipped configuration with the demo CRM beside it."""
    for name in ("targets.d", "mappings"):
        shutil.copytree(Path(__file__).parents[2] / name, tmp_path / name)
    create_demo_crm(tmp_path / "crm.sqlite", today=date(2026, 3, 2))
    monkeypatch.setenv("EXSYNC_CRM_URL", f"sqlite:///{tmp_path}/crm.sqlite")
    monkeypatch.setenv("EXSYNC_SANDBOX_PASSWORD", "x")
    return tmp_path


def _exsync(project: Path, *arguments: str) -> str:
    result = CliRunner().invoke(exsync, ["--config", str(project), *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_prints_and_changes_nothing_until_asked(project: Path) -> None:
    printed = _exsync(project, "target", "ddl", "crm")
    assert "CREATE TABLE IF NOT EXISTS exsync_keys" in printed
    with closing(sqlite3.connect(project / "crm.sqlite")) as connection:
        assert connection.execute("SELECT name FROM sqlite_master WHERE name LIKE 'exsync%'").fetchall() == []
    assert "in place" in _exsync(project, "target", "ddl", "crm", "--apply")
    with closing(sqlite3.connect(project / "crm.sqlite")) as connection:
        made = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE name LIKE 'exsync%'")}
    assert {
        "exsync_keys",
        "exsync_outbox",
        "exsync_version_schedule_item",
        "exsync_outbox_schedule_item_insert",
    } <= made


def test_the_command_knows_no_other_crm(project: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'crm'"):
        CliRunner().invoke(
            exsync, ["--config", str(project), "target", "ddl", "crn"], catch_exceptions=False, standalone_mode=False
        )


def test_the_demo_crm_has_two_users_and_a_dozen_appointments_that_can_all_be_read(tmp_path: Path) -> None:
    path = tmp_path / "crm.sqlite"
    create_demo_crm(path, today=date(2026, 3, 2))
    world = World(f"sqlite:///{path}", with_entity(PLAN))
    world.crm.apply_ddl()
    found = world.crm.users(["ann@example.com", "robert.ray@example.com"])
    read = {}
    for user in found.values():
        link = world.link(user.key)
        keys = [ref.key for page in world.crm.listing(link) for ref in page.changed]
        read |= world.crm.get(link, keys)
    assert len(read) == 12
    subjects = {getattr(item, "values", {}).get("subject") for item in read.values()}
    assert "Dentist" in subjects
    assert None not in subjects
    world.close()
    with pytest.raises(FileExistsError):
        create_demo_crm(path)
