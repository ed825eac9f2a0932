"""The change feed: commit order, late commits, owners, pages, pruning; by outbox and by version column."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from runner.model.errors import ContainerGone, WatermarkInvalid
from runner.model.terms import Entity
from tests.support.crm import ANN, BOB, PLAN, World, create, delete, feed_rows, keys, specimen, update, with_entity

NOBODY: frozenset[str] = frozenset()


def _insert(world: World, subject: str = "x", owner: str | None = ANN) -> str:
    owner_id = None if owner is None else int(owner)
    (row,) = world.sql(
        "INSERT INTO appointment (subject, owner_id) VALUES (:s, :o) RETURNING id", s=subject, o=owner_id
    )
    return str(row[0])


def test_the_first_question_is_answered_with_the_watermark_of_now(world: World) -> None:
    _insert(world)
    rows, watermark = feed_rows(world, None)
    assert rows == []
    assert feed_rows(world, watermark)[0] == []
    key = _insert(world)
    assert feed_rows(world, watermark)[0] == [(key, {ANN})]


def test_inserts_updates_and_deletes_appear_in_order_each_record_once(world: World) -> None:
    _, start = feed_rows(world, None)
    first, second = _insert(world), _insert(world, owner=BOB)
    world.sql("UPDATE appointment SET subject = 'y' WHERE id = :id", id=int(first))
    world.sql("DELETE FROM appointment WHERE id = :id", id=int(second))
    rows, watermark = feed_rows(world, start)
    assert rows == [(first, {ANN}), (second, {BOB})]
    assert feed_rows(world, watermark)[0] == []


def test_a_record_that_changes_hands_names_both_owners(world: World) -> None:
    """A link that loses an item hears of it too."""
    key = _insert(world)
    _, watermark = feed_rows(world, None)
    world.sql("UPDATE appointment SET owner_id = 2 WHERE id = :id", id=int(key))
    assert feed_rows(world, watermark)[0] == [(key, {ANN, BOB})]


def test_records_without_owner_do_not_break_the_crms_own_writes(world: World) -> None:
    _, watermark = feed_rows(world, None)
    key = _insert(world, owner=None)
    world.sql("UPDATE appointment SET owner_id = 1")
    world.sql("UPDATE appointment SET owner_id = NULL")
    world.sql("DELETE FROM appointment")
    assert feed_rows(world, watermark)[0] == [(key, {ANN})]


def test_a_changed_key_is_a_change_of_both_keys(world: World) -> None:
    key = _insert(world)
    _, watermark = feed_rows(world, None)
    world.sql("UPDATE appointment SET id = 900 WHERE id = :id", id=int(key))
    assert dict(feed_rows(world, watermark)[0]) == {"900": {ANN}, key: {ANN}}


def test_our_own_writes_are_in_the_feed_with_the_version_they_returned(world: World) -> None:
    """B-12: they are recognised by version, so the version must be that of the row behind the feed."""
    _, watermark = feed_rows(world, None)
    made = world.made("a")
    (updated,) = world.create(update(made, subject="y"))
    assert feed_rows(world, watermark)[0] == [(made.key, {ANN})]
    assert world.item(made.key).version == updated.version
    _, watermark = feed_rows(world, None)
    keys(world.create(delete(updated)))
    assert [key for key, _ in feed_rows(world, watermark)[0]] == [made.key]


def test_every_entity_of_the_plan_is_in_the_one_feed(world: World) -> None:
    _, watermark = feed_rows(world, None)
    key = _insert(world)
    world.create(specimen("code-1"), link=world.link(BOB, entity=Entity.TASK))
    rows = [row for page in world.crm.feed(watermark) for row in page.rows]
    assert [(row.entity, row.key, row.owners) for row in rows] == [
        (Entity.SCHEDULE_ITEM, key, {ANN}),
        (Entity.TASK, "code-1", {BOB}),
    ]


def test_changes_that_are_rolled_back_are_never_seen(world: World) -> None:
    _, watermark = feed_rows(world, None)
    with world.users.connect() as connection:
        connection.execute(sa.text("INSERT INTO appointment (subject, owner_id) VALUES ('x', 1)"))
        connection.rollback()
    assert feed_rows(world, watermark)[0] == []


def test_a_long_feed_comes_in_pages_and_goes_on_from_any_of_them(world: World) -> None:
    _, start = feed_rows(world, None)
    made = [key for n in range(0, 2300, 100) for key in keys(world.create(*(create(f"t{n + i}") for i in range(100))))]
    pages = list(world.crm.feed(start))
    assert [len(page.rows) for page in pages][:3] == [1000, 1000, 300]
    assert [row.key for page in pages for row in page.rows] == made
    later = _insert(world)
    assert [key for key, _ in feed_rows(world, pages[0].watermark)[0]] == [*made[1000:], later]
    assert [key for key, _ in feed_rows(world, pages[1].watermark)[0]] == [*made[2000:], later]
    assert feed_rows(world, pages[-1].watermark)[0] == [(later, {ANN})]


@pytest.mark.parametrize("watermark", ["", "x", "sqlite:0:5", "postgresql:0:5:5:", "version_column:{}", "7/8/9"])
def test_a_foreign_watermark_is_refused(world: World, watermark: str) -> None:
    with pytest.raises(WatermarkInvalid):
        list(world.crm.feed(watermark))


def test_a_watermark_from_the_databases_future_is_refused(world: World) -> None:
    """The CRM was restored from a backup: what was read since is not what is there now."""
    _, watermark = feed_rows(world, None)
    head, _, position = watermark.partition(":")
    epoch = position.split(":")[0]
    beyond = ("999999", "9" * 30) if world.dialect == "sqlite" else ("999999999:999999999:",)
    for ahead in beyond:  # no number is too large for the question
        with pytest.raises(WatermarkInvalid, match="older"):
            list(world.crm.feed(f"{head}:{epoch}:{ahead}"))


def test_an_outbox_made_anew_takes_no_old_watermark(world: World) -> None:
    _insert(world)
    _, watermark = feed_rows(world, None)
    world.sql("DROP TABLE exsync_outbox")
    world.crm.apply_ddl()
    with pytest.raises(WatermarkInvalid, match="another database"):
        list(world.crm.feed(watermark))


def test_a_lost_mark_row_names_the_remedy(world: World) -> None:
    world.sql("DELETE FROM exsync_outbox")
    with pytest.raises(ContainerGone, match="mark") as caught:
        list(world.crm.feed(None))
    assert "target ddl" in (caught.value.remedy or "")


# -- late commits (fault B7) -------------------------------------------------------------------------------------------


def test_a_transaction_that_commits_after_a_younger_one_is_seen(pg: World) -> None:
    """Fault B7. Its outbox row has a lower id than rows that were read before: a cursor by id would pass over it."""
    _, start = feed_rows(pg, None)
    with pg.users.connect() as slow:
        late = str(slow.execute(sa.text("INSERT INTO appointment (owner_id) VALUES (1) RETURNING id")).scalar_one())
        early = _insert(pg)
        rows, watermark = feed_rows(pg, start)
        assert rows == [(early, {ANN})]
        slow.commit()
    rows, watermark = feed_rows(pg, watermark)
    assert rows == [(late, {ANN})]
    assert feed_rows(pg, watermark)[0] == []


def test_several_open_transactions_that_commit_in_any_order_are_each_seen_once(pg: World) -> None:
    _, watermark = feed_rows(pg, None)
    seen: list[str] = []
    open_ones = [pg.users.connect() for _ in range(4)]
    wanted = [
        str(connection.execute(sa.text("INSERT INTO appointment (owner_id) VALUES (1) RETURNING id")).scalar_one())
        for connection in open_ones
    ]
    for index in (2, 0, 3, 1):
        open_ones[index].commit()
        open_ones[index].close()
        rows, watermark = feed_rows(pg, watermark)
        seen += [key for key, _ in rows]
    assert seen == [wanted[index] for index in (2, 0, 3, 1)]


def test_a_change_in_a_savepoint_belongs_to_its_transaction(pg: World) -> None:
    _, watermark = feed_rows(pg, None)
    with pg.users.connect() as slow:
        slow.execute(sa.text("SAVEPOINT a"))
        key = str(slow.execute(sa.text("INSERT INTO appointment (owner_id) VALUES (1) RETURNING id")).scalar_one())
        slow.execute(sa.text("RELEASE SAVEPOINT a"))
        _insert(pg)
        _, watermark = feed_rows(pg, watermark)
        slow.commit()
    assert feed_rows(pg, watermark)[0] == [(key, {ANN})]


def test_a_page_in_the_middle_of_a_window_does_not_lose_a_late_commit(pg: World) -> None:
    _, start = feed_rows(pg, None)
    with pg.users.connect() as slow:
        late = str(slow.execute(sa.text("INSERT INTO appointment (owner_id) VALUES (1) RETURNING id")).scalar_one())
        pg.sql("INSERT INTO appointment (owner_id) SELECT 1 FROM generate_series(1, 1500)")
        pages = pg.crm.feed(start)
        first = next(pages)
        assert (len(first.rows), first.complete) == (1000, False)
        slow.commit()
    rest = [key for key, _ in feed_rows(pg, first.watermark)[0]]
    assert len(rest) == 501
    assert rest[-1] == late


# -- pruning -----------------------------------------------------------------------------------------------------------


def test_pruning_forgets_only_old_rows_behind_the_consumed_watermark(world: World) -> None:
    _, start = feed_rows(world, None)
    _insert(world)
    _, consumed = feed_rows(world, start)
    fresh = _insert(world)
    (now,) = world.sql("SELECT CAST(CURRENT_TIMESTAMP AS text)")
    tomorrow = world.clock.now().replace(year=int(now[0][:4]) + 1)
    assert world.crm.prune(world.clock.now() - timedelta(days=9999), consumed=consumed) == 0
    assert world.crm.prune(tomorrow, consumed=consumed) == 1
    assert feed_rows(world, consumed)[0] == [(fresh, {ANN})]
    with pytest.raises(WatermarkInvalid, match="pruned"):
        list(world.crm.feed(start))


def test_a_late_commit_is_not_pruned_before_it_was_read(pg: World) -> None:
    _, start = feed_rows(pg, None)
    with pg.users.connect() as slow:
        late = str(slow.execute(sa.text("INSERT INTO appointment (owner_id) VALUES (1) RETURNING id")).scalar_one())
        _insert(pg)
        _, consumed = feed_rows(pg, start)
        slow.commit()
    assert pg.crm.prune(pg.clock.now().replace(year=2100), consumed=consumed) == 1
    assert feed_rows(pg, consumed)[0] == [(late, {ANN})]


def test_a_day_worth_of_rows_gathers_before_any_is_forgotten(world: World) -> None:
    """After every run somebody asks: without old rows that must not touch the outbox."""
    _, start = feed_rows(world, None)
    _insert(world)
    _, consumed = feed_rows(world, start)
    soon, later = (datetime.now(UTC) + timedelta(hours=hours) for hours in (23, 25))
    assert world.crm.prune(soon, consumed=consumed) == 0
    assert world.crm.prune(later, consumed=consumed) == 1


# -- by version column -------------------------------------------------------------------------------------------------


def _by_column(world: World, zone: str = "Etc/UTC") -> World:
    plan = replace(with_entity(PLAN), feed="version_column", feed_overlap=timedelta(minutes=5), time_zone=zone)
    return World(world.url, plan, world.clock)


def test_by_version_column_changes_appear_and_the_overlap_is_read_again(world: World) -> None:
    other = _by_column(world)
    old, new = _insert(world), _insert(world)
    world.sql("UPDATE appointment SET changed_at = '2026-03-02 08:00:00' WHERE id = :id", id=int(old))
    world.sql("UPDATE appointment SET changed_at = '2026-03-02 09:00:00' WHERE id = :id", id=int(new))
    rows, watermark = feed_rows(other, None)
    assert rows == []
    assert feed_rows(other, watermark)[0] == [(new, {ANN})]
    # a transaction that began before the watermark and committed after it, within the overlap
    late = _insert(world)
    world.sql("UPDATE appointment SET changed_at = '2026-03-02 08:56:00' WHERE id = :id", id=int(late))
    world.sql(
        "UPDATE appointment SET changed_at = '2026-03-02 09:10:00', deleted = :y WHERE id = :id", id=int(old), y=True
    )
    rows, watermark = feed_rows(other, watermark)
    assert [key for key, _ in rows] == [late, new, old]
    assert [key for key, _ in feed_rows(other, watermark)[0]] == [old]
    other.close()


def test_by_version_column_nothing_is_missed_when_the_clock_is_set_back(world: World) -> None:
    """A CRM that notes its own local time shows the hour from two to three twice: what changes in the second one seems older
    than what was read in the first."""
    if world.dialect == "postgresql":
        world.sql("ALTER TABLE appointment ALTER changed_at TYPE timestamp")
    other = _by_column(world, "Europe/Vienna")
    one, two, three = _insert(world), _insert(world), _insert(world)
    moved = "UPDATE appointment SET changed_at = :at WHERE id = :id"
    world.sql(moved, at="2026-10-25 01:50:00", id=int(one))
    world.sql(moved, at="2026-10-25 02:01:00", id=int(two))
    world.sql(moved, at="2026-10-25 02:50:00", id=int(three))
    _, watermark = feed_rows(other, None)
    world.sql(moved, at="2026-10-25 02:02:00", id=int(one))  # an hour and twelve minutes after 01:50
    rows, watermark = feed_rows(other, watermark)
    assert one in [key for key, _ in rows]
    world.sql(moved, at="2026-10-25 03:01:00", id=int(two))
    rows, watermark = feed_rows(other, watermark)
    assert two in [key for key, _ in rows]
    assert feed_rows(other, watermark)[0] == [(two, {ANN})]
    other.close()


def test_by_version_column_a_long_feed_comes_in_pages(world: World) -> None:
    other = _by_column(world)
    _, start = feed_rows(other, None)
    made = keys(list(other.crm.write(other.link(), [create(f"t{n}") for n in range(1100)])))
    pages = list(other.crm.feed(start))
    assert [len(page.rows) for page in pages] == [1000, 100]
    assert [row.key for page in pages for row in page.rows] == made
    assert other.crm.prune(other.clock.now(), consumed=start) == 0
    other.close()


def test_by_version_column_a_foreign_watermark_is_refused(world: World) -> None:
    other = _by_column(world)
    for watermark in ("", "sqlite:1:2", "version_column:[]", 'version_column:{"schedule_item": "soon"}'):
        with pytest.raises(WatermarkInvalid):
            list(other.crm.feed(watermark))
    other.close()


def test_a_counting_version_column_serves_as_feed(lite: World) -> None:
    """A row version counted over the whole table, as some CRMs keep it."""
    plan = replace(with_entity(PLAN, modified=None), feed="version_column")
    other = World(lite.url, plan, lite.clock)
    key = _insert(lite)
    lite.sql("UPDATE appointment SET row_version = 5000")
    _, watermark = feed_rows(other, None)
    newer = _insert(lite)
    lite.sql("UPDATE appointment SET row_version = 7001 WHERE id = :id", id=int(newer))
    rows, watermark = feed_rows(other, watermark)
    assert [row[0] for row in rows] == [key, newer]
    assert [row[0] for row in feed_rows(other, watermark)[0]] == [newer]
    other.close()
