"""The CRM's table of attached files, on each database (B-45)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from runner.config.plan import CrmAttachments
from runner.model.errors import ContainerGone, Gone, Invalid, VersionMoved
from runner.model.files import ATTACHMENTS, FileRules, file_key, why_over
from runner.model.items import LinkRef, Write, WriteResult
from runner.model.record import Value
from runner.model.terms import Entity, Operation
from tests.support.crm import ANN, APPOINTMENT, MEETING, PLAN, World, delete, feed_rows, update

TABLE = CrmAttachments("attached_file", "appointment_id", "file_name", "content", "id", {"source": "us"})
ITEM = replace(APPOINTMENT, attachments=TABLE, soft_delete=None)
RULES = FileRules(one=10, total=15, blocked=frozenset({"exe"}))


@pytest.fixture
def desk(world: World) -> Iterator[World]:
    """Appointments with files; deletes are hard, and the files' rows refer to their appointment."""
    lite = world.dialect == "sqlite"
    integer, content = ("INTEGER", "BLOB") if lite else ("bigint", "bytea")
    world.sql(
        f"CREATE TABLE attached_file (id {'TEXT' if lite else 'uuid'} PRIMARY KEY, appointment_id {integer}"
        f" REFERENCES appointment (id), file_name VARCHAR(220), content {content}, source VARCHAR(10) NOT NULL)"
    )
    made = World(world.url, replace(PLAN, entities={Entity.SCHEDULE_ITEM: ITEM}), world.clock)
    made.crm.apply_ddl()
    made.crm.check()
    yield made
    made.close()


def _link(world: World, rules: FileRules | None = RULES) -> LinkRef:
    return replace(world.link(ANN, fields=[*ITEM.fields, ATTACHMENTS]), files=rules)


def _value(files: Mapping[str, bytes]) -> dict[str, Value]:
    return {_key(name, content): str(len(content)) for name, content in files.items()}


def _key(name: str, content: bytes) -> str:
    return file_key(name, hashlib.sha256(content).hexdigest())


class Source:
    """The other side's files; counts what is asked for."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = {_key(name, content): content for name, content in files.items()}
        self.asked: list[str] = []

    def __call__(self, key: str) -> bytes:
        self.asked.append(key)
        return self.files[key]


def _make(world: World, files: Mapping[str, bytes]) -> WriteResult:
    values = {**MEETING, ATTACHMENTS: _value(files) or None}
    write = Write(Operation.CREATE, None, None, values, frozenset(values), "token-1", contents=Source(files))
    (result,) = world.crm.write(_link(world), [write])
    assert result.error is None
    return result


def _rows(world: World) -> list[tuple[str, bytes, str]]:
    found = world.sql("SELECT file_name, content, source FROM attached_file ORDER BY file_name")
    return [(name, bytes(content), source) for name, content, source in found]


def _insert(world: World, key: str | None, name: str, content: bytes) -> None:
    identifier = f"00000000-0000-0000-0000-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
    world.sql(
        "INSERT INTO attached_file VALUES (:i, :k, :n, :c, 'crm')", i=identifier, k=int(key or 0), n=name, c=content
    )


def test_files_are_written_with_their_record_and_read_back_by_name_and_content(desk: World) -> None:
    made = _make(desk, {"a.txt": b"aa", "b.bin": b"\x00\xff"})
    assert _rows(desk) == [("a.txt", b"aa", "us"), ("b.bin", b"\x00\xff", "us")]
    assert made.item is not None
    assert made.item.values[ATTACHMENTS] == _value({"a.txt": b"aa", "b.bin": b"\x00\xff"})
    link = _link(desk)
    assert desk.crm.content(link, made.key or "", _key("b.bin", b"\x00\xff")) == b"\x00\xff"
    with pytest.raises(Gone):
        desk.crm.content(link, made.key or "", _key("b.bin", b"other"))


def test_only_what_is_lacking_is_asked_for_and_only_what_differs_is_written(desk: World) -> None:
    made = _make(desk, {"a.txt": b"aa", "b.txt": b"bb"})
    before = desk.sql("SELECT id FROM attached_file WHERE file_name = 'a.txt'")
    source = Source({"c.txt": b"cc"})
    wanted = _value({"a.txt": b"aa", "c.txt": b"cc"})
    write = replace(update(made, **{ATTACHMENTS: wanted}), contents=source)
    (result,) = desk.crm.write(_link(desk), [write])
    assert result.error is None
    assert source.asked == [_key("c.txt", b"cc")]
    assert [name for name, _, _ in _rows(desk)] == ["a.txt", "c.txt"]
    assert desk.sql("SELECT id FROM attached_file WHERE file_name = 'a.txt'") == before
    assert result.version != made.version


def test_content_that_changed_on_its_way_is_not_written(desk: World) -> None:
    """B-64: the item is read again, its neighbours go on."""
    made = _make(desk, {})
    lost, other = Source({}), Source({})
    other.files[_key("b.txt", b"bb")] = b"something else"
    wanted = [_value({"a.txt": b"aa"}), _value({"b.txt": b"bb"})]
    writes = [
        replace(update(made, **{ATTACHMENTS: value}), contents=contents)
        for value, contents in zip(wanted, (lost, other), strict=True)
    ]
    results = list(desk.crm.write(_link(desk), [*writes, update(made, subject="Later")]))
    assert [type(result.error) for result in results] == [VersionMoved, VersionMoved, type(None)]
    assert _rows(desk) == []


def test_a_files_row_moves_its_records_version_on(desk: World) -> None:
    """B-10: whoever writes it; so the record is in the feed."""
    made = _make(desk, {"a.txt": b"aa"})
    _, since = feed_rows(desk, None)
    _insert(desk, made.key, "b.txt", b"b")
    assert desk.item(made.key, _link(desk)).version != made.version
    rows, _ = feed_rows(desk, since)
    assert made.key in [key for key, _ in rows]


def test_names_are_cleaned_when_read_and_blocked_kinds_are_neither_seen_nor_removed(desk: World) -> None:
    made = _make(desk, {})
    for name, content in (("../../x.exe", b"MZ"), ("..\\plan.txt", b"p"), ("empty", b"")):
        _insert(desk, made.key, name, content)
    held = desk.item(made.key, _link(desk))
    assert held.values[ATTACHMENTS] == _value({"plan.txt": b"p", "empty": b""})
    assert desk.crm.content(_link(desk), made.key or "", _key("plan.txt", b"p")) == b"p"
    (result,) = desk.crm.write(_link(desk), [update(held, **{ATTACHMENTS: None})])
    assert result.error is None
    assert [name for name, _, _ in _rows(desk)] == ["../../x.exe"]


def test_over_a_limit_the_record_says_so_and_a_write_of_it_changes_nothing(desk: World) -> None:
    made = _make(desk, {"a.txt": b"aa"})
    _insert(desk, made.key, "big.txt", b"b" * 11)
    held = desk.item(made.key, _link(desk))
    assert "attachment of 11 bytes" in (why_over(held.values[ATTACHMENTS]) or "")
    (result,) = desk.crm.write(_link(desk), [update(held, **{ATTACHMENTS: held.values[ATTACHMENTS]})])
    assert result.error is None
    assert [name for name, _, _ in _rows(desk)] == ["a.txt", "big.txt"]


def test_a_link_that_leaves_attachments_alone_reads_and_writes_none(desk: World) -> None:
    made = _make(desk, {"a.txt": b"aa"})
    link = _link(desk, None)
    assert ATTACHMENTS not in desk.item(made.key, link).values
    with pytest.raises(Gone):
        desk.crm.content(link, made.key or "", _key("a.txt", b"aa"))


def test_a_deleted_record_takes_its_files_along(desk: World) -> None:
    made = _make(desk, {"a.txt": b"aa"})
    (result,) = desk.crm.write(_link(desk), [delete(made)])
    assert result.error is None
    assert _rows(desk) == []
    assert desk.sql("SELECT count(*) FROM appointment") == [(0,)]


def test_a_name_that_its_column_cannot_hold_sets_its_item_aside(desk: World) -> None:
    """B-23: on PostgreSQL a column's length binds."""
    desk.sql("DROP TABLE attached_file") if desk.dialect == "sqlite" else desk.sql(
        "ALTER TABLE attached_file ALTER COLUMN file_name TYPE varchar(5)"
    )
    if desk.dialect == "sqlite":
        desk.sql(
            "CREATE TABLE attached_file (id TEXT PRIMARY KEY, appointment_id INTEGER, file_name TEXT"
            " CHECK (length(file_name) <= 5), content BLOB, source TEXT NOT NULL)"
        )
        desk.crm.apply_ddl()
    values = {**MEETING, ATTACHMENTS: _value({"longer.txt": b"a"})}
    write = Write(Operation.CREATE, None, None, values, frozenset(values), "t", contents=Source({"longer.txt": b"a"}))
    (result,) = desk.crm.write(_link(desk), [write])
    assert isinstance(result.error, Invalid)
    assert desk.sql("SELECT count(*) FROM appointment") == [(0,)]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"content": "file_name"}, "must hold bytes"),
        ({"name": "nmae"}, "no column 'nmae'"),
        ({"table": "attached_fiel"}, "did you mean 'attached_file'?"),
        ({"item": "file_name"}, "the key of 'appointment' is"),
    ],
)
def test_a_table_that_cannot_hold_files_is_refused(desk: World, changes: dict[str, str], found: str) -> None:
    plan = replace(PLAN, entities={Entity.SCHEDULE_ITEM: replace(ITEM, attachments=replace(TABLE, **changes))})
    with pytest.raises(ContainerGone, match="is not what its description says") as refused:
        desk.connector(plan).check()
    assert found in str(refused.value)


def test_without_its_triggers_the_table_is_not_complete(desk: World) -> None:
    on = "" if desk.dialect == "sqlite" else " ON attached_file"
    desk.sql(f"DROP TRIGGER exsync_file_schedule_item_update{on}")
    with pytest.raises(ContainerGone, match="exsync_file_schedule_item_update on attached_file") as refused:
        desk.crm.check()
    assert refused.value.code == "ddl-missing"
