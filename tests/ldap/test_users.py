"""Users come in from a directory: B-80, B-81, B-83, with a real OpenLDAP and a real CRM database."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing

from runner.model.errors import AccessDenied, ContainerGone
from runner.model.state import PairingStatus
from runner.model.terms import Operation
from tests.ldap.firm import USERS, Firm, code
from tests.support import slapd

Found = Callable[..., Firm]
STAYING = "  filter: (&(objectClass=person)(!(title=Left)))\n  on_leave: remove\n"


def counts(firm: Firm, *allowed: Operation) -> dict[str, int]:
    """What one pass counted; it must not have failed."""
    report = firm.run(*allowed)
    assert report.error is None, report.error
    return {name: number for name, number in report.counts.items() if number}


def staffed(firm: Found, *uids: str, **told: str) -> Firm:
    """A firm whose people are in its CRM."""
    corp = firm(**told)
    corp.hire(*uids)
    assert counts(corp) == {"crm.create": len(uids)}
    return corp


# -- in, and up to date ------------------------------------------------------------------------------------------------


def test_users_come_in_and_a_second_pass_writes_nothing(firm: Found) -> None:
    """B-81, invariant 6."""
    corp = firm()
    corp.hire("ann", "bob", title="Buyer", telephoneNumber="+43 1 2")
    assert counts(corp) == {"crm.create": 2}
    assert corp.logins() == ["ann", "bob"]
    assert corp.user("ann", "name", "last_name", "job_title", "phone", "email", "directory", "locked") == (
        ("Name of ann", "ann", "Buyer", "+43 1 2", "ann@test.internal", "corp", 0)
    )
    watermark = corp.store.link(USERS).target_watermark
    versions = corp.sql("SELECT id, row_version FROM crm_user")
    assert counts(corp) == {}
    assert corp.store.link(USERS).target_watermark == watermark
    assert corp.sql("SELECT id, row_version FROM crm_user") == versions


def test_a_change_in_the_directory_reaches_the_crm(firm: Found) -> None:
    corp = staffed(firm, "ann", "bob")
    corp.change("ann", "title", "Head of sales")
    assert counts(corp) == {"crm.update": 1}
    assert corp.user("ann", "job_title") == ("Head of sales",)
    assert counts(corp) == {}


def test_what_comes_from_the_directory_is_read_only_in_the_crm_and_marked(firm: Found) -> None:
    """B-81: which attributes come from there is kept beside them; an edit of one is undone, with the edit in the ledger."""
    corp = staffed(firm, "ann")
    (marked,) = corp.user("ann", "read_only")
    assert set(marked.split(";")) >= {"name", "job_title", "login", "emails"}
    assert "template" not in marked
    corp.sql("UPDATE crm_user SET name = 'Somebody', role = 'boss' WHERE login = 'ann'")
    assert counts(corp) == {"crm.update": 1}
    assert corp.user("ann", "name", "role") == ("Name of ann", "boss")
    assert counts(corp) == {}


def test_drift_can_be_left_alone(firm: Found) -> None:
    """B-5: with on_drift: ignore the CRM's edit stays until the directory says something else."""
    corp = staffed(firm, "ann", users="  on_drift: ignore\n")
    corp.sql("UPDATE crm_user SET name = 'Somebody' WHERE login = 'ann'")
    assert counts(corp) == {}
    corp.change("ann", "cn", "Ann Lee")
    assert counts(corp) == {"crm.update": 1}
    assert corp.user("ann", "name") == ("Ann Lee",)


def test_a_renamed_and_moved_user_is_the_same_user(firm: Found) -> None:
    """Identity is the entry's UUID, never the DN, the mail or the log-on name."""
    corp = staffed(firm, "ann")
    (before,) = corp.sql("SELECT id FROM crm_user WHERE login = 'ann'")
    corp.server.rename(corp.dn("ann"), "uid=ann.lee")
    corp.change("ann.lee", "mail", "ann.lee@test.internal")
    assert counts(corp) == {"crm.update": 1}
    assert corp.sql("SELECT id FROM crm_user WHERE login = 'ann.lee'") == [before]
    assert corp.logins() == ["ann.lee"]


def test_a_login_that_changes_its_case_is_nobody_new(firm: Found) -> None:
    corp = staffed(firm, "ann")
    corp.server.rename(corp.dn("ann"), "uid=ANN")
    assert counts(corp) == {}
    assert corp.logins() == ["ann"]


# -- the same person on both sides -------------------------------------------------------------------------------------


def test_a_native_user_of_the_same_login_is_that_user(firm: Found) -> None:
    """B-81: merged at the first sync, whatever the case; what the CRM alone knows stays."""
    corp = firm()
    corp.sql("INSERT INTO crm_user (name, login, email, role) VALUES ('A. Lee', 'Ann', 'a@home.example', 'boss')")
    corp.sql("INSERT INTO crm_user (name, login, email) VALUES ('Zoe', 'zoe', 'zoe@home.example')")
    corp.hire("ann", "bob")
    assert counts(corp) == {"matched": 1, "crm.create": 1, "crm.update": 1}
    assert corp.user("Ann", "name", "email", "role", "template") == ("Name of ann", "a@home.example", "boss", None)
    assert corp.user("zoe", "name", "directory") == ("Zoe", None)
    assert corp.logins() == ["Ann", "bob", "zoe"]
    assert counts(corp) == {}


def test_a_native_user_who_is_there_before_the_directorys_is_adopted_later_too(firm: Found) -> None:
    """B-81: not only at the first sync."""
    corp = staffed(firm, "bob")
    corp.sql("INSERT INTO crm_user (name, login) VALUES ('A. Lee', 'ANN')")
    corp.hire("ann")
    assert counts(corp)
    assert corp.logins() == ["ANN", "bob"]
    assert corp.user("ANN", "name", "directory") == ("Name of ann", "corp")
    assert counts(corp) == {}


def test_two_users_with_one_login_are_set_aside_and_nobody_is_merged(firm: Found) -> None:
    """Which of them the CRM user is, nobody can tell: neither is."""
    corp = firm(users="  attributes: {login: employeeNumber}\n")
    corp.sql("INSERT INTO crm_user (name, login, role) VALUES ('The one', '77', 'boss')")
    corp.hire("ann", "bob", employeeNumber="77")
    corp.hire("eve", employeeNumber="78")
    report = corp.run()
    assert report.error is None
    assert corp.user("77", "name", "role", "directory") == ("The one", "boss", None)
    assert corp.logins() == ["77", "78"]
    quarantined = corp.store.quarantined(USERS)
    assert [entry.code for entry in quarantined] == ["duplicate-login", "duplicate-login"]
    assert "'77'" in quarantined[0].reason


def test_a_second_user_with_a_known_login_does_not_take_the_first_ones_record(firm: Found) -> None:
    """The same, when the second one comes later and only what changed is read."""
    corp = firm(users="  attributes: {login: employeeNumber}\n")
    corp.hire("ann", employeeNumber="77")
    assert counts(corp) == {"crm.create": 1}
    corp.hire("bob", employeeNumber="77")
    corp.run()
    assert corp.user("77", "name") == ("Name of ann",)
    assert [entry.code for entry in corp.store.quarantined(USERS)] == ["duplicate-login"]


def test_a_user_without_a_login_is_set_aside_and_the_others_go_on(firm: Found) -> None:
    """B-23."""
    corp = firm(users="  attributes: {login: employeeNumber}\n")
    corp.hire("ann")
    corp.hire("bob", employeeNumber="2")
    corp.run()
    assert corp.logins() == ["2"]
    (aside,) = corp.store.quarantined(USERS)
    assert (aside.code, "attribute employeeNumber" in aside.reason) == ("no-login", True)


def test_a_lost_state_finds_everybody_again(firm: Found) -> None:
    """A new state pairs by the key table and by log-on names: nobody is made twice."""
    corp = staffed(firm, "ann", "bob")
    corp.close()
    for file in (corp.home / "state").iterdir():
        file.unlink()
    found = counts(corp)
    assert set(found) <= {"matched", "crm.update"}
    assert corp.logins() == ["ann", "bob"]
    assert counts(corp) == {}


# -- gone, and back ----------------------------------------------------------------------------------------------------


def test_a_deleted_user_is_marked_deleted_and_comes_back_as_he_was(firm: Found) -> None:
    """B-81: his record keeps what the CRM knows, and there is one of him, though the directory made a new entry."""
    corp = staffed(firm, *(f"u{n}" for n in range(12)))
    (before,) = corp.sql("SELECT id FROM crm_user WHERE login = 'u3'")
    corp.sql("UPDATE crm_user SET role = 'boss' WHERE login = 'u3'")
    counts(corp)
    corp.server.delete(corp.dn("u3"))
    corp.clock.advance(86_400)
    assert counts(corp) == {"crm.delete": 1}
    assert corp.sql("SELECT id, deleted, name FROM crm_user WHERE login = 'u3'") == [(*before, 1, "Name of u3")]
    assert counts(corp) == {}
    corp.hire("u3", title="Back again")
    assert counts(corp) == {"crm.create": 1}
    assert corp.user("u3", "id", "deleted", "role", "job_title") == (*before, 0, "boss", "Back again")
    assert counts(corp) == {}


def test_an_emptied_directory_deletes_nobody_and_says_so(firm: Found) -> None:
    """B-83: exit code 4, nothing written; the operator can allow it once."""
    corp = staffed(firm, *(f"u{n}" for n in range(12)))
    for n in range(12):
        corp.server.delete(corp.dn(f"u{n}"))
    corp.clock.advance(86_400)
    for _ in range(2):  # the next pass does not do it either
        report = corp.run()
        assert code(report) == 4
        assert "G103" in {trip.code for trip in report.trips}
        assert len(corp.logins()) == 12
    assert counts(corp, Operation.DELETE) == {"crm.delete": 12}
    assert corp.logins() == []


def test_a_filter_that_finds_nobody_any_more_lets_nobody_go(firm: Found) -> None:
    """B-83: whom a mistyped filter does not find has not left; nothing is detached either."""
    corp = staffed(firm, *(f"u{n}" for n in range(12)))
    corp.configure(users="  filter: (title=Nobody)\n")
    report = corp.run()
    assert code(report) == 4
    assert len(corp.logins()) == 12
    assert corp.store.count(USERS) == 12
    corp.configure(users="")
    assert counts(corp) == {}
    assert corp.store.count(USERS) == 12


def test_a_search_that_breaks_off_takes_nobody_away(firm: Found) -> None:
    """Deletions come from a complete enumeration only: the reader's total limit would have let all but a few leave."""
    corp = firm()
    corp.hire(*(f"u{n:03}" for n in range(510)))
    counts(corp)
    assert len(corp.logins()) == 510
    target = corp.home / "targets.d/corp.yaml"
    target.write_text(target.read_text().replace(slapd.READER, slapd.CAPPED))
    corp.close()
    os.environ["CORP_PASSWORD"] = slapd.CAPPED_PASSWORD
    corp.clock.advance(86_400)
    report = corp.run()
    assert isinstance(report.error, AccessDenied)
    assert code(report) == 77
    assert len(corp.logins()) == 510


def test_who_leaves_the_base_is_detached_and_in_step_again_when_he_is_back(firm: Found) -> None:
    """Invariant 2: leaving is no delete. His entry is there, under another unit."""
    corp = staffed(firm, *(f"u{n}" for n in range(12)))
    corp.server.rename(corp.dn("u3"), "uid=u3", below=f"ou=gone,{corp.base}")
    corp.clock.advance(86_400)
    report = corp.run()
    assert report.error is None
    assert len(corp.logins()) == 12
    (pair,) = corp.store.pairings(USERS, crm_keys=[str(corp.user("u3", "id")[0])])
    assert pair.status is PairingStatus.DETACHED
    assert "not what bases and filter ask for" in (pair.reason or "")
    assert counts(corp) == {}
    corp.server.rename(f"uid=u3,ou=gone,{corp.base}", "uid=u3", below=corp.people)
    corp.change("u3", "title", "Back")
    counts(corp)
    assert corp.user("u3", "job_title") == ("Back",)
    assert corp.store.count(USERS) == 12


def test_who_leaves_can_be_removed_and_comes_back_reactivated(firm: Found) -> None:
    """on_leave: remove deletes the CRM user of somebody who takes part no longer."""
    corp = staffed(firm, *(f"u{n}" for n in range(12)), users=STAYING)
    (before,) = corp.sql("SELECT id FROM crm_user WHERE login = 'u3'")
    corp.change("u3", "title", "Left")
    corp.clock.advance(86_400)
    assert counts(corp) == {"crm.delete": 1}
    assert "u3" not in corp.logins()
    corp.change("u3", "title", "Here")
    assert counts(corp) == {"crm.create": 1}
    assert corp.sql("SELECT id FROM crm_user WHERE login = 'u3' AND NOT deleted") == [before]


def test_denied_deletes_leave_the_crm_alone(firm: Found) -> None:
    """B-5, B-39."""
    corp = staffed(firm, *(f"u{n}" for n in range(12)), users="  deny: [inbound-delete]\n")
    corp.server.delete(corp.dn("u3"))
    corp.clock.advance(86_400)
    assert counts(corp) == {"detached": 1}
    assert len(corp.logins()) == 12


def test_whom_the_crm_locked_out_the_directory_does_not_let_in_again(firm: Found) -> None:
    """An administrator deactivates a user: he stays so until the administrator takes him back."""
    corp = staffed(firm, "ann", "bob")
    corp.sql("UPDATE crm_user SET deleted = 1 WHERE login = 'ann'")
    corp.run()
    corp.change("ann", "title", "Still there")
    corp.clock.advance(86_400)
    corp.run()
    assert corp.logins() == ["bob"]
    corp.sql("UPDATE crm_user SET deleted = 0 WHERE login = 'ann'")
    counts(corp)
    assert corp.user("ann", "job_title", "deleted") == ("Still there", 0)
    assert counts(corp) == {}


# -- addresses ---------------------------------------------------------------------------------------------------------


def addresses(corp: Firm, login: str) -> tuple[str | None, list[str]]:
    """A CRM user's own address and his further ones."""
    (key, main) = corp.user(login, "id", "email")
    rows = corp.sql("SELECT email FROM crm_user_email WHERE user_id = ? ORDER BY email", key)
    return main, [str(row[0]) for row in rows]


def test_an_address_fills_an_empty_default_and_the_others_are_further_ones(firm: Found) -> None:
    """B-81."""
    corp = firm()
    corp.hire("ann", mail=["ann@test.internal", "a.lee@test.internal"])
    counts(corp)
    assert addresses(corp, "ann") == ("ann@test.internal", ["a.lee@test.internal"])
    assert counts(corp) == {}


def test_a_default_that_a_native_user_has_stays_and_only_the_directorys_addresses_go(firm: Found) -> None:
    """B-81: only LDAP-sourced e-mails are deleted, also when the directory gave one that was there before."""
    corp = firm()
    corp.sql("INSERT INTO crm_user (name, login, email) VALUES ('A', 'ann', 'a@home.example')")
    corp.sql("INSERT INTO crm_user_email SELECT id, 'shared@test.internal' FROM crm_user WHERE login = 'ann'")
    corp.hire("ann", mail=["ann@test.internal", "shared@test.internal"])
    counts(corp)
    assert addresses(corp, "ann") == ("a@home.example", ["ann@test.internal", "shared@test.internal"])
    corp.change("ann", "mail", "new@test.internal")
    assert counts(corp) == {"crm.update": 1}
    assert addresses(corp, "ann") == ("a@home.example", ["new@test.internal", "shared@test.internal"])
    assert counts(corp) == {}


def test_a_default_that_the_directory_filled_follows_it(firm: Found) -> None:
    corp = staffed(firm, "ann")
    corp.change("ann", "mail", "new@test.internal")
    assert counts(corp) == {"crm.update": 1}
    assert addresses(corp, "ann") == ("new@test.internal", [])
    corp.server.modify(f"dn: {corp.dn('ann')}\nchangetype: modify\ndelete: mail")
    counts(corp)
    assert addresses(corp, "ann") == (None, [])
    assert counts(corp) == {}


def test_an_address_that_somebody_removes_in_the_crm_comes_back(firm: Found) -> None:
    corp = firm()
    corp.hire("ann", mail=["ann@test.internal", "a.lee@test.internal"])
    counts(corp)
    corp.sql("DELETE FROM crm_user_email WHERE email = 'a.lee@test.internal'")
    corp.sql("UPDATE crm_user SET phone = '1' WHERE login = 'ann'")
    counts(corp)
    assert addresses(corp, "ann") == ("ann@test.internal", ["a.lee@test.internal"])


def test_a_user_without_mail_comes_in_where_the_crm_lets_him(firm: Found) -> None:
    corp = firm()
    corp.hire("ann", mail="")
    assert counts(corp) == {"crm.create": 1}
    assert addresses(corp, "ann") == (None, [])
    assert counts(corp) == {}


def test_a_user_without_mail_is_set_aside_where_the_crm_demands_one(firm: Found) -> None:
    """The message says whose demand that is and what to do."""
    corp = firm()
    schema = (
        "UPDATE sqlite_master SET sql = replace(sql, 'email VARCHAR(254) UNIQUE', 'email VARCHAR(254) NOT NULL UNIQUE')"
    )
    with closing(sqlite3.connect(corp.crm_file)) as connection:
        connection.execute("PRAGMA writable_schema = 1")
        connection.execute(f"{schema} WHERE name = 'crm_user'")
        connection.commit()
    corp.hire("ann", mail="")
    corp.hire("bob")
    corp.run()
    assert corp.logins() == ["bob"]
    (aside,) = corp.store.quarantined(USERS)
    assert (aside.code, "the CRM demands an e-mail address of every user" in aside.reason) == ("no-mail", True)


# -- what stops a pass -------------------------------------------------------------------------------------------------


def test_a_base_that_is_not_there_stops_the_link(firm: Found) -> None:
    corp = staffed(firm, "ann")
    target = corp.home / "targets.d/corp.yaml"
    target.write_text(target.read_text().replace(f"ou=people,{corp.base}", f"ou=persons,{corp.base}"))
    corp.close()
    report = corp.run()
    assert isinstance(report.error, ContainerGone)
    assert corp.logins() == ["ann"]


def test_a_pass_that_is_only_rehearsed_shows_everything_and_writes_nothing(firm: Found) -> None:
    """B-100: `plan` works as for any other target."""
    corp = firm()
    corp.hire("ann")
    report = corp.run(rehearse=True)
    assert (report.counts["crm.create"], corp.logins()) == (1, [])
    assert corp.store.count(USERS) == 0


def test_every_write_is_in_the_ledger(firm: Found) -> None:
    """P17: before, after, and the line of YAML that decided."""
    corp = staffed(firm, "ann")
    corp.change("ann", "title", "Buyer")
    counts(corp)
    assert corp.store.writes_since(USERS, corp.clock.now().replace(year=2020)) == {
        Operation.CREATE: 1,
        Operation.UPDATE: 1,
    }
