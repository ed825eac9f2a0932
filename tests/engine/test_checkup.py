"""Verdicts of ``exsync doctor`` over what probes bring home: each must be able to say ok, warning and failure (B-100)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from runner.config.plan import AuthPlan, DirectoryScope, ExchangePlan, LdapAuth, LdapPlan, NotificationsPlan
from runner.config.secrets import SecretRef
from runner.engine.checkup import directories, exchange, permissions, push
from runner.engine.checkup.certificates import certificate, certificate_in_file
from runner.engine.checkup.clocks import clock
from runner.engine.checkup.crm import judged
from runner.model.checkup import CrmSeen, Diagnosis, FileSeen, MailboxSeen, Presented, Reading, Stored
from runner.model.errors import AccessDenied, ContainerGone, Throttled, Transient, Unreachable

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
TODAY = NOW.date()
URL = "https://mail.example.com/EWS/Exchange.asmx"
HQ = ExchangePlan("hq", URL, AuthPlan("basic", "svc", None), "impersonation", "targets.d/hq.yaml:3:1")
CORP = LdapPlan(
    "corp",
    "ldaps://dc1.example.com",
    LdapAuth("simple"),
    "targets.d/corp.yaml:3:1",
    DirectoryScope(("DC=example",), "subtree", None, {}, "targets.d/corp.yaml:9:1"),
)


def levels(found: list[Diagnosis]) -> dict[str, str]:
    for one in found:
        assert (one.remedy is None) == (one.level == "ok"), one
    return {one.check: one.level.value for one in found}


def level(one: Diagnosis) -> str:
    return levels([one])[one.check]


@pytest.mark.parametrize(
    ("changed", "expected", "word"),
    [
        ({"until": NOW + timedelta(days=90)}, "ok", "2027-02-25"),
        ({"until": NOW + timedelta(days=20)}, "warning", "20 days are left"),
        ({"trouble": "certificate has expired"}, "failure", "renew"),
        ({"trouble": "Hostname mismatch, certificate is not valid for 'mail'."}, "failure", "the name that stands"),
        ({"trouble": "self-signed certificate in certificate chain"}, "failure", "ca_file"),
        ({"silence": "Connection refused"}, "failure", "firewall"),
    ],
)
def test_certificates(changed: dict[str, Any], expected: str, word: str) -> None:
    verdict = certificate("hq", Presented("mail.example.com", 443, issuer="CA", **changed), NOW)
    assert level(verdict) == expected
    assert word in f"{verdict.message} {verdict.remedy}"
    assert verdict.exit_code == (69 if expected == "failure" else 0)


@pytest.mark.parametrize(
    ("changed", "expected", "word"),
    [
        ({"until": NOW + timedelta(days=90)}, "ok", "until 2027-02-25, and the key fits"),
        ({"until": NOW + timedelta(days=20)}, "warning", "20 days are left"),
        ({"until": NOW - timedelta(days=1)}, "failure", "ended on 2026-11-26"),
        ({"trouble": "certificate and key cannot be used: KEY_VALUES_MISMATCH"}, "failure", "KEY_VALUES_MISMATCH"),
        ({}, "failure", "it holds no certificate"),
    ],
)
def test_certificates_of_our_own(changed: dict[str, Any], expected: str, word: str) -> None:
    verdict = certificate_in_file("push listener", Stored("/etc/exsync/push.pem", issuer="CA", **changed), NOW)
    assert level(verdict) == expected
    assert word in verdict.message


@pytest.mark.parametrize(
    ("seconds", "expected", "word"),
    [
        (0.4, "ok", "agree"),
        (-30, "ok", "29 s ahead of"),
        (30, "ok", "behind"),
        (90, "warning", "behind"),
        (-90, "warning", "ahead of"),
        (301, "failure", "behind"),
        (-3600, "failure", "ahead of"),
    ],
)
def test_clocks(seconds: float, expected: str, word: str) -> None:
    """D11: newest_wins compares two machines' clocks; Kerberos takes five minutes."""
    verdict = clock("hq", Reading(NOW, NOW + timedelta(seconds=seconds), NOW))
    assert level(verdict) == expected
    assert word in verdict.message


def test_a_slow_answer_is_no_difference_of_clocks() -> None:
    """Whenever within its forty seconds the server read its clock, the two may agree."""
    asked, answered = NOW, NOW + timedelta(seconds=40)
    for theirs in (asked, asked + timedelta(seconds=20), answered):
        assert "agree" in clock("hq", Reading(asked, theirs, answered)).message


STATE = FileSeen("/var/lib/exsync", True, True, 0o700, True, True, True, "ext4", 8 << 30)
FILE = FileSeen("/var/lib/exsync/exsync.duckdb", True, False, 0o600, True, True, True, "ext4", 8 << 30)


@pytest.mark.parametrize(
    ("directory", "file", "check", "expected"),
    [
        ({}, {}, "permissions", "ok"),
        ({"exists": False}, {}, "permissions", "ok"),
        ({}, {"mode": 0o644}, "permissions", "ok"),
        ({"mode": 0o755}, {}, "permissions", "warning"),
        ({"mode": 0o750}, {"mode": 0o644}, "permissions", "warning"),
        ({"owned": False}, {}, "permissions", "warning"),
        ({}, {"writable": False}, "permissions", "failure"),
        ({"filesystem": "nfs4"}, {}, "file system", "failure"),
        ({"free": 1 << 20}, {}, "room", "warning"),
        ({"filesystem": "", "free": None}, {}, "room", "ok"),
    ],
)
def test_the_states_directory(directory: dict[str, Any], file: dict[str, Any], check: str, expected: str) -> None:
    """E10: who may read what users wrote."""
    found = permissions.state(replace(STATE, **directory), [replace(FILE, **file)])
    assert levels(found)[check] == expected


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "ok"),
        ({"mode": 0o640}, "ok"),
        ({"mode": 0o644}, "warning"),
        ({"readable": False}, "failure"),
        ({"exists": False}, "failure"),
        ({"directory": True}, "failure"),
    ],
)
def test_secrets_in_files(changed: dict[str, Any], expected: str) -> None:
    ref = SecretRef("file", "/run/secrets/hq", "targets.d/hq.yaml:6:1")
    verdict = permissions.secret_in_file(ref, replace(FILE, path=ref.name, **changed))
    assert level(verdict) == expected
    assert "targets.d/hq.yaml:6:1" in verdict.message


def test_secrets_in_the_environment() -> None:
    ref = SecretRef("env", "HQ_PASSWORD", "targets.d/hq.yaml:6:1")
    assert level(permissions.secret_in_environment(ref, there=True)) == "ok"
    missing = permissions.secret_in_environment(ref, there=False)
    assert (level(missing), missing.exit_code) == ("failure", 64)


@pytest.mark.parametrize(
    ("build", "changed", "expected"),
    [
        ((15, 2, 2562), {}, {"version": "ok"}),
        ((15, 2, 1544), {}, {"version": "warning"}),
        ((15, 1, 2507), {"version": "Exchange2019"}, {"version": "warning"}),
        ((14, 0, 639), {"version": "Exchange2010"}, {"version": "warning", "capabilities": "failure"}),
        ((15, 20, 8000), {}, {"end of EWS": "warning"}),
    ],
)
def test_versions(build: tuple[int, int, int], changed: dict[str, Any], expected: dict[str, str]) -> None:
    assert levels(exchange.version(replace(HQ, **changed), URL, build, TODAY)) == expected


def test_a_server_that_does_not_speak_the_planned_version_is_named() -> None:
    first, *_ = exchange.version(HQ, URL, (15, 0, 1497), TODAY)
    assert (first.level.value, first.exit_code) == ("failure", 70)
    assert "Exchange 2013" in first.message
    assert "server_version" in (first.remedy or "")


def test_the_end_of_ews_online() -> None:
    assert exchange.is_online("https://outlook.office365.com/EWS/Exchange.asmx", None)
    assert not exchange.is_online(URL, (15, 2, 2562))
    before, after = (exchange.end_of_online("cloud", day) for day in (date(2027, 3, 31), date(2027, 4, 1)))
    assert (level(before), level(after)) == ("warning", "failure")
    assert "in 1 days" in before.message


DENIED = AccessDenied("no", code="ErrorImpersonateUserDenied")


@pytest.mark.parametrize(
    ("error", "access", "expected"),
    [
        (DENIED, "impersonation", "ok"),
        (None, "impersonation", "failure"),
        (None, "delegate", "failure"),
        (AccessDenied("none", code="ErrorNonExistentMailbox"), "impersonation", "warning"),
        (Transient("busy"), "impersonation", "warning"),
        (ContainerGone("gone"), "impersonation", "warning"),
        (ContainerGone("gone"), "delegate", "ok"),
    ],
)
def test_a_mailbox_outside_the_scope_must_be_refused(error: Any, access: str, expected: str) -> None:
    """Without a management scope the account may open everybody's mailbox; a mailbox that is not there proves nothing."""
    verdict = exchange.outside(replace(HQ, access=access), MailboxSeen("eve@example.com", error))
    assert level(verdict) == expected


def test_unless_a_mailbox_is_named_the_scope_is_not_proven() -> None:
    verdict = exchange.outside(HQ, None)
    assert level(verdict) == "warning"
    assert "--outside hq=" in (verdict.remedy or "")


def test_linked_mailboxes() -> None:
    fine, bad = MailboxSeen("a@example.com"), MailboxSeen("b@example.com", AccessDenied("b: no", remedy="grant it"))
    assert levels(exchange.linked(HQ, [fine], 9)) == {"impersonation": "ok"}
    assert levels(exchange.linked(HQ, [], 0)) == {"impersonation": "warning"}
    found = exchange.linked(HQ, [fine, *[bad] * 5], 9)
    assert [one.exit_code for one in found] == [77, 77, 77, 77]
    assert "and 2 more" in found[-1].message


class Linked:
    """As much of a link as throttling asks about."""

    def __init__(self, user: str) -> None:
        self.user = user


@pytest.mark.parametrize(
    ("changed", "links", "online", "expected"),
    [
        ({}, 3000, False, "ok"),
        ({"connections": 40}, 1, False, "warning"),
        ({"access": "delegate"}, 21, True, "warning"),
        ({"access": "delegate"}, 2001, False, "warning"),
        ({"access": "delegate", "notifications": NotificationsPlan("poll")}, 2001, False, "ok"),
    ],
)
def test_throttling(changed: dict[str, Any], links: int, online: bool, expected: str) -> None:
    """Impersonated requests are charged to each mailbox on its own, a delegate's all to its account."""
    linked: Any = [Linked(f"u{number}@example.com") for number in range(links)]
    assert level(exchange.throttling(replace(HQ, **changed), linked, [], online=online)) == expected


def test_being_throttled_now_is_told() -> None:
    busy = MailboxSeen("a@example.com", Throttled("busy", after=3))
    assert level(exchange.throttling(HQ, [], [busy], online=False)) == "warning"


def test_directories() -> None:
    assert level(directories.encryption(CORP)) == "ok"
    assert level(directories.encryption(replace(CORP, url="ldap://dc1", start_tls=True))) == "ok"
    assert level(directories.encryption(replace(CORP, url="ldap://dc1"))) == "failure"
    assert level(directories.encryption(replace(CORP, url="ldap://127.0.0.1"))) == "warning"
    assert level(directories.paging(CORP, {"1.2.840.113556.1.4.319"})) == "ok"
    assert directories.paging(CORP, {"1.2.3"}).exit_code == 70


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (CrmSeen(), {"grants": "ok", "DDL": "ok"}),
        (CrmSeen(lacking=("UPDATE on appointment",)), {"grants": "failure", "DDL": "ok"}),
        (CrmSeen(altered=("trigger x",)), {"grants": "ok", "DDL": "failure"}),
        (
            CrmSeen(optional=("trigger x",), shut=True, mighty=True, clock=Reading(NOW, NOW, NOW)),
            {
                "grants": "ok",
                "DDL": "ok",
                "wake-up": "warning",
                "outbox": "warning",
                "least rights": "warning",
                "clock": "ok",
            },
        ),
    ],
)
def test_the_crm(seen: CrmSeen, expected: dict[str, str]) -> None:
    assert levels(judged("crm", seen)) == expected


@pytest.mark.parametrize(
    ("answer", "serving", "expected"),
    [
        ("…<m:SubscriptionStatus>Unsubscribe</m:SubscriptionStatus>…", True, "ok"),
        ("<html>It works!</html>", True, "failure"),
        (Unreachable("nobody answers"), True, "failure"),
        (Unreachable("nobody answers"), False, "warning"),
        (Unreachable("not trusted", code="tls-not-trusted"), True, "warning"),
    ],
)
def test_push(answer: Any, serving: bool, expected: str) -> None:
    plan = replace(HQ, notifications=NotificationsPlan("push", url="https://exsync.example.com/push"))
    assert level(push.reachable(plan, answer, serving=serving)) == expected
