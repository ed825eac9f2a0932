"""What goes wrong between us and the database: each fault has its class, and no write is ever half done."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import event

from runner.connectors.crm import connect
from runner.model.errors import (
    AccessDenied,
    AuthRefused,
    ConnectorError,
    ContainerGone,
    Invalid,
    OutcomeUnknown,
    Transient,
    Unreachable,
    UsageError,
)
from runner.model.items import WriteResult
from runner.model.terms import Entity
from runner.testing.clock import FakeClock
from tests.support.crm import PLAN, World, create, keys, specimen, update
from tests.support.deaf_proxy import DeafProxy
from tests.support.postgres import Postgres

WAIT_SECONDS = 20


def _aside(work: Callable[[], list[WriteResult]]) -> tuple[threading.Thread, list[WriteResult]]:
    """Work in another thread; its results appear in the list."""
    results: list[WriteResult] = []
    thread = threading.Thread(target=lambda: results.extend(work()))
    thread.start()
    return thread, results


def _until_waiting(world: World) -> None:
    """Until a backend waits for a lock."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not world.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
        assert time.monotonic() < deadline, "nobody waits for a lock"
        time.sleep(0.01)


@pytest.fixture
def patient(pg: World) -> World:
    """A connector that waits for locks longer than these tests take."""
    pg.crm = connect(PLAN, pg.url, clock=pg.clock)
    pg.connectors.append(pg.crm)
    return pg


# -- locks, deadlocks, serialization (fault C12): nothing was written, the next pass tries again -----------------------


def test_a_locked_database_is_transient_and_a_retry_succeeds(lite: World) -> None:
    made = lite.made("a")
    with closing(sqlite3.connect(lite.users.url.database or "", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        results = lite.create(update(made, subject="ours"), create("b"))
        assert [type(result.error) for result in results] == [Transient, Transient]
        other.execute("ROLLBACK")
    assert [result.error for result in lite.create(update(made, subject="ours"), create("b"))] == [None, None]


def test_a_reader_in_the_way_of_the_commit_is_transient_and_nothing_is_written(lite: World) -> None:
    """SQLite cannot commit while somebody reads; the lock shows at COMMIT, with the server's own word for it."""
    with closing(sqlite3.connect(lite.users.url.database or "", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM appointment").fetchone()
        (result,) = lite.create(create("a"))
        assert type(result.error) is Transient
        reader.execute("ROLLBACK")
    assert lite.sql("SELECT * FROM appointment") == []
    assert not lite.made("a").adopted


def test_a_row_locked_too_long_is_transient_for_the_whole_group(pg: World) -> None:
    made = pg.made("a")
    with pg.users.begin() as other:
        other.execute(sa.text("UPDATE appointment SET subject = 'theirs'"))
        results = pg.create(create("b"), update(made, subject="ours"))
        other.rollback()
    assert [type(result.error) for result in results] == [Transient, Transient]
    assert len(pg.sql("SELECT * FROM appointment")) == 1


@contextmanager
def _set_for_new_sessions(world: World, setting: str, value: str) -> Iterator[None]:
    world.sql(f"ALTER DATABASE crm SET {setting} = '{value}'")
    try:
        yield
    finally:
        world.sql(f"ALTER DATABASE crm RESET {setting}")


def test_a_real_deadlock_is_transient_for_the_whole_group(patient: World) -> None:
    # PostgreSQL looks for a deadlock once in each wait: the other side must wait, too, by then, however slow this machine.
    with _set_for_new_sessions(patient, "deadlock_timeout", "4s"):
        first, second = patient.made("a"), patient.made("b")
        with patient.users.connect() as other:
            # so that the database ends our transaction, not this one
            other.execute(sa.text("SET deadlock_timeout = '60s'"))
            theirs = sa.text("UPDATE appointment SET subject = 'theirs' WHERE id = :id")
            other.execute(theirs, {"id": int(second.key or 0)})
            thread, results = _aside(
                lambda: patient.create(update(first, subject="ours"), update(second, place="ours"), create("c"))
            )
            _until_waiting(patient)
            other.execute(theirs, {"id": int(first.key or 0)})
            other.commit()
            thread.join(WAIT_SECONDS)
    assert [(type(result.error), result.error and result.error.code) for result in results] == [
        (Transient, "40P01")
    ] * 3
    assert patient.sql("SELECT subject FROM appointment") == [("theirs",), ("theirs",)]
    assert patient.sql("SELECT count(*) FROM exsync_keys") == [(2,)]


def test_a_serialization_failure_is_transient(patient: World) -> None:
    with _set_for_new_sessions(patient, "default_transaction_isolation", "repeatable read"):
        made = patient.made("a")
        with patient.users.connect() as other:
            other.execute(sa.text("UPDATE appointment SET subject = 'theirs'"))
            thread, results = _aside(lambda: patient.create(update(made, subject="ours")))
            _until_waiting(patient)
            other.commit()
            thread.join(WAIT_SECONDS)
    assert [(type(result.error), result.error and result.error.code) for result in results] == [(Transient, "40001")]


def test_two_runners_with_the_same_create_at_once_make_one_record(patient: World) -> None:
    """Fault L6, on the side that has a unique constraint: the second one waits, then adopts."""
    second = connect(PLAN, patient.url, clock=patient.clock)
    patient.connectors.append(second)
    with patient.users.connect() as gate:
        gate.execute(sa.text("LOCK TABLE exsync_keys IN SHARE MODE"))  # both insert their record, neither its key
        writes = [create(f"t{n}", f"uid-{n}") for n in range(5)]
        one, ones = _aside(lambda: list(patient.crm.write(patient.link(), writes)))
        two, twos = _aside(lambda: list(second.write(patient.link(), writes)))
        _until_waiting(patient)
        gate.commit()
        one.join(WAIT_SECONDS)
        two.join(WAIT_SECONDS)
    assert keys(ones) == keys(twos)
    assert [mine.adopted != theirs.adopted for mine, theirs in zip(ones, twos, strict=True)] == [True] * 5
    assert patient.sql("SELECT count(*) FROM appointment") == [(5,)]


# -- the connection is lost --------------------------------------------------------------------------------------------


def _kill_at(world: World, name: str) -> list[int]:
    """Terminate the connector's backend once, when its engine reaches an event. Returns the list of those killed."""
    killed: list[int] = []

    def kill(connection: sa.Connection, *others: Any) -> None:
        if killed or (others and "INSERT INTO exsync_keys" not in str(others[1])):
            return
        raw: Any = connection.connection.dbapi_connection
        killed.append(raw.info.backend_pid)
        world.sql("SELECT pg_terminate_backend(:pid, 5000)", pid=killed[0])

    event.listen(world.crm._engine, name, kill)
    return killed


def test_a_connection_lost_before_the_commit_was_sent_is_transient(pg: World) -> None:
    made = pg.made("a")
    killed = _kill_at(pg, "before_cursor_execute")
    results = pg.create(update(made, subject="ours"), create("b"))
    assert len(killed) == 1
    assert [type(result.error) for result in results] == [Transient, Transient]
    assert pg.sql("SELECT subject FROM appointment") == [("Review",)]
    assert [result.error for result in pg.create(update(made, subject="ours"), create("b"))] == [None, None]


def test_a_connection_lost_at_the_commit_leaves_the_outcome_of_every_write_unknown(pg: World) -> None:
    made = pg.made("a")
    killed = _kill_at(pg, "commit")
    results = pg.create(update(made, subject="ours"), create("b"), create("c"))
    assert len(killed) == 1
    assert [type(result.error) for result in results] == [OutcomeUnknown] * 3
    # this time it had not happened: the same writes go through
    again = pg.create(update(made, subject="ours"), create("b"), create("c"))
    assert [(result.error, result.adopted) for result in again] == [(None, False)] * 3


def test_a_commit_whose_answer_is_lost_is_unknown_and_the_retry_adopts_it(pg: World, postgres: Postgres) -> None:
    with DeafProxy(postgres.port) as proxy:
        crm = pg.connector(url=pg.url.replace(str(postgres.port), str(proxy.port)))
        writes = [create("a", "uid-a"), create("b")]
        assert next(crm.listing(pg.link())).complete
        proxy.lose_answer_to(b"COMMIT\x00")
        results = list(crm.write(pg.link(), writes))
        assert proxy.lost == 1
        assert [type(result.error) for result in results] == [OutcomeUnknown] * 2
        again = list(crm.write(pg.link(), writes))
        assert [(result.error, result.adopted) for result in again] == [(None, True)] * 2
        crm.close()
    assert pg.sql("SELECT count(*) FROM appointment") == [(2,)]


def test_a_commit_that_the_database_refuses_sets_only_the_culprit_aside(pg: World) -> None:
    """A deferred constraint speaks up at COMMIT, for a whole group; then each write gets its own transaction."""
    pg.sql("ALTER TABLE specimen ADD UNIQUE (words) DEFERRABLE INITIALLY DEFERRED")
    link = pg.link(entity=Entity.TASK)
    results = pg.create(*(specimen(f"t{n}", words=word) for n, word in enumerate("xyxz")), link=link)
    assert [result.error and result.error.code for result in results] == [None, None, "constraint", None]
    assert pg.sql("SELECT words FROM specimen ORDER BY code") == [("x",), ("y",), ("z",)]


def test_what_a_stopped_consumer_has_not_seen_was_not_written(pg: World) -> None:
    """A6: one by one, each write waits until its result is asked for; an unseen one would never reach the ledger."""
    pg.sql("ALTER TABLE specimen ADD UNIQUE (words) DEFERRABLE INITIALLY DEFERRED")
    link = pg.link(entity=Entity.TASK)
    results = pg.crm.write(link, [specimen(f"t{n}", words=word) for n, word in enumerate("xxz")])
    assert next(results).error is None
    assert pg.sql("SELECT words FROM specimen") == [("x",)]
    results.close()  # type: ignore[attr-defined]
    assert pg.sql("SELECT words FROM specimen") == [("x",)]


# -- nobody there, not let in ------------------------------------------------------------------------------------------


def _refusal(url: str) -> ConnectorError:
    crm = connect(PLAN, url, clock=FakeClock())
    with closing(crm), pytest.raises(ConnectorError) as caught:
        crm.check()
    return caught.value


def test_a_missing_sqlite_file_is_unreachable_and_not_made(tmp_path: Path) -> None:
    error = _refusal(f"sqlite:///{tmp_path}/none.sqlite")
    assert type(error) is Unreachable
    assert "none.sqlite" in str(error)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_unreachable(tmp_path: Path) -> None:
    (tmp_path / "crm.sqlite").write_text("not a database, though long enough to be looked at" * 50)
    assert type(_refusal(f"sqlite:///{tmp_path}/crm.sqlite")) is Unreachable


def test_a_database_that_may_only_be_read_denies_writes(lite: World) -> None:
    crm = lite.connector(url=f"sqlite:///file:{lite.users.url.database}?mode=ro&uri=true")
    crm.check()
    with pytest.raises(AccessDenied):
        list(crm.write(lite.link(), [create("a")]))


def test_a_closed_port_is_unreachable_and_the_password_is_not_shown() -> None:
    error = _refusal("postgresql://crm:s3cret-canary@127.0.0.1:1/crm")
    assert type(error) is Unreachable
    assert error.exit_code == 69
    assert "canary" not in f"{error} {error.remedy} {error!r}"


def test_an_unknown_database_is_unreachable(postgres: Postgres) -> None:
    assert type(_refusal(postgres.url("nowhere"))) is Unreachable


@pytest.fixture
def account(pg: World) -> Iterator[str]:
    """A role that may log on and nothing else; returns its url."""
    pg.sql("CREATE ROLE reader LOGIN PASSWORD 'right-canary'")
    yield pg.url.replace("test@", "reader:right-canary@")
    pg.sql("DROP OWNED BY reader")
    pg.sql("DROP ROLE reader")


def test_a_wrong_password_is_refused_at_once(account: str) -> None:
    """Exit 77, no retry, so that no account is locked out."""
    error = _refusal(account.replace("right", "wrong"))
    assert type(error) is AuthRefused
    assert error.exit_code == 77
    assert "canary" not in f"{error} {error.remedy} {error!r}"


def test_an_unknown_account_is_refused(postgres: Postgres) -> None:
    assert type(_refusal(postgres.url("crm", "nobody", "x"))) is AuthRefused


def test_rights_are_looked_at_by_check_and_classed_when_they_lack(pg: World, account: str) -> None:
    crm = pg.connector(url=account)
    with pytest.raises(AccessDenied) as caught:
        crm.check()
    assert "grant" in (caught.value.remedy or "")
    pg.sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    crm.check()  # an outbound-only deployment needs no more
    assert next(crm.feed(None)).complete
    with pytest.raises(AccessDenied):
        list(crm.write(pg.link(), [create("a")]))
    pg.sql("GRANT INSERT, UPDATE ON appointment, exsync_keys TO reader")
    assert [result.error for result in crm.write(pg.link(), [create("a")])] == [None]


def test_the_crms_other_accounts_need_no_right_to_read_the_outbox(pg: World, account: str) -> None:
    """The triggers run with the writer's own rights."""
    watermark = next(pg.crm.feed(None)).watermark
    pg.sql("GRANT INSERT, SELECT ON appointment TO reader")
    with psycopg.connect(account.replace("+psycopg", "")) as connection:
        connection.execute("INSERT INTO appointment (owner_id) VALUES (1)")
    assert sum(len(page.rows) for page in pg.crm.feed(watermark)) == 1


@pytest.mark.parametrize("url", ["", "no url: canary", "mysql://u:canary@h/d", "sqlserver:canary"])
def test_a_url_that_cannot_be_used_is_a_usage_error_that_names_the_place(url: str) -> None:
    with pytest.raises(UsageError, match=r"targets\.d/crm\.yaml:3:1") as caught:
        connect(PLAN, url, clock=FakeClock())
    assert "canary" not in str(caught.value)
    assert caught.value.remedy


def test_the_connector_never_shows_its_password() -> None:
    with closing(connect(PLAN, "postgres://crm:canary@127.0.0.1/crm", clock=FakeClock())) as crm:
        assert "canary" not in repr(crm)
        assert "127.0.0.1" in repr(crm)


# -- the CRM's own will ------------------------------------------------------------------------------------------------


def test_a_record_that_a_trigger_of_the_crm_refuses_is_invalid(world: World) -> None:
    if world.dialect == "sqlite":
        world.sql(
            "CREATE TRIGGER no_x BEFORE INSERT ON appointment WHEN NEW.subject = 'x' BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    else:
        world.sql(
            "CREATE FUNCTION no_x() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN IF NEW.subject = 'x' THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW; END $$"
        )
        world.sql("CREATE TRIGGER no_x BEFORE INSERT ON appointment FOR EACH ROW EXECUTE FUNCTION no_x()")
    results = world.create(create("a"), create("b", subject="x"), create("c"))
    assert [type(result.error) for result in results] == [type(None), Invalid, type(None)]


@pytest.mark.parametrize("state", ["P0002", "P0004", "21000", "27000", "45000", "U0001", "54000"])
def test_whatever_a_trigger_answers_concerns_its_record_alone(pg: World, state: str) -> None:
    """B-23: one bad item never blocks a folder. 54000 is also what a text too long for an index is answered with."""
    pg.sql(
        "CREATE FUNCTION no_x() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.subject = 'x' THEN"
        f" RAISE EXCEPTION 'canary' USING ERRCODE = '{state}'; END IF; RETURN NEW; END $$"
    )
    pg.sql("CREATE TRIGGER no_x BEFORE INSERT ON appointment FOR EACH ROW EXECUTE FUNCTION no_x()")
    results = pg.create(create("a"), create("b", subject="x"), create("c"))
    assert [type(result.error) for result in results] == [type(None), Invalid, type(None)]
    assert "canary" not in str(results[1].error)


def test_the_version_returned_is_the_one_that_the_crms_triggers_left(world: World) -> None:
    """The read-back becomes the base only when its version is the one that the write returned."""
    if world.dialect == "sqlite":
        world.sql(
            "CREATE TRIGGER zz AFTER UPDATE OF subject ON appointment BEGIN"
            " UPDATE appointment SET notes = 'by trigger', row_version = 70 WHERE id = NEW.id; END"
        )
    else:
        world.sql(
            "CREATE FUNCTION zz() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN NEW.notes := 'by trigger'; NEW.row_version := 70; RETURN NEW; END $$"
        )
        world.sql("CREATE TRIGGER zz BEFORE UPDATE OF subject ON appointment FOR EACH ROW EXECUTE FUNCTION zz()")
    made = world.made("a")
    (result,) = world.create(update(made, subject="x"))
    item = world.item(made.key)
    assert (result.version, item.version, item.values["notes"]) == ("70", "70", "by trigger")


def test_a_table_that_vanishes_while_we_run_is_container_gone(world: World) -> None:
    """Never taken for "all deleted": the link stops."""
    world.made("a")
    world.sql("ALTER TABLE appointment RENAME TO appointment_old")
    with pytest.raises(ContainerGone):
        world.crm.get(world.link(), ["1"])
    with pytest.raises(ContainerGone):
        list(world.crm.listing(world.link()))
    with pytest.raises(ContainerGone):
        list(world.crm.write(world.link(), [create("b")]))
