"""Every recipe of ``docs/cookbook.md`` is typed, in order, against the sandbox and the shipped configuration (B-100)."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.cli import _run
from runner.sandbox.exchange import Sandbox
from tests.e2e.operator import ANN, BOB, Operator

BOOK = (Path(__file__).parents[2] / "docs" / "cookbook.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ASKED = re.compile(r"(\w+)=\$\((exsync .*) \| jq -r \.(\w+)\)")
_EXIT = re.compile(r"^(.*?)\s+# exit (\d+)$")


def test_there_are_recipes_enough() -> None:
    assert BOOK.count("\n## ") >= 15


class Cook:
    """Types what stands in the blocks; commands run in this process, so that a page of them takes seconds."""

    def __init__(self, operator: Operator, capsys: pytest.CaptureFixture[str]) -> None:
        self.operator, self.capsys = operator, capsys
        self.words: dict[str, str] = {}

    def cook(self, kind: str, file: str, text: str) -> None:
        if kind == "sql":
            self.operator.sql(text.strip())
        elif kind == "yaml":
            path = self.operator.home / file
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif kind == "diff":
            lines = [line for line in text.splitlines() if line]
            old, new = ([line[1:] for line in lines if line[0] == sign] for sign in "-+")
            self.operator.replace(file, "\n".join(old), "\n".join(new))
        else:
            for line in text.splitlines():
                self.type(line)

    def type(self, line: str) -> None:
        asked = _ASKED.fullmatch(line)
        if asked:
            self.words[asked[1]] = str(json.loads(self.exsync(asked[2], 0))[asked[3]])
            return
        ends = _EXIT.match(line)
        self.exsync(ends[1] if ends else line, int(ends[2]) if ends else 0)

    def exsync(self, line: str, code: int) -> str:
        for name, value in self.words.items():
            line = line.replace(f"${name}", value)
        program, *arguments = shlex.split(line)
        assert program == "exsync"
        ended = _run(arguments)
        said = self.capsys.readouterr()
        assert ended == code, f"{line}: {ended}\n{said.out}{said.err}"
        return said.out


@pytest.fixture
def operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Operator]:
    with Sandbox(password="right") as sandbox:
        for address in (ANN, BOB):
            sandbox.add_mailbox(address)
        made = Operator(tmp_path, sandbox)
        for name, value in made.environ.items():
            if name.startswith("EXSYNC_"):
                monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        identity = ["-c", "user.name=Olga", "-c", "user.email=olga@example.com"]
        for words in (["init", "-q"], ["add", "targets.d", "mappings"], [*identity, "commit", "-qm", "Begin"]):
            subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True)
        yield made


def _come_out(recipe: str, operator: Operator) -> None:
    """What no exit code tells."""
    held = "SELECT count(*) FROM appointment WHERE owner_id = ? AND NOT deleted"
    if recipe == "Allow what a guard stopped, once":
        assert operator.sql(held, 2) == [(0,)]
        assert operator.sandbox.mailbox(BOB).items() == []
    elif recipe == "Have deleted items back":
        assert len(operator.sandbox.mailbox(BOB).items()) == 5
        assert operator.sql(held, 2) == [(4,)]  # the fifth is confidential: it stays on the target (B-35)


def test_every_recipe_does_what_it_says(operator: Operator, capsys: pytest.CaptureFixture[str]) -> None:
    cook: Any = Cook(operator, capsys)
    cook.exsync("exsync target ddl crm --apply", 0)
    for recipe in BOOK.split("\n## ")[1:]:
        for kind, file, text in _BLOCK.findall(recipe):
            cook.cook(kind, file, text)
        _come_out(recipe.partition("\n")[0], operator)
    assert operator.sandbox.mails_sent == []
