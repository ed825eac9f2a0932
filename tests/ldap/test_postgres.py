"""Users and groups of a directory in a CRM on a real PostgreSQL: the same rules as on SQLite (B-81, B-82)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from runner.connectors.crm import connect
from tests.ldap.firm import GROUPS, Firm
from tests.ldap.test_users import counts
from tests.support.demo import postgresql_demo
from tests.support.postgres import Postgres, running

USERS = "SELECT login, name, email, directory, locked, deleted FROM crm_user WHERE login IS NOT NULL ORDER BY login"
ADDRESSES = "SELECT email FROM crm_user_email ORDER BY email"


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    with running() as server:
        server.create("crm")
        yield server


def test_users_and_groups_come_in_change_leave_and_come_back(firm: Callable[..., Firm], postgres: Postgres) -> None:
    corp = firm(groups="  mapping: group\n", more="group_mapping:\n- {group: Sales, synchronize_users: true}\n")
    os.environ["EXSYNC_CRM_URL"] = postgres.url("crm")
    corp.hire("ann", mail=["ann@test.internal", "a.lee@test.internal"])
    corp.hire(*(f"u{n}" for n in range(9)))
    corp.team("Sales", "ann", *(f"u{n}" for n in range(9)))
    with postgres.connect("crm") as crm:
        crm.execute(postgresql_demo())
        crm.execute("DELETE FROM crm_user_email")
        with closing(connect(corp.plan().crm, postgres.url("crm"), clock=corp.clock)) as prepared:
            prepared.apply_ddl()
        crm.execute("INSERT INTO crm_user (name, login, email) VALUES ('The boss', 'U0', 'boss@home.example')")

        assert counts(corp) == {"crm.create": 9, "matched": 1, "crm.update": 1}
        rows = crm.execute(USERS).fetchall()
        assert rows[0] == ("U0", "Name of u0", "boss@home.example", "corp", False, False)
        assert rows[1] == ("ann", "Name of ann", "ann@test.internal", "corp", False, False)
        assert [row[0] for row in crm.execute(ADDRESSES)] == ["a.lee@test.internal", "u0@test.internal"]
        assert counts(corp) == {}
        assert corp.run(link=GROUPS).counts["crm.create"] == 1
        assert crm.execute("SELECT name, synchronize_users FROM crm_group").fetchall() == [("Sales", True)]

        corp.change("ann", "mail", "new@test.internal")
        assert counts(corp) == {"crm.update": 1}
        assert [row[0] for row in crm.execute(ADDRESSES)] == ["u0@test.internal"]
        corp.server.delete(corp.dn("ann"))
        assert counts(corp) == {"crm.delete": 1}
        gone = "SELECT id, deleted FROM crm_user WHERE login = 'ann'"
        ((key, deleted),) = crm.execute(gone).fetchall()
        assert deleted
        corp.hire("ann", title="Back")
        corp.join("Sales", "ann")
        assert counts(corp) == {"crm.create": 1}
        assert crm.execute(gone).fetchall() == [(key, False)]
        assert counts(corp) == {}
