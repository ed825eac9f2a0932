"""``exsync scaffold ci``: the printed jobs are what their hosts read, and their lines do what they say (B-100)."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from runner.cli import COMMANDS, exsync
from runner.cli.scaffold import scaffold_text

GITHUB: dict[Any, Any] = yaml.safe_load(scaffold_text("github-exsync.yaml"))
GITLAB: dict[str, Any] = yaml.safe_load(scaffold_text("gitlab-exsync.yaml"))
STEP = {"name", "if", "uses", "with", "run", "env"}
JOB = {"runs-on", "needs", "if", "environment", "env", "steps"}
GITLAB_JOB = {
    *("extends", "image", "rules", "variables", "before_script", "script", "artifacts", "needs", "tags", "environment")
}
REPOSITORY = {
    "github.base_ref": "main",
    "github.token": "token",
    "github.repository": "ops/exsync-config",
    "github.event.number": "7",
}
MEANT = {"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main", "CI_API_V4_URL": "https://git.example.com/api/v4"}
MEANT |= {"CI_PROJECT_ID": "5", "CI_MERGE_REQUEST_IID": "7", "COMMENT_TOKEN": "token"}


class Desk:
    """A directory with stand-ins for what the lines call: each notes its words, and prints what it is told to."""

    def __init__(self, home: Path) -> None:
        self.home, self.bin = home, home / "bin"
        self.bin.mkdir()
        for name in ("exsync", "gh", "curl", "git", "apt-get", "pip"):
            script = f'#!/bin/sh\nprintf "%s\\0" {name} "$@" >> "$NOTED"; printf "\\n" >> "$NOTED"\n'
            script += (
                'case "$*" in *"per_page"*|*"--paginate"*) cat "$FOUND";; *"-o markdown"*) echo "### exsync";; esac\n'
            )
            (self.bin / name).write_text(script)
            (self.bin / name).chmod(0o755)

    def run(self, lines: list[str], found: str, **environment: str) -> list[list[str]]:
        """The words of every call that the lines make, which must end well."""
        noted, answer = self.home / "noted", self.home / "found"
        noted.write_text("")
        answer.write_text(found)
        path = f"{self.bin}:{os.environ['PATH']}"
        env = {**environment, "PATH": path, "NOTED": str(noted), "FOUND": str(answer)}
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", "\n".join(lines)],
            cwd=self.home,
            env=env,
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return [line.split("\0")[:-1] for line in noted.read_text().splitlines()]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def understood(calls: list[list[str]]) -> list[list[str]]:
    """What exsync is called with: each is a command with options that there are."""
    mine = [words[1:] for words in calls if words[0] == "exsync"]
    for command, *words in mine:
        found = exsync.get_command(click.Context(exsync), command)
        assert found is not None
        found.make_context(command, list(words), parent=click.Context(exsync))
    assert {command for command, *_ in mine} <= set(COMMANDS)
    return mine


def filled(text: str) -> str:
    return re.sub(r"\$\{\{ ([\w.]+) \}\}", lambda hole: REPOSITORY.get(hole[1], "set"), text)


def github(desk: Desk, job: str, found: str) -> list[list[str]]:
    told = GITHUB["jobs"][job]
    given = {**GITHUB["env"], **told.get("env", {}), "GITHUB_JOB": job}
    lines = [filled(step["run"]) for step in told["steps"] if "run" in step]
    return desk.run(lines, found, **{name: filled(str(value)) for name, value in given.items()})


def gitlab(desk: Desk, job: str, found: str) -> list[list[str]]:
    told = GITLAB[job]
    given = {**MEANT, **GITLAB[".exsync"]["variables"], **told.get("variables", {}), "CI_JOB_NAME": job}
    given["BASE"] = given["BASE"].replace("$CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main")
    return desk.run([*told.get("before_script", []), *told["script"]], found, **given)


def test_the_workflow_has_keys_that_github_reads() -> None:
    assert set(GITHUB) == {"name", True, "permissions", "concurrency", "env", "jobs"}  # YAML 1.1 reads `on` as true
    for job in GITHUB["jobs"].values():
        assert set(job) <= JOB
        for step in job["steps"]:
            assert set(step) <= STEP
            assert ("run" in step) != ("uses" in step)
    assert all(
        "&" not in line.partition("#")[0].replace("&&", "") for line in scaffold_text("github-exsync.yaml").splitlines()
    )


def test_the_jobs_have_keys_that_gitlab_reads() -> None:
    for job in GITLAB.values():
        assert set(job) <= GITLAB_JOB
        assert all(isinstance(line, str) for line in (*job.get("before_script", ()), *job.get("script", ())))


def test_a_pull_request_is_validated_tested_and_commented_in_one_place(desk: Desk) -> None:
    calls = github(desk, "files", "")
    assert [words[0] for words in understood(calls)] == ["validate", "test", "plan"]
    assert ["plan", "--base", "origin/main", "--offline", "-o", "markdown"] in understood(calls)
    assert calls[-1] == [
        "gh",
        "api",
        "--silent",
        "repos/ops/exsync-config/issues/7/comments",
        "--field",
        "body=@comment.md",
    ]
    assert (desk.home / "comment.md").read_text() == "<!-- exsync files -->\n### exsync\n"
    again = github(desk, "files", "4711\n")[-1]
    assert again[3:6] == ["--method", "PATCH", "repos/ops/exsync-config/issues/comments/4711"]


def test_a_merge_request_is_validated_tested_and_commented_in_one_place(desk: Desk) -> None:
    others = [{"id": 1, "body": "<!-- exsync-pass -->"}, {"id": 2, "body": "Looks good"}]
    calls = gitlab(desk, "exsync", json.dumps(others))
    assert [words[0] for words in understood(calls)] == ["validate", "test", "plan"]
    notes = "https://git.example.com/api/v4/projects/5/merge_requests/7/notes"
    assert (calls[-1][calls[-1].index("--request") + 1], calls[-1][-1]) == ("POST", notes)
    again = gitlab(desk, "exsync", json.dumps([*others, {"id": 9, "body": "<!-- exsync -->\n### exsync"}]))[-1]
    assert (again[again.index("--request") + 1], again[-1]) == ("PUT", f"{notes}/9")
    assert ["git", "fetch", "-q", "origin", "+refs/heads/main:refs/remotes/origin/main"] in calls


def test_where_the_state_lies_both_passes_are_told_with_their_mail(desk: Desk) -> None:
    """With secrets, after a person has looked; in a comment of its own."""
    for calls in (github(desk, "pass", ""), gitlab(desk, "exsync-pass", "[]")):
        assert understood(calls) == [["plan", "--base", "origin/main", "-o", "markdown"]]
        assert "pass" in (desk.home / "comment.md").read_text().splitlines()[0]
    assert GITHUB["jobs"]["pass"]["environment"] == "exsync"
    assert "head.repo.full_name == github.repository" in GITHUB["jobs"]["pass"]["if"]  # no fork gets a secret
    assert GITLAB["exsync-pass"]["rules"][0]["when"] == "manual"


def test_no_line_puts_what_others_name_into_a_shell() -> None:
    """A branch may be called anything: names come by the environment, in quotes."""
    for job in GITHUB["jobs"].values():
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")
    for job in (GITLAB["exsync"], GITLAB["exsync-pass"]):
        for line in (line for line in job["script"] if "\n" not in line):
            words = [word for word in shlex.split(line, posix=False) if "$" in word]
            assert all('"' in word for word in words), words
