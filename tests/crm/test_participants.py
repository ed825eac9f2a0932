"""Who takes part in a meeting: users, contacts and external participants of the CRM as one field by address (B-31)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.config.participant_tables import CrmParticipants, ParticipantTable
from runner.config.plan import CrmEntity, CrmField, CrmPlan, OwnerRelation
from runner.model.errors import ContainerGone
from runner.model.items import Item, LinkRef, Write, WriteResult
from runner.model.record import FieldType, Value
from runner.model.terms import ContactVisibility, Entity, Operation
from runner.reconcile.attendees import AttendeeRules
from tests.support.crm import ANN, APPOINTMENT, BOB, MEETING, PLAN, World, delete, feed_rows, sqlite_world, update

TABLES = """
ALTER TABLE appointment ADD COLUMN called_by TEXT;
CREATE TABLE attendee_user (appointment_id {0}, user_id {0}, invited_as TEXT, role TEXT, answer TEXT,
  UNIQUE (appointment_id, user_id));
CREATE TABLE attendee_contact (appointment_id {0}, person_id {0}, invited_as TEXT, role TEXT, answer TEXT,
  UNIQUE (appointment_id, person_id));
CREATE TABLE attendee_external (appointment_id {0}, email TEXT, name TEXT, role TEXT, answer TEXT);
CREATE TABLE client (id INTEGER PRIMARY KEY, name TEXT, email TEXT, email_2 TEXT, owner_id {0}, deleted BOOLEAN, v INTEGER)
"""
PEOPLE = """
INSERT INTO client VALUES (1, 'Eva', 'Eva@y.com', 'eva.novak@y.com', 1, {no}, 1), (2, 'Desk', 'desk@y.com', NULL, 2, {no}, 1),
  (3, 'Desk too', 'other@y.com', 'Desk@y.com', 1, {no}, 1), (4, 'Gone', 'gone@y.com', NULL, 1, {yes}, 1),
  (5, 'As a user', 'bob.ray@example.com', NULL, 1, {no}, 1), (6, 'Nothing', NULL, ' ', 1, {no}, 1)
"""
WORDS = {"needs_action": "open", "accepted": "yes", "tentative": "maybe", "declined": "no"}
WHO = CrmParticipants(
    organizer="called_by",
    users=ParticipantTable("attendee_user", "appointment_id", "user_id", "invited_as", "role", "answer"),
    contacts=ParticipantTable("attendee_contact", "appointment_id", "person_id", "invited_as", "role", "answer"),
    emails=("email", "email_2"),
    external=ParticipantTable("attendee_external", "appointment_id", None, "email", "role", "answer", "name"),
    rules=AttendeeRules(blacklist=("@lists[.]",)),
    roles={"required": "Required", "optional": "Optional", "resource": "Room"},
    responses=WORDS,
)
HOLDING = OwnerRelation("attendee_user", "appointment_id", "user_id", defaults={"role": "Holder"})
ITEM = replace(
    APPOINTMENT,
    fields={**APPOINTMENT.fields, "organizer": CrmField("organizer", "called_by", FieldType.TEXT)},
    relations=(HOLDING,),
    participants=WHO,
)
PERSON = CrmEntity(
    Entity.CONTACT, "client", "id", "v", "trigger", "owner_id", None, ("deleted", True),
    {"name": CrmField("name", "name", FieldType.TEXT)},
)  # fmt: skip
MEETINGS = replace(PLAN, entities={Entity.SCHEDULE_ITEM: ITEM, Entity.CONTACT: PERSON})
FIELDS = [*ITEM.fields, "participants", "responses", "participant_names"]
ROLES = ("required", "optional", "resource")


def _prepared(world: World, who: CrmParticipants = WHO) -> World:
    plan: CrmPlan = replace(
        MEETINGS, entities={Entity.SCHEDULE_ITEM: replace(ITEM, participants=who), Entity.CONTACT: PERSON}
    )
    lite = world.dialect == "sqlite"
    for statement in TABLES.format("INTEGER" if lite else "bigint").split(";"):
        world.sql(statement)
    world.sql(PEOPLE.format(no="0", yes="1") if lite else PEOPLE.format(no="false", yes="true"))
    made = World(world.url, plan, world.clock)
    made.crm.apply_ddl()
    made.crm.check()
    return made


@pytest.fixture
def meetings(world: World) -> Iterator[World]:
    """Appointments with participants, on each database."""
    made = _prepared(world)
    yield made
    made.close()


def _link(world: World, owner: str = ANN) -> LinkRef:
    return world.link(owner, fields=FIELDS)


def _make(world: World, participants: Value, owner: str = ANN, **values: Value) -> WriteResult:
    _make.count += 1  # type: ignore[attr-defined]
    wanted: dict[str, Value] = {**MEETING, "participants": participants, **values}
    write = Write(Operation.CREATE, None, None, wanted, frozenset(wanted), f"token-{_make.count}")  # type: ignore[attr-defined]
    (result,) = world.crm.write(_link(world, owner), [write])
    return result


_make.count = 0  # type: ignore[attr-defined]


def _read(world: World, key: str | None, owner: str = ANN) -> Mapping[str, Value]:
    return _item(world, key, owner).values


def _item(world: World, key: str | None, owner: str = ANN) -> Item:
    return world.item(key, _link(world, owner))


def _rows(world: World, table: str, columns: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in world.sql(f"SELECT {columns} FROM {table} ORDER BY {columns}")]  # noqa: S608


def _edit(world: World, held: Item | WriteResult, owner: str = ANN, **values: Value) -> WriteResult:
    (result,) = world.crm.write(_link(world, owner), [update(held, **values)])
    return result


# -- inbound: where addresses go ---------------------------------------------------------------------------------------


def test_an_address_goes_to_a_user_else_to_every_contact_else_stays_external(meetings: World) -> None:
    """B-31: all aliases of a user count; duplicate e-mails in the CRM are several contacts; what is no address is text."""
    wanted = {
        "robert.ray@example.com": "required",
        "desk@y.com": "optional",
        "eva.novak@y.com": "required",
        "gone@y.com": "required",
        "room 4": "resource",
        "zoe@z.com": "optional",
    }
    made = _make(meetings, wanted, participant_names={"zoe@z.com": "Zoe Zed", "desk@y.com": "Desk"})
    assert made.error is None
    assert _rows(meetings, "attendee_user", "user_id, invited_as, role") == [(2, "robert.ray@example.com", "Required")]
    assert _rows(meetings, "attendee_contact", "person_id, invited_as, role") == [
        (1, "eva.novak@y.com", "Required"), (2, "desk@y.com", "Optional"), (3, "desk@y.com", "Optional"),
    ]  # fmt: skip
    assert _rows(meetings, "attendee_external", "email, role") == [
        ("gone@y.com", "Required"), ("room 4", "Room"), ("zoe@z.com", "Optional"),
    ]  # fmt: skip
    assert ("Zoe Zed",) in _rows(meetings, "attendee_external", "name")
    assert _read(meetings, made.key)["participants"] == wanted
    assert _read(meetings, made.key, BOB)["participants"] == wanted


def test_a_blacklisted_address_reaches_nobody(meetings: World) -> None:
    """B-32."""
    meetings.sql("UPDATE crm_user SET email = 'all@lists.example.com' WHERE id = 2")
    made = _make(meetings, {"all@lists.example.com": "required"})
    assert _rows(meetings, "attendee_external", "email") == [("all@lists.example.com",)]
    assert [r.key for page in meetings.crm.listing(_link(meetings, BOB)) for r in page.changed] == []
    assert _read(meetings, made.key)["participants"] == {"all@lists.example.com": "required"}


@pytest.mark.parametrize(
    ("rules", "contacts"),
    [
        (AttendeeRules(max_users=0), []),
        (AttendeeRules(max_users=1), [(2, "desk@y.com"), (3, "desk@y.com")]),
        (AttendeeRules(visibility=ContactVisibility.CREATOR), [(3, "desk@y.com")]),
        (AttendeeRules(visibility=ContactVisibility.ALL_ATTENDEES), []),
    ],
)
def test_threshold_and_visibility_keep_contacts_external(
    world: World, rules: AttendeeRules, contacts: list[tuple[int, str]]
) -> None:
    """B-33, B-34."""
    meetings = _prepared(world, replace(WHO, rules=rules))
    made = _make(meetings, {"bob.ray@example.com": "required", "desk@y.com": "required"})
    assert _rows(meetings, "attendee_contact", "person_id, invited_as") == contacts
    assert _read(meetings, made.key)["participants"] == {"bob.ray@example.com": "required", "desk@y.com": "required"}
    meetings.close()


def test_answers_come_in_beside_the_participants(meetings: World) -> None:
    invited: Value = {"bob.ray@example.com": "required", "desk@y.com": "optional", "zoe@z.com": "required"}
    answers: Value = {"bob.ray@example.com": "accepted", "desk@y.com": "declined", "zoe@z.com": "needs_action"}
    made = _make(meetings, invited, responses=answers)
    assert _read(meetings, made.key)["responses"] == answers
    assert _rows(meetings, "attendee_contact", "answer") == [("no",), ("no",)]
    later: Value = {"bob.ray@example.com": "tentative", "zoe@z.com": "accepted", "stranger@z.com": "accepted"}
    result = _edit(meetings, made, responses=later)
    assert (result.error, _read(meetings, made.key)["participants"]) == (None, invited)
    assert _read(meetings, made.key)["responses"] == {"bob.ray@example.com": "tentative", "zoe@z.com": "accepted"}


# -- the law -----------------------------------------------------------------------------------------------------------

_POOL = st.sampled_from(
    [
        "ann@example.com", "ann.lee@example.com", "bob.ray@example.com", "robert.ray@example.com", "eva@y.com",
        "eva.novak@y.com", "desk@y.com", "other@y.com", "gone@y.com", "all@lists.y.com", "zoe@z.com", "no address",
        "o'neil@z.com", "jürgen@müller.example", "%_@z.com", "a;b",
    ]
)  # fmt: skip
_INVITED = st.dictionaries(_POOL, st.sampled_from(ROLES), max_size=8)


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One SQLite CRM for all examples."""
    base = sqlite_world(Path(tmp_path_factory.mktemp("law")))
    made = _prepared(base)
    yield made
    made.close()
    base.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=_INVITED, second=_INVITED, organizer=st.sampled_from([None, "ann@example.com", "host@z.com"]))
def test_what_is_read_back_is_exactly_what_was_written(
    lasting: World, first: dict[str, Value], second: dict[str, Value], organizer: str | None
) -> None:
    """read(write(x)) = x, at first and after every change: else somebody would be invited, or uninvited."""
    first.pop(organizer or "", None)
    second.pop(organizer or "", None)
    made = _make(lasting, first or None, organizer=organizer)
    held = _item(lasting, made.key)
    assert held.values["participants"] == (first or None)
    result = _edit(lasting, held, participants=second or None)
    again = _item(lasting, made.key)
    assert again.values["participants"] == (second or None)
    assert again.version == result.version
    unchanged = _edit(lasting, again, participants=second or None)
    assert unchanged.error is None
    assert _item(lasting, made.key).values["participants"] == (second or None)


# -- outbound: what the CRM's own users do -----------------------------------------------------------------------------


def test_rows_of_the_crms_own_users_are_participants_by_their_main_addresses(meetings: World) -> None:
    made = _make(meetings, None)
    meetings.sql("INSERT INTO attendee_user (appointment_id, user_id) VALUES (:k, 2)", k=int(made.key or 0))
    meetings.sql(
        "INSERT INTO attendee_contact (appointment_id, person_id, role) VALUES (:k, 1, 'Optional'), (:k, 6, NULL)",
        k=int(made.key or 0),
    )
    meetings.sql(
        "INSERT INTO attendee_external (appointment_id, email) VALUES (:k, ' Zoe@Z.com '), (:k, NULL)",
        k=int(made.key or 0),
    )
    expected = {"bob.ray@example.com": "required", "eva@y.com": "optional", "zoe@z.com": "required"}
    held = _item(meetings, made.key)
    assert held.values["participants"] == expected
    result = _edit(meetings, held, participants={**expected, "new@z.com": "optional"})
    assert result.error is None
    assert _read(meetings, made.key)["participants"] == {**expected, "new@z.com": "optional"}
    assert (None,) in _rows(meetings, "attendee_external", "email")


def test_the_organizer_takes_no_part_in_his_own_meeting(meetings: World) -> None:
    """Whichever table names him: as the owner where no organizer is named, by any alias where one is."""
    made = _make(meetings, None)
    meetings.sql("INSERT INTO attendee_user (appointment_id, user_id) VALUES (:k, 1)", k=int(made.key or 0))
    assert _read(meetings, made.key)["participants"] is None
    meetings.sql("INSERT INTO attendee_user (appointment_id, user_id) VALUES (:k, 2)", k=int(made.key or 0))
    meetings.sql(
        "INSERT INTO attendee_external (appointment_id, email) VALUES (:k, 'host@z.com')", k=int(made.key or 0)
    )
    meetings.sql("UPDATE appointment SET called_by = 'Robert.Ray@example.com'")
    assert _read(meetings, made.key)["participants"] == {"ann.lee@example.com": "required", "host@z.com": "required"}
    meetings.sql("UPDATE appointment SET called_by = 'host@z.com'")
    assert _read(meetings, made.key)["participants"] == {
        "ann.lee@example.com": "required", "bob.ray@example.com": "required",
    }  # fmt: skip


def test_who_only_holds_the_record_is_not_invited_by_it(meetings: World) -> None:
    """B-41: a colleague who got the meeting by a list joins its record; the organizer's list must not grow by that."""
    first = _make(meetings, {"all@lists.y.com": "required"}, organizer="host@z.com")
    wanted = {**MEETING, "participants": {"all@lists.y.com": "required"}}
    native = Write(Operation.CREATE, None, None, wanted, frozenset(wanted), "second", "meeting:1")
    meetings.sql("UPDATE exsync_keys SET identity = 'meeting:1'")
    (second,) = meetings.crm.write(_link(meetings, BOB), [native])
    assert (second.key, second.adopted) == (first.key, True)
    assert _read(meetings, first.key, BOB)["participants"] == {"all@lists.y.com": "required"}


def test_a_participant_who_comes_or_goes_moves_the_records_version_on(meetings: World) -> None:
    """Else the change would be taken for an echo."""
    made = _make(meetings, {"zoe@z.com": "required"})
    _, watermark = feed_rows(meetings, None)
    for statement in (
        "INSERT INTO attendee_contact (appointment_id, person_id) VALUES (:k, 1)",
        "UPDATE attendee_external SET role = 'Room' WHERE appointment_id = :k",
        "DELETE FROM attendee_contact WHERE appointment_id = :k",
    ):
        before = _item(meetings, made.key).version
        meetings.sql(statement, k=int(made.key or 0))
        assert _item(meetings, made.key).version != before
        rows, watermark = feed_rows(meetings, watermark)
        assert [key for key, _ in rows] == [made.key]


def test_only_what_changes_is_touched(meetings: World) -> None:
    """Who takes part already stays where he is, also when he would be matched otherwise today."""
    made = _make(meetings, {"zoe@z.com": "required", "eva@y.com": "required"})
    meetings.sql("UPDATE client SET email = 'zoe@z.com' WHERE id = 2")
    meetings.sql("UPDATE client SET email = 'moved@y.com' WHERE id = 1")
    held = _item(meetings, made.key)
    assert held.values["participants"] == {"zoe@z.com": "required", "eva@y.com": "required"}
    _edit(meetings, held, participants={"zoe@z.com": "optional", "eva@y.com": "required"})
    assert _rows(meetings, "attendee_external", "email, role") == [("zoe@z.com", "Optional")]
    assert _rows(meetings, "attendee_contact", "person_id") == [(1,)]


def test_a_user_who_is_no_longer_invited_does_not_hold_the_record(meetings: World) -> None:
    made = _make(meetings, {"bob.ray@example.com": "required"})
    assert [r.key for page in meetings.crm.listing(_link(meetings, BOB)) for r in page.changed] == [made.key]
    _edit(meetings, made, participants=None)
    assert [r.key for page in meetings.crm.listing(_link(meetings, BOB)) for r in page.changed] == []


def test_who_lets_go_of_a_meeting_stays_invited(meetings: World) -> None:
    """B-50 for meetings: a participant who deletes his copy must not be taken off the organizer's list."""
    made = _make(meetings, {"bob.ray@example.com": "optional"}, responses={"bob.ray@example.com": "declined"})
    (left,) = meetings.crm.write(_link(meetings, BOB), [delete(_item(meetings, made.key, BOB))])
    assert left.released
    assert _read(meetings, made.key)["participants"] == {"bob.ray@example.com": "optional"}
    assert _read(meetings, made.key)["responses"] == {"bob.ray@example.com": "declined"}
    assert _rows(meetings, "attendee_user", "user_id") == []


def test_whom_the_row_names_its_owner_is_not_written_among_those_who_take_part(meetings: World) -> None:
    """B-41: he holds the record by that, also when his own mailbox brings the meeting again; another mailbox that brings it
    has no other way, and gets a row that invites nobody. Who gave the record away holds it no more."""
    made = _make(meetings, {"zoe@z.com": "required"})
    meetings.sql("UPDATE exsync_keys SET identity = 'meeting:1'")
    wanted = {**MEETING, "participants": {"zoe@z.com": "required"}}
    for owner, rows in ((ANN, []), (BOB, [(2, "Holder")])):
        write = Write(Operation.CREATE, None, None, wanted, frozenset(wanted), f"again-{owner}", "meeting:1")
        (joined,) = meetings.crm.write(_link(meetings, owner), [write])
        assert (joined.key, joined.adopted) == (made.key, True)
        assert joined.version == _item(meetings, made.key).version
        assert _rows(meetings, "attendee_user", "user_id, role") == rows
    meetings.sql("UPDATE appointment SET owner_id = 2")
    assert [r.key for page in meetings.crm.listing(_link(meetings)) for r in page.changed] == []
    assert [r.key for page in meetings.crm.listing(_link(meetings, BOB)) for r in page.changed] == [made.key]


def test_eight_hundred_participants_are_written_and_read(meetings: World) -> None:
    many: dict[str, Value] = {f"guest{n:03}@z.com": ROLES[n % 3] for n in range(800)}
    made = _make(meetings, many)
    assert made.error is None
    assert _read(meetings, made.key)["participants"] == many


def test_tables_that_are_not_as_described_are_refused_with_their_place(meetings: World) -> None:
    """Fault E9."""
    who = replace(
        WHO,
        users=replace(WHO.users, address="invited"),
        external=replace(WHO.external, table="attendee_externals"),
        emails=("mail",),
        organizer="called_bye",
    )
    plan = replace(MEETINGS, entities={**MEETINGS.entities, Entity.SCHEDULE_ITEM: replace(ITEM, participants=who)})
    with pytest.raises(ContainerGone) as caught:
        meetings.connector(plan).check()
    for word in ("'invited'", "did you mean 'attendee_external'?", "'mail'", "did you mean 'called_by'?"):
        assert word in str(caught.value)


def test_a_table_that_names_records_by_text_is_refused(meetings: World) -> None:
    """Between 9 and 11 lies no text: everybody whom it names would seem to have been taken out of a run of meetings."""
    meetings.sql("CREATE TABLE attendee_text (appointment_id TEXT, email TEXT, name TEXT, role TEXT, answer TEXT)")
    who = replace(WHO, external=replace(WHO.external, table="attendee_text"))
    plan = replace(MEETINGS, entities={**MEETINGS.entities, Entity.SCHEDULE_ITEM: replace(ITEM, participants=who)})
    with pytest.raises(ContainerGone) as caught:
        meetings.connector(plan).check()
    words = "'appointment_id' of table 'attendee_text' holds text, but 'id' of table 'appointment' holds integer"
    assert words in str(caught.value)
