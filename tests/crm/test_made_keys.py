"""Keys that SQLite makes: the number of the row, a default of the column's own, or none at all."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from runner.model.errors import Gone, Invalid
from runner.model.items import Item
from tests.support.crm import ANN, World, create, feed_rows, keys, sqlite_world, update


def with_key(directory: Path, declaration: str, ending: str = "") -> World:
    """A CRM whose appointments have a key that is declared so."""
    world = sqlite_world(directory, prepared=False)
    with closing(sqlite3.connect(directory / "crm.sqlite")) as connection:
        [(text,)] = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'appointment'").fetchall()
        start = text.index("(") + 1
        columns = text[start:].split(",", 1)[1]
        connection.executescript(
            f"PRAGMA foreign_keys = OFF; DROP TABLE appointment; CREATE TABLE appointment ({declaration},{columns}{ending}"
        )
        connection.commit()
    world.crm.apply_ddl()
    return world


@pytest.mark.parametrize(
    ("declaration", "numbered"),
    [
        ("id INTEGER PRIMARY KEY AUTOINCREMENT", True),
        ("id TEXT PRIMARY KEY NOT NULL DEFAULT (lower(hex(randomblob(16))))", False),
        ("id UUID PRIMARY KEY NOT NULL DEFAULT ('_' || lower(hex(randomblob(16))))", False),
        ("id STRING PRIMARY KEY NOT NULL DEFAULT ('1_' || abs(random()))", False),
    ],
)
def test_every_new_record_is_known_by_the_key_that_it_has_got(tmp_path: Path, declaration: str, numbered: bool) -> None:
    """L5: whatever the key is made of, the key table names the row that was made, and no other."""
    world = with_key(tmp_path, declaration)
    made = keys(world.create(*(create(f"stamp {n}", f"native {n}", subject=f"Item {n}") for n in range(3))))
    assert len(set(made)) == 3
    assert {key: world.item(key).values["subject"] for key in made} == {key: f"Item {n}" for n, key in enumerate(made)}
    again = world.create(*(create(f"stamp {n}", f"native {n}") for n in range(3)))
    assert [(result.key, result.adopted) for result in again] == [(key, True) for key in made]
    assert all(key.isdigit() for key in made) is numbered
    world.close()


@pytest.mark.parametrize(
    ("declaration", "ending"),
    [
        ("id BIGINT PRIMARY KEY DEFAULT (abs(random()))", ""),
        ("id INTEGER PRIMARY KEY DEFAULT (abs(random()))", "WITHOUT ROWID"),
    ],
)
def test_a_number_that_is_a_default_is_the_key_though_it_is_not_the_number_of_the_row(
    tmp_path: Path, declaration: str, ending: str
) -> None:
    """L5: a key of the column's own making is asked of the database, one by one."""
    world = with_key(tmp_path, declaration, ending)
    made = keys(world.create(*(create(f"stamp {n}", subject=f"Item {n}") for n in range(3))))
    assert {key: world.item(key).values["subject"] for key in made} == {key: f"Item {n}" for n, key in enumerate(made)}
    world.close()


@pytest.mark.parametrize(
    "declaration", ["id INTEGER PRIMARY KEY", "id TEXT PRIMARY KEY NOT NULL DEFAULT (hex(randomblob(9)))"]
)
@pytest.mark.parametrize("first", [0, 1])
def test_a_row_that_the_crm_passes_over_is_no_record_and_no_other_one(
    tmp_path: Path, declaration: str, first: int
) -> None:
    """L5: ``RAISE(IGNORE)`` and ``ON CONFLICT IGNORE`` say nothing; the last number given out is another row's then, and
    the next one will be."""
    world = with_key(tmp_path, declaration)
    world.sql(
        "CREATE TRIGGER passing BEFORE INSERT ON appointment WHEN NEW.subject = 'Ignored' BEGIN SELECT RAISE(IGNORE); END"
    )
    for n in range(3):
        world.sql("INSERT INTO appointment (subject, owner_id) VALUES (:subject, 1)", subject=f"Ann's {n}")
    subjects = ["Ignored", "Kept"]
    results = world.create(*(create(f"stamp {n}", subject=subjects[n ^ first]) for n in range(2)))
    ignored, kept = results[first], results[1 - first]
    assert isinstance(ignored.error, Invalid)
    assert ignored.key is None
    assert world.item(kept.key).values["subject"] == "Kept"
    assert world.sql("SELECT crm_key FROM exsync_keys") == [(kept.key,)]
    world.close()


@pytest.mark.parametrize(
    ("kind", "key"), [("numeric", "9300000000000000001"), ("numeric(12)", "12"), ("char(12)", "12"), ("char(2)", "12")]
)
def test_a_key_of_any_length_is_one_and_the_same_everywhere(pg: World, kind: str, key: str) -> None:
    """No record is taken for deleted, and no change of one for another's, because its key is long, or filled up."""
    pg.sql("DROP TABLE appointment_occurrence")
    pg.sql("ALTER TABLE appointment ALTER id DROP IDENTITY")
    pg.sql(
        f"ALTER TABLE appointment ALTER id TYPE {kind}, ALTER owner_id TYPE {kind}, DROP CONSTRAINT appointment_owner_id_fkey"
    )
    pg.sql(f"ALTER TABLE crm_user_email DROP CONSTRAINT crm_user_email_user_id_fkey, ALTER user_id TYPE {kind}")
    pg.sql("ALTER TABLE crm_user ALTER id DROP IDENTITY")
    pg.sql(f"ALTER TABLE crm_user ALTER id TYPE {kind}")
    crm = pg.connector()
    crm.check(pg.link())
    assert crm.users(["ann.lee@example.com"])["ann.lee@example.com"].key == ANN
    _, mark = feed_rows(pg, None)
    pg.sql("INSERT INTO appointment (id, subject, owner_id) VALUES (:key, 'Long', 1)", key=key)
    assert feed_rows(pg, mark)[0] == [(key, frozenset({ANN}))]
    assert [ref.key for page in crm.listing(pg.link()) for ref in page.changed] == [key]
    held = crm.get(pg.link(), [key])[key]
    assert isinstance(held, Item)
    (done,) = crm.write(pg.link(), [update(held, subject="Longer")])
    assert done.error is None
    assert pg.sql("SELECT subject FROM appointment") == [("Longer",)]


def test_a_column_that_gets_no_number_makes_no_record(tmp_path: Path) -> None:
    """``INT PRIMARY KEY`` is no number of the row, and SQLite lets NULL into it: such a record could never be found again."""
    world = with_key(tmp_path, "id INT PRIMARY KEY")
    results = world.create(create("stamp 1"), create("stamp 2"))
    assert all(isinstance(result.error, Invalid) for result in results)
    assert world.sql("SELECT count(*) FROM appointment") == [(0,)]
    world.close()


def test_a_row_that_a_trigger_moves_at_once_is_no_other_one(lite: World) -> None:
    """A record that the CRM takes away as it is written is said to be gone; the next one is what it is."""
    lite.sql(
        "CREATE TRIGGER taken AFTER INSERT ON appointment WHEN NEW.subject = 'Taken' BEGIN "
        "DELETE FROM appointment WHERE id = NEW.id; END"
    )
    taken, kept = lite.create(create("stamp 1", subject="Taken"), create("stamp 2", subject="Kept"))
    assert taken.error is not None
    assert "removed as it was written" in str(taken.error)
    held = lite.crm.get(lite.link(), [kept.key or ""])[kept.key or ""]
    assert isinstance(held, Item)
    assert held.values["subject"] == "Kept"


def test_the_key_of_a_record_that_was_taken_at_once_belongs_to_the_next_one(tmp_path: Path) -> None:
    """L5: where SQLite gives a key away again, a user's record under it is not taken for the one that was written."""
    world = with_key(tmp_path, "id INTEGER PRIMARY KEY")
    world.sql(
        "CREATE TRIGGER taken AFTER INSERT ON appointment WHEN NEW.subject = 'Taken' BEGIN "
        "DELETE FROM appointment WHERE id = NEW.id; END"
    )
    (taken,) = world.create(create("stamp 1", "native 1", subject="Taken"))
    world.sql("INSERT INTO appointment (subject, owner_id) VALUES ('Ann''s own', 1)")
    assert world.sql("SELECT id FROM appointment") == [(int(taken.key or ""),)]
    held = world.item(taken.key)
    assert (held.values["subject"], held.stamp, held.native) == ("Ann's own", None, None)
    (again,) = world.create(create("stamp 1", "native 1", subject="Taken"))
    assert isinstance(again.error, Gone)
    world.close()
