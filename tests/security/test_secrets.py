"""E7: a canary in every secret, searched for in everything that comes out: what commands print when they succeed and when
they fail, the log at its most talkative, the state, every answer of the API, the metrics."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import requests

from tests.e2e.operator import ANN, Operator
from tests.e2e.served import Served, until

EXCHANGE, LDAP, OAUTH, CRM, API = (f"c4nary-{name}-8f2e" for name in ("exchange", "ldap", "oauth", "crm", "api-token"))
CANARIES = (EXCHANGE, LDAP, OAUTH, CRM, API)
NOBODY = "127.0.0.1:1"
OTHERS = f"""\
targets.d/corp.yaml|version: 1
kind: ldap
name: corp
url: ldaps://{NOBODY}
auth: {{type: simple, username: "cn=reader", password: {{env: CORP_PASSWORD}}}}
users: {{bases: ["ou=people,dc=example,dc=com"], mapping: user}}
targets.d/cloud.yaml|version: 1
kind: exchange
name: cloud
endpoint: https://{NOBODY}/EWS/Exchange.asmx
auth: {{type: oauth2, client_id: app, client_secret: {{file: secrets/oauth}}, token_url: "https://{NOBODY}/token"}}
access: impersonation
defaults: {{folders: {{calendar: {{mapping: schedule_item, direction: both}}}}}}
links: [{{user: bob.ray@example.com}}]
"""
COMMANDS = (
    ("validate", "-o", "json"),
    ("show", "config", "-o", "json"),
    ("show", "links", "-o", "yaml"),
    ("plan", "-o", "json"),
    ("run", "--once"),
    ("apply", "--yes"),
    ("doctor", "--all"),
    ("doctor", "-o", "json"),
    ("status", "-o", "json"),
    ("explain", ANN),
    ("conflicts", "list"),
    ("quarantine", "list"),
    ("ledger", "list", "-o", "json"),
    ("runs", "list", "-o", "json"),
    ("audit",),
    ("report",),
    ("target", "groups", "corp"),
    ("scaffold", "systemd"),
    ("no-such-command", EXCHANGE[:6]),
)


def test_e7_no_secret_comes_out_anywhere(operator: Operator) -> None:
    operator.ready()
    _described(operator)
    told: dict[str, str] = {}
    for way, password in (("refused", "wr0ng-" + EXCHANGE), ("accepted", EXCHANGE)):
        operator.environ["EXSYNC_SANDBOX_PASSWORD"] = password
        for command in COMMANDS:
            told[f"{way}: {' '.join(command)}"] = operator.typed(*command).text
    right = operator.environ["EXSYNC_CRM_URL"]
    operator.environ["EXSYNC_CRM_URL"] = f"postgresql+psycopg://exsync:{CRM}@{NOBODY}/crm"
    for command in (("plan",), ("doctor",), ("status",), ("target", "ddl", "crm")):
        told[f"no CRM: {' '.join(command)}"] = operator.typed(*command).text
    operator.environ["EXSYNC_CRM_URL"] = right
    assert "refused the log-on" in told["refused: plan -o json"] + told["refused: run --once"]
    assert "nobody answers" in told["accepted: run --once"]

    port = _vacant_port()
    operator.environ["EXSYNC_API_TOKEN"] = API
    with Served(operator, "--listen", f"127.0.0.1:{port}") as served:
        until("a pass was made", lambda: served.log("pass.done") or served.log("pass.idle"))
        until("a target is down", lambda: served.log("target.down"))
        for path in _readable(port):
            told[f"GET {path}"] = _got(port, path)
        told["reload"] = operator.exsync("reload").text
        assert served.stop() == 0
    operator.replace("targets.d/sandbox.yaml", "{env: EXSYNC_SANDBOX_PASSWORD}", EXCHANGE)
    told["written out"] = operator.typed("validate").text
    assert "secret" in told["written out"]

    found = [(where, canary) for where, text in told.items() for canary in CANARIES if canary in text]
    assert not found
    ours = [path for path in operator.home.rglob("*") if path.is_file() and "secrets" not in path.parts]
    assert operator.state in ours
    assert served.log_file in ours
    ours.remove(operator.home / "targets.d/sandbox.yaml")  # where the operator has just written one himself
    for path in ours:
        content = path.read_bytes()
        assert not [canary for canary in CANARIES if canary.encode() in content], path


def _described(operator: Operator) -> None:
    """More targets, none of which answers, and the secrets of all of them."""
    (operator.home / "secrets").mkdir()
    (operator.home / "secrets/oauth").write_text(f"{OAUTH}\n")
    file: Path | None = None
    for line in OTHERS.splitlines(keepends=True):
        name, bar, rest = line.partition("|")
        if bar:
            file = operator.home / name
            file.write_text("")
        assert file is not None
        with file.open("a") as out:
            out.write(rest if bar else line)
    operator.environ["CORP_PASSWORD"] = LDAP
    operator.sandbox.add_account(operator.sandbox.username, EXCHANGE, impersonates=True)


def _vacant_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _readable(port: int) -> list[str]:
    """Every address that can be read without naming an item."""
    described = json.JSONDecoder().raw_decode(_got(port, "/api/v1/openapi.json"))[0]["paths"]
    return ["/metrics", *(path for path, verbs in described.items() if "get" in verbs and "{" not in path)]


def _got(port: int, path: str) -> str:
    answer = requests.get(f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {API}"}, timeout=60)
    return answer.text + json.dumps(dict(answer.headers))
