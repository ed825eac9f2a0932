"""What every CRM connector must do, alike on SQLite and PostgreSQL: reads, conditional writes, exactly-once creates."""

from __future__ import annotations

import pytest

from runner.config.plan import CrmField
from runner.model.errors import Gone, Invalid, UsageError, VersionMoved
from runner.model.items import Found, Identity, Item, Write
from runner.model.record import FieldType
from runner.model.terms import Entity, Operation, Place
from tests.support.crm import ANN, BOB, MEETING, World, create, delete, keys, specimen, update, with_entity

# -- reads -------------------------------------------------------------------------------------------------------------


def test_a_created_record_is_read_back_with_its_values_version_and_identities(world: World) -> None:
    result = world.made("token-1", "uid-1")
    item = world.item(result.key)
    assert item.values == MEETING
    assert (item.version, item.stamp, item.native) == (result.version, "token-1", "uid-1")
    assert item.modified == world.clock.now()


def test_a_record_made_in_the_crm_has_neither_stamp_nor_native_identity(world: World) -> None:
    (row,) = world.sql("INSERT INTO appointment (subject, owner_id) VALUES ('By hand', 1) RETURNING id")
    item = world.item(str(row[0]), world.link(fields=["subject"]))
    assert (item.values, item.stamp, item.native) == ({"subject": "By hand"}, None, None)


def test_only_the_fields_of_the_link_are_read(world: World) -> None:
    key = world.made("token-1").key
    world.sql("ALTER TABLE appointment DROP COLUMN notes")
    assert world.item(key, world.link(fields=["subject", "place"])).values == {"subject": "Review", "place": "Room 4"}


def test_deleted_unknown_and_impossible_keys_are_gone_while_others_are_read(world: World) -> None:
    live, dead = keys(world.create(create("a"), create("b")))
    world.sql("UPDATE appointment SET deleted = :yes WHERE id = :id", id=int(dead), yes=True)
    found = world.crm.get(world.link(), [live, dead, "4711", "no number", str(2**70)])
    assert isinstance(found[live], Item)
    assert all(isinstance(found[key], Gone) for key in (dead, "4711", "no number", str(2**70)))
    assert list(found) == [live, dead, "4711", "no number", str(2**70)]


def test_more_keys_than_one_statement_takes_are_all_answered(world: World) -> None:
    made = keys(world.create(*(create(f"t{n}") for n in range(620))))
    assert [item.key for item in world.crm.get(world.link(), made).values() if isinstance(item, Item)] == made


def test_the_listing_holds_the_owners_live_records_in_key_order_page_by_page(world: World) -> None:
    made = keys(world.create(*(create(f"t{n}") for n in range(1003))))
    keys(world.create(create("bobs"), link=world.link(BOB)))
    world.sql("UPDATE appointment SET deleted = :yes WHERE id = :id", id=int(made[1]), yes=True)
    pages = list(world.crm.listing(world.link()))
    assert [len(page.changed) for page in pages] == [500, 500, 2]
    assert [page.complete for page in pages] == [False, False, True]
    assert [ref.key for page in pages for ref in page.changed] == [made[0], *made[2:]]
    assert {ref.version for page in pages for ref in page.changed} == {"1"}


def test_an_empty_listing_is_one_complete_page(world: World) -> None:
    (page,) = world.crm.listing(world.link())
    assert (page.changed, page.deleted, page.complete) == ((), (), True)


def test_a_listing_of_exactly_one_page_ends_there(world: World) -> None:
    keys(world.create(*(create(f"t{n}") for n in range(500))))
    assert [len(page.changed) for page in world.crm.listing(world.link())] == [500]


def test_a_link_without_a_crm_user_says_so(world: World) -> None:
    with pytest.raises(UsageError, match="is no CRM user"):
        list(world.crm.listing(world.link(owner=None)))
    with pytest.raises(UsageError, match="is no CRM user"):
        list(world.crm.write(world.link(owner=None), [create("a")]))


def test_users_are_found_by_any_address_in_any_case(world: World) -> None:
    found = world.crm.users(["ANN@example.com", "robert.ray@EXAMPLE.com", "bob.ray@example.com", "nobody@example.com"])
    assert {address: user.key for address, user in found.items()} == {
        "ann@example.com": ANN,
        "robert.ray@example.com": BOB,
        "bob.ray@example.com": BOB,
    }
    assert found["ann@example.com"].addresses == {"ann@example.com", "ann.lee@example.com"}


def test_a_main_address_goes_before_an_alias_and_a_shared_alias_finds_nobody(world: World) -> None:
    world.sql("INSERT INTO crm_user (name, email) VALUES ('Cy', 'cy@example.com')")
    world.sql(
        "INSERT INTO crm_user_email VALUES (1, 'cy@example.com'), (1, 'Desk@example.com'), (2, 'desk@example.com')"
    )
    found = world.crm.users(["cy@example.com", "desk@example.com"])
    assert {address: user.key for address, user in found.items()} == {"cy@example.com": "3"}


# -- conditional writes ------------------------------------------------------------------------------------------------


def test_an_update_writes_its_fields_only_and_returns_the_new_version(world: World) -> None:
    made = world.made("token-1")
    world.clock.advance(60)
    (result,) = world.create(update(made, subject="Moved", place=None))
    item = world.item(made.key)
    assert result.error is None
    assert (made.version, result.version, item.version) == ("1", "2", "2")
    assert item.values == {**MEETING, "subject": "Moved", "place": None}
    assert item.modified == world.clock.now()


def test_an_update_on_an_old_version_writes_nothing(world: World) -> None:
    """B-64: re-read and re-merge, never force."""
    made = world.made("token-1")
    world.sql("UPDATE appointment SET subject = 'By hand' WHERE id = :id", id=int(made.key or 0))
    (result,) = world.create(update(made, subject="Ours"))
    assert isinstance(result.error, VersionMoved)
    assert world.item(made.key).values["subject"] == "By hand"


def test_updates_and_deletes_of_what_is_not_there_are_gone(world: World) -> None:
    made = world.made("token-1")
    world.sql("UPDATE appointment SET deleted = :yes WHERE id = :id", id=int(made.key or 0), yes=True)
    results = world.create(
        update(made, subject="x"), delete(made), Write(Operation.DELETE, "4711", "1"), Write(Operation.DELETE, "x", "1")
    )
    assert [type(result.error) for result in results] == [Gone] * 4


def test_a_write_without_its_precondition_is_never_sent(world: World) -> None:
    made = world.made("token-1")
    results = world.create(
        Write(Operation.UPDATE, made.key, None, {"subject": "x"}, frozenset({"subject"})),
        Write(Operation.DELETE, made.key, "not a version"),
    )
    assert [type(result.error) for result in results] == [VersionMoved] * 2
    assert world.item(made.key).version == "1"


def test_the_databases_own_version_counts_so_every_users_edit_is_noticed(world: World) -> None:
    made = world.made("token-1")
    world.sql("UPDATE appointment SET subject = 'a' WHERE id = :id", id=int(made.key or 0))
    world.sql("UPDATE appointment SET subject = 'b', row_version = 9 WHERE id = :id", id=int(made.key or 0))
    assert world.item(made.key).version == "9"


def test_a_soft_delete_marks_the_record_and_keeps_it(world: World) -> None:
    made = world.made("token-1")
    (result,) = world.create(delete(made))
    assert (result.key, result.version, result.error) == (made.key, None, None)
    assert isinstance(world.crm.get(world.link(), [made.key or ""])[made.key or ""], Gone)
    assert world.sql("SELECT subject, deleted, row_version FROM appointment") == [("Review", True, 2)]


def test_a_delete_on_an_old_version_deletes_nothing(world: World) -> None:
    made = world.made("token-1")
    keys(world.create(update(made, subject="newer")))
    (result,) = world.create(delete(made))
    assert isinstance(result.error, VersionMoved)
    assert world.item(made.key).values["subject"] == "newer"


def test_where_writers_count_versions_our_update_does_and_a_hard_delete_removes_the_row(world: World) -> None:
    link = world.link(entity=Entity.TASK)
    (made,) = world.create(specimen("token-1", words="a"), link=link)
    assert (made.key, made.version) == ("token-1", "1")
    (updated,) = world.create(update(made, words="b"), link=link)
    assert (updated.version, world.item(made.key, link).values["words"]) == ("2", "b")
    (moved,) = world.create(delete(made), link=link)
    assert isinstance(moved.error, VersionMoved)
    (gone,) = world.create(delete(updated), link=link)
    assert gone.error is None
    assert world.sql("SELECT * FROM specimen") == []


def test_fields_that_may_only_be_read_are_never_written(world: World) -> None:
    link = world.link(entity=Entity.TASK)
    (made,) = world.create(specimen("token-1", words="a", locked="ours"), link=link)
    (same,) = world.create(update(made, locked="ours"), link=link)
    assert (same.error, same.version) == (None, "1")
    assert world.item("token-1", link).values["locked"] == "as it was"


def test_a_group_of_mixed_writes_answers_in_order(world: World) -> None:
    a, b, c = (world.made(stamp) for stamp in "abc")
    results = world.create(update(a, subject="A"), create("d"), delete(b), update(c, notes=None), create("e"))
    assert [result.error for result in results] == [None] * 5
    assert [result.version for result in results] == ["2", "1", None, "2", "1"]
    assert [result.key for result in results][::2] == [a.key, b.key, results[4].key]
    assert world.item(results[1].key).stamp == "d"
    assert world.item(results[4].key).stamp == "e"


def test_one_stale_update_among_many_fails_alone(world: World) -> None:
    made = [world.made(f"t{n}") for n in range(5)]
    world.sql("UPDATE appointment SET subject = 'By hand' WHERE id = :id", id=int(made[2].key or 0))
    results = world.create(*(update(entry, subject="ours") for entry in made))
    assert [type(result.error) for result in results] == [type(None), type(None), VersionMoved, type(None), type(None)]
    assert [world.item(entry.key).values["subject"] for entry in made] == ["ours", "ours", "By hand", "ours", "ours"]


# -- bad rows ----------------------------------------------------------------------------------------------------------


def test_a_row_that_breaks_a_constraint_fails_alone_and_says_so(world: World) -> None:
    """C12: a constraint violation sets its item aside; the others of its transaction are written."""
    link = world.link(entity=Entity.TASK)
    results = world.create(*(specimen(f"t{n}", grade=100 if n == 2 else n) for n in range(5)), link=link)
    assert [result.error and result.error.code for result in results] == [None, None, "constraint", None, None]
    assert world.sql("SELECT code FROM specimen ORDER BY code") == [("t0",), ("t1",), ("t3",), ("t4",)]
    assert world.sql("SELECT token FROM exsync_keys ORDER BY token") == [("t0",), ("t1",), ("t3",), ("t4",)]
    (again,) = world.create(update(results[0], grade=100), link=link)
    assert isinstance(again.error, Invalid)
    assert again.error.code == "constraint"


def test_what_does_not_fit_is_refused_before_it_is_sent_and_never_cut(world: World) -> None:
    made = world.made("ok")
    results = world.create(
        create("long", subject="x" * 256),
        update(made, priority=None),
        update(made, categories=("a;b",)),
        update(made, nonsense="x"),
        update(made, subject="x" * 255),
    )
    assert [result.error and result.error.code for result in results] == [
        "too-long", "required", "value", "unknown-field", None,
    ]  # fmt: skip
    assert all(result.error is None or isinstance(result.error, Invalid) for result in results)


def test_a_new_record_without_a_required_value_gets_the_databases_default(world: World) -> None:
    made = world.made("a", priority=None, show_as=None)
    assert (world.item(made.key).values["priority"], world.item(made.key).values["show_as"]) == ("B", "Busy")


def test_constants_of_the_plan_are_set_on_every_insert(world: World) -> None:
    link = world.link(entity=Entity.TASK)
    world.create(specimen("a", words="x"), specimen("b", words="x", grade=1), link=link)
    assert world.sql("SELECT code, grade, who FROM specimen ORDER BY code") == [("a", 7, ANN), ("b", 1, ANN)]


def test_a_new_record_is_read_back_with_what_the_plan_puts_into_it(world: World) -> None:
    """B-60: what the write leaves to a constant of the plan is what both sides agreed on, not nothing."""
    plan = with_entity(world.plan, defaults={"location": "Hall", "priority": "C"})
    crm, wanted = world.connector(plan), {**MEETING, "priority": None}
    del wanted["place"]
    (made,) = crm.write(world.link(), [Write(Operation.CREATE, None, None, wanted, frozenset(wanted), "t")])
    assert made.item is not None
    assert made.item.values == {**MEETING, "place": "Hall", "priority": "C"}
    assert made.item == crm.get(world.link(), [made.key or ""])[made.key or ""]


# -- exactly once ------------------------------------------------------------------------------------------------------


def test_the_same_create_again_is_adopted_not_doubled(world: World) -> None:
    """Fault L1: the answer was lost, the write is sent again."""
    first = world.made("token-1")
    keys(world.create(update(first, subject="Edited since")))
    again = world.made("token-1")
    assert (again.key, again.version, again.adopted) == (first.key, "2", True)
    assert world.sql("SELECT subject FROM appointment") == [("Edited since",)]


def test_two_attendees_of_one_meeting_make_one_record(world: World) -> None:
    """B-41: one meeting is one record, however many mailboxes hold a copy."""
    first = world.made("anns-token", "meeting:uid-1")
    (second,) = world.create(create("bobs-token", "meeting:uid-1"), link=world.link(BOB))
    assert (second.key, second.adopted) == (first.key, True)
    assert len(world.sql("SELECT id FROM appointment")) == 1


def test_one_meeting_twice_in_one_group_is_one_record(world: World) -> None:
    results = world.create(create("a", "uid-1"), create("b", "uid-1"), create("c"), create("c"))
    assert [result.adopted for result in results] == [False, True, False, True]
    assert results[0].key == results[1].key
    assert results[2].key == results[3].key
    assert len(world.sql("SELECT id FROM appointment")) == 2


def test_known_and_new_creates_in_one_group(world: World) -> None:
    old = world.made("old")
    results = world.create(create("n1"), create("old"), create("n2"))
    assert [result.adopted for result in results] == [False, True, False]
    assert results[1].key == old.key
    assert len({result.key for result in results}) == 3


def test_items_without_native_identity_never_meet(world: World) -> None:
    assert len(set(keys(world.create(create("a"), create("b"))))) == 2


@pytest.mark.parametrize("how", ["UPDATE appointment SET deleted = :yes", "DELETE FROM appointment"])
def test_a_retried_create_does_not_resurrect_what_was_deleted_since(world: World, how: str) -> None:
    """Fault L5: created with unknown outcome, then deleted by a user."""
    made = world.made("token-1", "uid-1")
    world.sql(how, **({"yes": True} if ":yes" in how else {}))
    (result,) = world.create(create("token-1", "uid-1"))
    assert isinstance(result.error, Gone)
    assert (result.error.code, result.key) == ("tombstone", made.key)
    assert world.crm.find(world.link(), [Identity("token-1"), Identity(native="uid-1")]) == [
        Found(Identity("token-1"), Place.TOMBSTONE, made.key),
        Found(Identity(native="uid-1"), Place.TOMBSTONE, made.key),
    ]


def test_an_item_edited_after_its_record_was_deleted_is_created_anew(world: World) -> None:
    """B-63: the edit wins. The identity goes to the new record, the old token stays a tombstone."""
    first = world.made("old", "uid-1")
    keys(world.create(delete(first)))
    second = world.made("new", "uid-1")
    assert (second.adopted, second.key != first.key) == (False, True)
    assert world.crm.find(world.link(), [Identity("old", "uid-1")]) == [
        Found(Identity("old", "uid-1"), Place.TOMBSTONE, first.key),
        Found(Identity("old", "uid-1"), Place.FOLDER, second.key, second.version),
    ]
    (again,) = world.create(create("old", "uid-1"))
    assert isinstance(again.error, Gone)


def test_a_restored_record_is_found_again(world: World) -> None:
    made = world.made("token-1")
    keys(world.create(delete(made)))
    world.sql("UPDATE appointment SET deleted = :no", no=False)
    assert world.made("token-1").adopted


def test_a_deleted_rows_number_given_away_again_is_not_taken_for_its_record(lite: World) -> None:
    """SQLite gives the key of a deleted last row away again unless the table says AUTOINCREMENT."""
    lite.sql("CREATE TABLE plain (id INTEGER PRIMARY KEY, who TEXT, v INTEGER, words TEXT)")
    plan = with_entity(
        lite.plan, table="plain", owner="who", version="v", version_by="writer", modified=None, soft_delete=None,
        fields={"subject": CrmField("subject", "words", FieldType.TEXT)},
    )  # fmt: skip
    crm = lite.connector(plan)
    crm.apply_ddl()
    crm.check()
    link = lite.link(fields=["subject"])
    write = Write(Operation.CREATE, None, None, {"subject": "ours"}, frozenset({"subject"}), "token-1")
    (made,) = crm.write(link, [write])
    lite.sql("DELETE FROM plain")
    lite.sql("INSERT INTO plain (who, v, words) VALUES ('1', 1, 'somebody else')")
    assert lite.sql("SELECT id FROM plain") == [(int(made.key or 0),)]
    assert [hit.place for hit in crm.find(link, [Identity("token-1")])] == [Place.TOMBSTONE]
    held = crm.get(link, [made.key or ""])[made.key or ""]
    assert isinstance(held, Item)
    assert held.stamp is None


def test_find_answers_each_identity_and_leaves_out_the_unknown(world: World) -> None:
    made = world.made("token-1", "uid-1")
    other = world.made("token-2")
    asked = [Identity("token-2"), Identity("none", "none"), Identity("token-1", "uid-1"), Identity(native="uid-1")]
    assert world.crm.find(world.link(), asked) == [
        Found(asked[0], Place.FOLDER, other.key, other.version),
        Found(asked[2], Place.FOLDER, made.key, made.version),
        Found(asked[3], Place.FOLDER, made.key, made.version),
    ]
    assert world.crm.find(world.link(entity=Entity.TASK), [Identity(native="uid-1")]) == []
