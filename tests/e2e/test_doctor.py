"""``exsync doctor`` against sandboxes over HTTPS: what is wrong is named with its remedy, and stops nothing else (B-100)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from runner.sandbox.exchange import Sandbox
from tests.e2e.operator import ANN, BOB, Operator
from tests.support.certificates import Made, authority, certificate

EVE = "eve.out@example.com"


@pytest.fixture(scope="module")
def issuer() -> Made:
    return authority("Office CA")


def served(home: Path, issuer: Made, **made: Any) -> tuple[str, str]:
    """Certificate and key files of a server; the authority beside them."""
    shown = certificate(issuer, "localhost", addresses=("127.0.0.1",), **made)
    (home / "ca.pem").write_bytes(issuer.pem)
    pair = home / "server.pem", home / "server.key"
    for path, content in zip(pair, (shown.pem, shown.key_pem), strict=True):
        path.write_bytes(content)
    return str(pair[0]), str(pair[1])


@pytest.fixture
def sandbox(tmp_path: Path, issuer: Made) -> Iterator[Sandbox]:
    with Sandbox(password="right", scope=[ANN, BOB], tls=served(tmp_path, issuer)) as made:
        for address in (ANN, BOB, EVE):
            made.add_mailbox(address)
        yield made


@pytest.fixture
def operator(tmp_path: Path, sandbox: Sandbox) -> Operator:
    made = Operator(tmp_path, sandbox)
    made.replace("targets.d/sandbox.yaml", "access: impersonation", "access: impersonation\nca_file: ca.pem")
    assert made.typed("target", "ddl", "crm", "--apply").code == 0
    return made


def told(operator: Operator, *words: str, code: int = 0) -> dict[tuple[str, str], dict[str, Any]]:
    said = operator.typed("doctor", *words, "-o", "json")
    assert said.code == code, said.text
    return {(one["subject"], one["check"]): one for one in json.loads(said.out)["checks"]}


def test_an_installation_as_it_should_be(operator: Operator) -> None:
    assert operator.typed("apply").code == 0
    before = len(operator.sandbox.requests)
    found = told(operator, "--outside", EVE)
    assert {key for key, one in found.items() if one["level"] != "ok"} == {("sandbox", "version")}  # Exchange 2019
    for check in ("certificate", "clock", "log-on", "impersonation", "scope", "throttling"):
        assert ("sandbox", check) in found
    assert {check for subject, check in found if subject == "crm"} == {"connection", "grants", "DDL"}
    assert ("secrets", "EXSYNC_SANDBOX_PASSWORD") in found
    assert "Office CA" in found["sandbox", "certificate"]["message"]
    assert {seen.operation for seen in list(operator.sandbox.requests)[before:]} == {"GetFolder"}
    assert operator.typed("doctor", "--outside", EVE, "--strict").code == 3


def test_an_account_without_a_scope_opens_everybodys_mailbox(operator: Operator) -> None:
    operator.sandbox.add_account("svc-exsync", "right", impersonates=True, scope=None)
    found = told(operator, "sandbox", "--outside", f"sandbox={EVE}", code=77)
    assert found["sandbox", "scope"]["level"] == "failure"
    assert EVE in found["sandbox", "scope"]["message"]
    assert told(operator, "sandbox", "--outside", "nobody@example.com")["sandbox", "scope"]["level"] == "warning"
    inside = operator.typed("doctor", "--outside", ANN)
    assert (inside.code, "has links" in inside.text) == (64, True)


def test_a_wrong_password_is_tried_once_and_the_remedy_names_the_secret(operator: Operator) -> None:
    """C3."""
    operator.environ["EXSYNC_SANDBOX_PASSWORD"] = "wrong-and-secret"
    found = told(operator, code=77)
    assert "targets.d/sandbox.yaml:6:53" in found["sandbox", "log-on"]["remedy"]
    assert "exsync target resume sandbox" in found["sandbox", "log-on"]["remedy"]
    assert ("sandbox", "impersonation") not in found
    for command in ("plan", "apply", "run"):
        said = operator.typed(command, *(["--once"] if command == "run" else []))
        assert said.code == 77
        assert "{env: EXSYNC_SANDBOX_PASSWORD} (targets.d/sandbox.yaml:6:53)" in said.text
        assert "exsync target resume sandbox" in said.text
        assert "0 known items" not in said.text
        assert "wrong-and-secret" not in said.text


def test_one_target_that_fails_does_not_keep_the_others_from_being_looked_at(
    operator: Operator, issuer: Made, tmp_path: Path
) -> None:
    """An expired certificate there, a CRM without our triggers here: both are told, and the sound target is too."""
    (tmp_path / "old").mkdir()
    expired = served(tmp_path / "old", issuer, lasts=timedelta(minutes=-1))
    text = (tmp_path / "targets.d" / "sandbox.yaml").read_text(encoding="utf-8")
    with Sandbox(password="right", tls=expired) as second:
        other = text.replace(operator.sandbox.url, second.url).replace("name: sandbox", "name: branch")
        (tmp_path / "targets.d" / "branch.yaml").write_text(other, encoding="utf-8")
        operator.sql("DROP TRIGGER exsync_outbox_task_insert")
        found = told(operator, "--outside", EVE, code=69)
    assert "expired" in found["branch", "certificate"]["message"]
    assert "renew" in found["branch", "certificate"]["remedy"]
    assert ("branch", "log-on") not in found
    assert "exsync_outbox_task_insert" in found["crm", "connection"]["message"]
    assert found["sandbox", "scope"]["level"] == "ok"


def test_what_others_on_the_machine_may_read_is_named(operator: Operator, tmp_path: Path) -> None:
    """E10; and a secret that is not there keeps the other checks from nothing."""
    secret = tmp_path / "password"
    secret.write_text("right\n", encoding="utf-8")
    secret.chmod(0o644)
    operator.replace("targets.d/sandbox.yaml", "{env: EXSYNC_SANDBOX_PASSWORD}", "{file: password}")
    operator.state.parent.mkdir(mode=0o755, exist_ok=True)
    operator.state.parent.chmod(0o755)
    found = told(operator)
    assert found["secrets", str(secret)]["level"] == "warning"
    assert found["state", "permissions"]["level"] == "warning"
    assert found["sandbox", "log-on"]["level"] == "ok"
    secret.unlink()
    found = told(operator, code=64)
    assert found["secrets", str(secret)]["level"] == found["sandbox", "connection"]["level"] == "failure"
    assert found["crm", "grants"]["level"] == "ok"


def test_mailboxes_that_are_looked_up_are_found_first(operator: Operator) -> None:
    """B-16: certificate and clock are those of the server that Autodiscover names."""
    url = f"autodiscover: {operator.sandbox.autodiscover_url}"
    operator.replace("targets.d/sandbox.yaml", f"endpoint: {operator.sandbox.url}", url)
    found = told(operator, "sandbox", "--all")
    assert operator.sandbox.url in found["sandbox", "autodiscover"]["message"]
    assert {found["sandbox", check]["level"] for check in ("autodiscover", "certificate", "clock", "log-on")} == {"ok"}


def test_a_target_that_does_not_exist_is_refused(operator: Operator) -> None:
    said = operator.typed("doctor", "sandbax")
    assert said.code == 64
    assert "there are crm, sandbox" in said.text


def test_the_push_listeners_certificate_is_looked_at_in_its_file(
    operator: Operator, tmp_path: Path, issuer: Made
) -> None:
    """B-11: from the day on which it ends, servers that verify it post to nobody."""
    made, other = certificate(issuer, "push.example.com", lasts=timedelta(days=9)), certificate(issuer, "x")
    pair = tmp_path / "push.pem"
    pair.write_bytes(made.pem + made.key_pem)
    (tmp_path / "other.key").write_bytes(other.key_pem)
    (tmp_path / "empty.pem").write_bytes(b"")
    for words, level, told_of in (
        ([str(pair)], "warning", "8 days are left"),
        ([str(pair), "--push-tls-key", str(tmp_path / "other.key")], "failure", "MISMATCH"),
        ([str(tmp_path / "empty.pem")], "failure", "cannot be used"),
        ([str(tmp_path / "none.pem")], "failure", "No such file"),
    ):
        found = told(operator, "--outside", EVE, "--push-tls-cert", *words, code=1 if level == "failure" else 0)
        one = found["push listener", "certificate"]
        assert (one["level"], told_of in one["message"]) == (level, True), one
    assert operator.typed("doctor", "--push-tls-key", str(pair)).code == 64


def test_the_certificate_of_who_gives_out_tokens_is_looked_at_before_the_log_on(
    operator: Operator, tmp_path: Path, issuer: Made
) -> None:
    """An application that gets no token synchronises nothing: the reason is named, and no log-on is tried."""
    operator.replace(
        "targets.d/sandbox.yaml",
        "auth: {type: basic, username: svc-exsync, password: {env: EXSYNC_SANDBOX_PASSWORD}}",
        f"auth: {{type: oauth2, client_id: svc-exsync, client_secret: {{env: EXSYNC_SANDBOX_PASSWORD}}, "
        f"token_url: '{operator.sandbox.token_url.replace('localhost', '127.0.0.2')}'}}",
    )
    before = len(operator.sandbox.requests)
    found = told(operator, "sandbox", code=69)
    assert found["sandbox", "certificate"]["level"] == "ok"
    assert found["sandbox", "token_url"]["level"] == "failure"
    assert ("sandbox", "log-on") not in found
    assert len(operator.sandbox.requests) == before
