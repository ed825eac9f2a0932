"""The running parts of ``make demo``: the sandbox is the Exchange, an SQLite file the CRM.

Edits "in Outlook" go over EWS with stock exchangelib, edits "in the CRM" over SQL; exsync itself runs as a command of its
own each time. The sandbox stays up for an hour for own trials. What is shown is told by :mod:`runner.cli.story`.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import click
from exchangelib import IMPERSONATION, UTC, Account, Build, Configuration, Credentials, Version
from exchangelib.items import CalendarItem

from runner.sandbox.demo_crm import create_demo_crm
from runner.web.console.users import hashed

HOME = Path(".demo")
PASSWORD = "demo"  # noqa: S105 - of the sandbox on loopback
ANN, BOB = "ann.lee@example.com", "bob.ray@example.com"
NORA = "nora.winter@example.com"
"""Known to the directory alone when the demo begins."""
CALENDARS = {
    "tests/calendars/timezoned.ics": ANN,
    "tests/calendars/pr_480_summary_with_colon.ics": ANN,
    "tests/calendars/issue_1050_simple_calendar.ics": BOB,
    "tests/calendars/alarm_google_future.ics": BOB,
}
"""Real calendars (Outlook, Google, RFC samples) that the library icalendar ships."""


_OTHER_FOLDERS = """\
    tasks: {entity: task, mapping: task, direction: both}
    contacts: {entity: contact, mapping: contact, direction: outbound}
  private: busy_only
links:
"""
EDITS = {
    "window: {past: 30d, future: 365d}": "window: {past: 20000d, future: 3650d}",
    "links:\n": _OTHER_FOLDERS,
    "  folders: {calendar: {conflict: target_wins}}\n": "",
}
"""What the demo adds to the sample target: tasks, contacts and private items."""


class Demo:
    """The running parts of the demo."""

    def __init__(self, home: Path, source: Path) -> None:
        self.home, self.source = home, source
        self.crm_file = home / "crm.sqlite"
        self.port = 0
        self.step = 0

    @property
    def environment(self) -> dict[str, str]:
        """What an operator would have in the environment."""
        return {
            **os.environ,
            "EXSYNC_CONFIG": str(self.home),
            "EXSYNC_STATE": str(self.home / "state" / "exsync.duckdb"),
            "EXSYNC_CRM_URL": f"sqlite:///{self.crm_file}",
            "EXSYNC_SANDBOX_PASSWORD": PASSWORD,
        }

    def prepare(self) -> None:
        """A configuration, a CRM with data, and a running sandbox with two mailboxes."""
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.copytree(self.source / "targets.d", self.home / "targets.d")
        shutil.copytree(self.source / "mappings", self.home / "mappings")
        (self.home / "tests").mkdir()
        shutil.copy(self.source / "tests" / "calendar.cases.yaml", self.home / "tests")
        create_demo_crm(self.crm_file)
        self.port = _free_port()
        for old, new in EDITS.items():
            self._edit(old, new)
        self._edit("127.0.0.1:8025", f"127.0.0.1:{self.port}")
        self._start_sandbox()

    def _edit(self, old: str, new: str) -> None:
        path = self.home / "targets.d/sandbox.yaml"
        text = path.read_text(encoding="utf-8")
        if old not in text:
            raise click.ClickException(f"{path} no longer has {old!r}")
        path.write_text(text.replace(old, new), encoding="utf-8")

    def _start_sandbox(self) -> None:
        calendars = [f"--load={files('icalendar').joinpath(name)}={user}" for name, user in CALENDARS.items()]
        log = (self.home / "sandbox.log").open("w", encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "runner",
            "sandbox",
            f"--listen=127.0.0.1:{self.port}",
            f"--mailbox={ANN}",
            f"--mailbox={NORA}",
        ]
        command += [f"--mailbox={BOB}", *calendars, "--password-env=EXSYNC_SANDBOX_PASSWORD", "--for=1h"]
        process = subprocess.Popen(  # noqa: S603 - our own interpreter, our own arguments
            command, env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
        )
        log.close()
        (self.home / "sandbox.pid").write_text(str(process.pid), encoding="ascii")
        if _answers(self.port, process):
            return
        raise click.ClickException(f"the sandbox did not start; see {self.home / 'sandbox.log'}")

    def say(self, what: str) -> None:
        """Begin a step."""
        self.step += 1
        click.echo(f"\n\033[1m{self.step}. {what}\033[0m" if sys.stdout.isatty() else f"\n{self.step}. {what}")

    def exsync(self, *arguments: str, expect: int = 0) -> str:
        """Run a command as the operator would, show what it prints, and answer with that."""
        click.echo(f"   $ exsync {' '.join(arguments)}")
        sys.stdout.flush()
        command = [sys.executable, "-m", "runner", *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)  # noqa: S603
        for line in (done.stdout + done.stderr).splitlines():
            click.echo(f"   {line}" if line else "")
        if done.returncode != expect:
            raise click.ClickException(f"exsync {arguments[0]} ended with {done.returncode}, not {expect}")
        return done.stdout

    def sql(self, statement: str, values: Sequence[object] = ()) -> None:
        """An edit by a user of the CRM."""
        with sqlite3.connect(self.crm_file) as connection:
            connection.execute(statement, values)
        connection.close()

    def show(self, what: str, query: str, values: Sequence[object] = ()) -> None:
        """What the CRM holds now, a line for each row."""
        connection = sqlite3.connect(self.crm_file)
        rows = connection.execute(query, values).fetchall()
        connection.close()
        for row in rows:
            click.echo(f"   {what}: " + " · ".join("" if value is None else str(value) for value in row))

    def account(self, user: str) -> Account:
        """A user's mailbox as Outlook reaches it."""
        return Account(
            user,
            config=Configuration(
                service_endpoint=f"http://127.0.0.1:{self.port}/EWS/Exchange.asmx",
                credentials=Credentials("svc-exsync", PASSWORD),
                auth_type="basic",
                version=Version(Build(15, 2, 1544, 4)),
            ),
            autodiscover=False,
            access_type=IMPERSONATION,
            default_timezone=UTC,
        )

    def mails(self) -> list[str]:
        """What the sandbox says of each mail that it would have sent: its kind, from whom and to whom."""
        lines = (self.home / "sandbox.log").read_text(encoding="utf-8").splitlines()
        return [line.removeprefix("mail: ") for line in lines if line.startswith("mail: ")]

    def expect_mails(self, count: int) -> None:
        """Show every mail so far. Raises when there are more, or fewer, than people sent: none may be exsync's (B-42)."""
        told = self.mails()
        for line in told:
            click.echo(f"   mail that the server sent: {line}")
        if len(told) != count:
            raise click.ClickException(f"the server sent {len(told)} mail(s), not {count}")

    def outlook(self, user: str, title: str) -> CalendarItem:
        """The appointment that the user sees in Outlook, read over EWS."""
        item = self.account(user).calendar.filter(subject=title)[0]
        if not isinstance(item, CalendarItem):
            raise click.ClickException(f"{user} has no appointment {title!r}")
        return item


def farewell(demo: Demo) -> None:
    """What to try next on the running parts."""
    exports = [f"export {name}={demo.environment[name]}" for name in demo.environment if name.startswith("EXSYNC_")]
    click.echo("\nThe sandbox stays up for an hour; make demo-stop ends all that runs. To go on by yourself:\n")
    for line in exports:
        click.echo(f"  {line}")
    click.echo("  .venv/bin/exsync plan                  # what the next pass would do")
    click.echo(f"  open {demo.crm_file} with any SQLite client, edit an appointment, then: .venv/bin/exsync apply")
    click.echo("  .venv/bin/exsync conflicts list        # and: conflicts show ID, conflicts resolve ID --take restore")
    click.echo(
        "  .venv/bin/exsync test                  # the mappings, and cases of the whole configuration in sandboxes"
    )
    click.echo("  .venv/bin/exsync show plan             # every value and the YAML line that it came from")
    click.echo("  .venv/bin/exsync --help")


def serve(demo: Demo) -> None:
    """Leave the service running, with the web console; prints where it is and who may log in."""
    port, password = _free_port(), secrets.token_urlsafe(9)
    users = demo.home / "secrets" / "console-users"
    users.parent.mkdir(mode=0o700, exist_ok=True)
    users.write_text(
        "".join(f"{name}:{role}:{hashed(password)}\n" for name, role in (("olga", "operator"), ("vera", "viewer"))),
        encoding="utf-8",
    )
    (demo.home / "service.yaml").write_text(
        f"version: 1\nkind: service\nconsole:\n  listen: 127.0.0.1:{port}\n  users: {{file: secrets/console-users}}\n",
        encoding="utf-8",
    )
    log = (demo.home / "serve.log").open("w", encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "runner", "serve"],
        env=demo.environment,
        stdout=log,
        stderr=log,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    log.close()
    (demo.home / "serve.pid").write_text(str(process.pid), encoding="ascii")
    if not _answers(port, process):
        raise click.ClickException(f"the service did not start; see {demo.home / 'serve.log'}")
    click.echo(
        f"\nThe console: http://127.0.0.1:{port}/  log in as olga (operator) or vera (viewer), password {password}"
    )


def _answers(port: int, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.1)
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stop(home: Path) -> None:
    """End the sandbox and the service that an earlier demo left running."""
    for name in ("serve", "sandbox"):
        file = home / f"{name}.pid"
        if not file.exists():
            continue
        pid = int(file.read_text(encoding="ascii"))
        command = Path(f"/proc/{pid}/cmdline")
        if command.exists() and f"runner\0{name}".encode() in command.read_bytes():
            os.kill(pid, signal.SIGTERM)
        file.unlink()
