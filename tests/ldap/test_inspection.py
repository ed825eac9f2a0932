"""What ``exsync doctor`` asks a directory server, against a real OpenLDAP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runner.cli.context import Context
from runner.cli.examination import Asked, Examined, examine
from runner.config.plan import LdapPlan
from runner.connectors.certificates import presented
from runner.connectors.ldap.inspection import inspect
from runner.engine.checkup.directories import paging
from runner.model.checkup import Diagnosis
from runner.model.errors import AuthRefused
from tests.ldap.branch import Branch
from tests.ldap.conftest import plan_for
from tests.ldap.firm import Firm, Office
from tests.support.certificates import authority
from tests.support.slapd import READER_PASSWORD, Slapd


def now() -> datetime:
    return datetime.now(UTC)


def started(server: Slapd) -> LdapPlan:
    return plan_for(server.url, start_tls=True, ca_file=str(server.ca))


def test_controls_and_the_certificate_behind_start_tls(server: Slapd) -> None:
    seen = inspect(started(server), READER_PASSWORD, now)
    assert paging(started(server), seen.controls).level == "ok"
    assert seen.certificate is not None
    assert seen.certificate.until is not None
    assert timedelta(days=29) < seen.certificate.until - now() < timedelta(days=30)
    assert seen.clock is None  # OpenLDAP shows none


def test_without_tls_there_is_no_certificate(server: Slapd) -> None:
    assert inspect(plan_for(server.url), READER_PASSWORD, now).certificate is None


def test_a_refused_log_on_says_where_the_secret_is_and_what_goes_on_afterwards(server: Slapd) -> None:
    with pytest.raises(AuthRefused) as caught:
        inspect(plan_for(server.url), "wrong-secret", now)
    remedy = caught.value.remedy or ""
    assert "{env: LDAP_PASSWORD} (targets.d/corp.yaml:6:1)" in remedy
    assert "exsync target resume corp" in remedy
    assert "wrong-secret" not in remedy


def test_a_certificate_is_seen_before_anybody_logs_on(server: Slapd, tmp_path: Path) -> None:
    seen = presented("127.0.0.1", server.tls_port, ca_file=str(server.ca))
    assert (seen.trouble, seen.silence, seen.issuer) == (None, None, "LDAP test CA")
    stranger = tmp_path / "stranger.pem"
    stranger.write_bytes(authority("another CA").pem)
    assert presented("127.0.0.1", server.tls_port, ca_file=str(stranger)).trouble
    assert presented("127.0.0.1", server.port, ca_file=str(server.ca)).silence


def looked_at(office: Office) -> dict[tuple[str, str], Diagnosis]:
    """What ``exsync doctor`` says of a firm."""
    context = Context(office.home, office.home / "state.duckdb", office.home / "no.sock")
    return {(one.subject, one.check): one for one in examine(Examined(context, office.plan(), Asked()))}


def test_a_directory_is_looked_at_from_tls_to_its_groups(firm: Callable[..., Firm]) -> None:
    corp = firm(more="group_mapping:\n- {group: Sales, synchronize_users: true}\n")
    corp.hire("ann")
    missing = looked_at(corp)
    assert missing["corp", "users"].level == "failure"
    assert "Sales" in missing["corp", "users"].message
    assert missing["crm", "grants"].level == "ok"
    corp.team("Sales", "ann")
    found = {check: one.level.value for (subject, check), one in looked_at(corp).items() if subject == "corp"}
    assert {found[check] for check in ("log-on", "paging", "users")} == {"ok"}
    assert found["TLS"] == "warning"  # plain, within this machine


def test_a_refused_log_on_is_a_diagnosis_of_its_own(firm: Callable[..., Firm], monkeypatch: pytest.MonkeyPatch) -> None:
    corp = firm()
    monkeypatch.setenv("CORP_PASSWORD", "wrong-secret")
    found = looked_at(corp)
    assert (found["corp", "log-on"].level, found["corp", "log-on"].exit_code) == ("failure", 77)
    assert ("corp", "users") not in found


def test_active_directory_shows_its_clock(branch: Callable[..., Branch]) -> None:
    found = looked_at(branch())
    assert (found["corp", "clock"].level, found["corp", "paging"].level) == ("ok", "ok")
    assert "agree" in found["corp", "clock"].message
