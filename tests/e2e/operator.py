"""An operator at his desk: YAML files, an SQLite CRM, a sandbox Exchange, and the command line."""

from __future__ import annotations

import io
import os
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from runner.cli import main
from runner.sandbox.demo_crm import create_demo_crm
from runner.sandbox.exchange import Sandbox

REPOSITORY = Path(__file__).parents[2]
ANN, BOB = "ann.lee@example.com", "bob.ray@example.com"
WRITES = ("CreateItem", "UpdateItem", "DeleteItem", "MoveItem")


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


class Operator:
    """Types commands and edits files; every command is a process of its own."""

    def __init__(self, home: Path, sandbox: Sandbox) -> None:
        self.home, self.sandbox = home, sandbox
        self.mails: Counter[str] = Counter()
        """How many mails of each kind this server shall have sent by the end of the test: none, if the test does not say."""
        self.crm_file = home / "crm.sqlite"
        self.state = home / "state" / "exsync.duckdb"
        shutil.copytree(REPOSITORY / "targets.d", home / "targets.d")
        shutil.copytree(REPOSITORY / "mappings", home / "mappings")
        self.replace("targets.d/sandbox.yaml", "http://127.0.0.1:8025/EWS/Exchange.asmx", sandbox.url)
        create_demo_crm(self.crm_file)
        self.environ = {
            **os.environ,
            "EXSYNC_CONFIG": str(home),
            "EXSYNC_STATE": str(self.state),
            "EXSYNC_CRM_URL": f"sqlite:///{self.crm_file}",
            "EXSYNC_SANDBOX_PASSWORD": sandbox.password,
        }

    def replace(self, file: str, old: str, new: str) -> None:
        path = self.home / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    def exsync(self, *arguments: str) -> Said:
        done = subprocess.run(
            [sys.executable, "-m", "runner", *arguments], env=self.environ, capture_output=True, text=True, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Said(done.returncode, done.stdout, done.stderr)

    def typed(self, *arguments: str) -> Said:
        """The same in this process, which starts nothing: for tests of many commands."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setattr(sys, "argv", ["exsync", *arguments])
            for name, value in self.environ.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                main()
        return Said(int(ended.value.code or 0), out.getvalue(), err.getvalue())

    def ready(self) -> Operator:
        """The CRM has its tables and triggers."""
        assert self.exsync("target", "ddl", "crm", "--apply").code == 0
        return self

    def sql(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        connection = sqlite3.connect(self.crm_file)
        try:
            with connection:
                return connection.execute(statement, values).fetchall()
        finally:
            connection.close()

    def appointments(self) -> list[tuple[object, ...]]:
        return self.sql("SELECT id, subject, row_version, deleted FROM appointment ORDER BY id")

    def check_mail(self) -> None:
        """B-42: what was mailed is what the test said, and nothing else."""
        assert Counter(mail.kind for mail in self.sandbox.mails_sent) == self.mails

    def remote_writes(self) -> int:
        return sum(seen.operation in WRITES for seen in self.sandbox.requests)
