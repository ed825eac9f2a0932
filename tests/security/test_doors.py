"""Hostile input through the doors that other rooms describe: posts (E2), the directory (E8), the CRM (E9), the console (E11).

What those doors do in full is tested where they are; here stands what an attacker must not get, under its own number.
"""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from ldap3.operation.search import parse_filter

from runner.config.plan import CrmField
from runner.connectors.ldap.names import in_filter
from runner.model.errors import ContainerGone
from runner.model.record import FieldType
from runner.testing.clock import FakeClock
from runner.web.console import rendering
from runner.web.console.access import Access
from tests.console.test_access import LOCAL, answered, plan, request, users
from tests.crm.test_schema import ODD
from tests.service.test_push import Endpoint, endpoint, post_of
from tests.support.crm import PLAN, sqlite_world, with_entity

__all__ = ["endpoint", "plan", "users"]
REPOSITORY = Path(__file__).parents[2]
SCRIPT = "<img src=x onerror=alert(1)>"


def test_e2_a_forged_post_marks_one_folder_at_most(endpoint: Endpoint) -> None:
    """Without the address's secret nothing is even read; with it, but for another subscription, nothing is believed; and
    whoever knows both makes us look once."""
    assert endpoint.post(post_of("CreatedEvent"), "/push/hq/h/guessed")[1] in {"Unsubscribe", None}
    assert endpoint.post(post_of("CreatedEvent", subscription="theirs")) == (200, "Unsubscribe")
    assert endpoint.ears.told == []
    assert endpoint.post(post_of(*["DeletedEvent"] * 500)) == (200, "OK")
    assert endpoint.ears.told == [("posted", True)]


@pytest.mark.parametrize("value", ["*)(uid=*", "a)(|(uid=*", "*", "x\\2a", "nul\0", "Jürgen (IT)"])
def test_e8_no_value_changes_a_directory_filter(value: str) -> None:
    """LDAP injection: whatever a name holds, the filter has the same two parts, and the name is one value."""
    both = parse_filter(f"(&(objectClass=person)(cn={in_filter(value)}))", None, False, None, None, False).elements[0]
    assert [part.assertion["attr"] for part in both.elements] == ["objectClass", "cn"]
    told = both.elements[1].assertion["value"]
    for sign, code in (b"\\", b"5c"), (b"*", b"2a"), (b"(", b"28"), (b")", b"29"), (b"\0", b"00"):
        told = told if sign == b"\\" else told.replace(b"\\" + code, sign)
    assert told.replace(b"\\5c", b"\\") == value.encode()


def test_e9_no_name_of_a_mapping_becomes_sql(tmp_path: Path) -> None:
    """SQL injection by a table's or a column's name in YAML, and by a value: refused, or bound."""
    with closing(sqlite_world(tmp_path)) as world:
        column = {"subject": CrmField("subject", ODD, FieldType.TEXT)}
        for hostile in (with_entity(PLAN, table=ODD), with_entity(PLAN, key=ODD), with_entity(PLAN, fields=column)):
            with pytest.raises(ContainerGone, match="DROP TABLE"):
                world.connector(hostile).check()
        made = world.made(ODD, ODD, subject=ODD)
        assert world.item(made.key).values["subject"] == ODD
        assert world.sql("SELECT count(*) FROM appointment") == [(1,)]


def test_e11_the_console_lets_no_stranger_in_and_runs_no_subject(plan: object) -> None:
    """No log-on, CSRF, a rebound name, a frame, a script in a subject."""
    assert Access(lambda: plan, FakeClock().monotonic).visitor(request()) is None  # type: ignore[arg-type,return-value]
    assert answered(LOCAL, request(method="POST", origin="https://evil.example"))[0] == 403
    status, headers = answered(LOCAL, request(host="evil.example"))
    assert (status, headers["x-frame-options"]) == (403, "DENY")
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["content-security-policy"].startswith("default-src 'self'")
    for how in ("{{ it }}", "{{ it|shown }}", "{{ [it]|shown }}", "{{ it|place }}", "<a title='{{ it }}'>"):
        assert "<img" not in rendering._ENVIRONMENT.from_string(how).render(it=SCRIPT)


NO_NETWORK = """
import socket
def refused(*_, **__): raise OSError("there is no network")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refused
"""


def test_the_bill_of_materials_is_made_without_a_network(tmp_path: Path) -> None:
    """`make sbom`, once its environment is there: every package of the lock, with its hashes."""
    subprocess.run(["make", "-s", ".venv/sbom/.made"], cwd=REPOSITORY, check=True, capture_output=True)
    (tmp_path / "sitecustomize.py").write_text(NO_NETWORK)
    bill = tmp_path / "bill.json"
    subprocess.run(
        ["make", "-s", "sbom", f"SBOM={bill}"],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=True,
        capture_output=True,
    )
    told = json.loads(bill.read_text())
    locked = [line for line in (REPOSITORY / "requirements.txt").read_text().splitlines() if "==" in line]
    assert told["bomFormat"] == "CycloneDX"
    assert len(told["components"]) == len(locked)
    assert all(one["externalReferences"][0]["hashes"] for one in told["components"])
