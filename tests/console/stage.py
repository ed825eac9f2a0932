"""A running service with a console, as an operator would have it: sandbox, SQLite CRM, YAML, users, and work that waits."""

from __future__ import annotations

import socket
from pathlib import Path

from runner.cli.demo import EDITS
from runner.sandbox.exchange import Sandbox
from runner.web.console.users import hashed
from tests.e2e.operator import ANN, BOB, Operator
from tests.e2e.served import Served, until

PASSWORD = "correct horse battery"
TARGET = "targets.d/sandbox.yaml"
EVIL = "<img src=x onerror=\"document.title='owned'\">"
_HASH = hashed(PASSWORD)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Stage:
    """The parts of one console under test: every folder, meetings with participants, a budget of no mail, and conflicts that
    wait for a person."""

    def __init__(self, home: Path, sandbox: Sandbox, *, service: str = "") -> None:
        self.operator = Operator(home, sandbox)
        self.sandbox = sandbox
        self.port = free_port()
        for old, new in EDITS.items():
            self.operator.replace(TARGET, old, new)
        self.operator.replace(
            TARGET, "  conflict: crm_wins\n", "  conflict: manual\n  mail: {send: [invitations], per_run: 0}\n"
        )
        self.operator.replace(TARGET, "access: impersonation", "access: impersonation\nnotifications: {poll: 1m}")
        (home / "secrets").mkdir()
        (home / "secrets/users").write_text(f"olga:operator:{_HASH}\nvera:viewer:{_HASH}\n")
        (home / "service.yaml").write_text(
            f"version: 1\nkind: service\nconsole:\n  listen: 127.0.0.1:{self.port}\n"
            f"  users: {{file: secrets/users}}\n{service}"
        )

    @property
    def url(self) -> str:
        """Where the console is."""
        return f"http://127.0.0.1:{self.port}"

    def work(self, served: Served, *, evil: bool = True) -> None:
        """Something of everything that waits for a person: a held conflict, an item set aside, a mail, a suspension."""
        operator, ann = self.operator, self.sandbox.mailbox(ANN)
        served.idle()
        [(number, title)] = operator.sql(
            "SELECT id, subject FROM appointment WHERE owner_id = 1 AND recurrence_rule IS NULL ORDER BY id LIMIT 1"
        )
        here = {"scope": "link", "name": ANN}
        served.remote.post("/api/v1/suspend", {**here, "reason": "moves to the new office"})
        [item] = [view for view in ann.items() if view.text("Subject") == title]
        ann.edit(item.id, Subject=EVIL if evil else f"{title} (online)")
        operator.sql("UPDATE appointment SET subject = ? WHERE id = ?", f"{title} (moved to Thursday)", number)
        ann.create(Subject="x" * 256, Start="2026-12-03T09:00:00Z", End="2026-12-03T10:00:00Z")
        ann.create(
            Subject=f"Offsite {EVIL if evil else 'in Graz'}", Start="2026-12-04T09:00:00Z", End="2026-12-04T10:00:00Z"
        )
        meeting = operator.sql(
            "INSERT INTO appointment (subject, starts_at, ends_at, time_zone, owner_id) VALUES ('Contract with Northwind', "
            "datetime('now', '+3 days'), datetime('now', '+3 days', '+1 hour'), 'Europe/Vienna', 1) RETURNING id"
        )[0][0]
        operator.sql(
            "INSERT INTO appointment_guest (appointment_id, email, role) VALUES (?, 'zoe@northwind.example', 'required')",
            meeting,
        )
        served.remote.post("/api/v1/resume", here)
        until("a conflict is held", lambda: served.remote.get("/api/v1/conflicts?open")["conflicts"])
        until("an item is set aside", lambda: served.remote.get("/api/v1/quarantine")["items"])
        until("a mail is held", lambda: served.remote.get("/api/v1/mail")["mails"])


def acts(served: Served) -> list[tuple[str, str, str]]:
    """Who did what to what, newest first; the stage's own doings aside."""
    told = served.remote.get("/api/v1/acts")["acts"]
    return [(act["who"], act["what"], act["subject"]) for act in told if act["who"] != "root"]


__all__ = ["ANN", "BOB", "EVIL", "PASSWORD", "TARGET", "Stage", "acts"]
