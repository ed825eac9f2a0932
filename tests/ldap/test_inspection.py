"""What ``exsync doctor`` asks a directory server, against a real OpenLDAP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runner.config.plan import LdapPlan
from runner.connectors.certificates import presented
from runner.connectors.ldap.inspection import inspect
from runner.engine.checkup.directories import paging
from runner.model.errors import AuthRefused
from tests.ldap.conftest import plan_for
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
