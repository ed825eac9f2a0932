"""A change of the configuration, seen before it is merged; and a plan that is carried out exactly or not at all (B-100)."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from runner.cli.base import base_of
from runner.cli.comparison import compare
from runner.cli.plan_file import PlanFile, plan_file, read_plan
from runner.config import load
from runner.model.errors import PlanStale, UsageError
from runner.testing.clock import FakeClock
from tests.e2e.operator import ANN, BOB, REPOSITORY, Operator

TARGET = "targets.d/sandbox.yaml"


def titles(operator: Operator, user: str) -> list[str | None]:
    return [view.text("Subject") for view in operator.sandbox.mailbox(user).items()]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The shipped configuration in a git repository with one commit."""
    for name in ("targets.d", "mappings"):
        shutil.copytree(REPOSITORY / name, tmp_path / name)
    identity = ["-c", "user.name=Olga", "-c", "user.email=olga@example.com"]
    for words in (["init", "-q", "-b", "main"], ["add", "."], [*identity, "commit", "-qm", "Begin"]):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True, capture_output=True)
    return tmp_path


def replaced(root: Path, file: str, old: str, new: str) -> None:
    text = (root / file).read_text()
    assert old in text
    (root / file).write_text(text.replace(old, new))


def test_a_change_is_told_from_the_files_alone(root: Path) -> None:
    """Settings with the line that says so now, fields whose rules changed, links that come and go; no server is asked."""
    replaced(root, TARGET, "future: 365d", "future: 30d")
    replaced(root, "mappings/schedule_item.yaml", "record: location", "record: location, direction: inbound")
    replaced(root, TARGET, f"user: {BOB}", "user: eve@example.com")
    with base_of(root, "main") as before:
        comparison = compare(before, load(root))
    assert comparison.added == ("sandbox/eve@example.com/calendar",)
    assert comparison.removed == (f"sandbox/{BOB}/calendar",)
    [link] = comparison.changed
    assert link.read_again
    said = {one.setting: (one.after, one.rule.rsplit(":", 2)[0]) for one in link.changes}
    assert said["window"][1] == TARGET
    assert said["field location"] == ("inbound, crm_wins", "mappings/schedule_item.yaml")
    text = "\n".join(comparison.lines())
    assert "nothing is deleted" in text


def test_what_is_no_base_is_refused_with_what_to_do(root: Path) -> None:
    for base, words in (("no-such-branch", "neither a directory"), ("--upload-pack=x", "no git revision")):
        with pytest.raises(UsageError, match=words) as refused, base_of(root, base):
            pass
        assert refused.value.remedy


def test_the_same_files_mean_the_same(root: Path) -> None:
    (root / TARGET).write_text("# a comment\n" + (root / TARGET).read_text())
    with base_of(root, "main") as before:
        comparison = compare(before, load(root))
    assert list(comparison.lines()) == ["The configuration means the same as before."]


def test_a_plan_is_refused_when_it_was_edited_or_is_none(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    prints = {"a": {"f1": "create crm Lunch"}}
    plan_file("digest", {"a": "w"}, prints, FakeClock().now()).write(file)
    assert "Lunch" not in file.read_text()
    assert read_plan(file).prints == {"f1"}
    file.write_text(file.read_text().replace('"f1"', '"f2"'))
    with pytest.raises(UsageError, match="changed after it was made"):
        read_plan(file)
    for text in ("not json", "{}", "[]"):
        file.write_text(text)
        with pytest.raises(UsageError, match="not a plan"):
            read_plan(file)


def test_a_plan_is_stale_by_a_single_change() -> None:
    plan = PlanFile("digest", "then", {"a": ""}, {"a": ["f1", "f2"]})
    plan.demand("digest", {"a": {"f1": "x", "f2": "y"}})
    for configuration, prints in (
        ("other", {"a": {"f1": "x", "f2": "y"}}),
        ("digest", {"a": {"f1": "x"}}),
        ("digest", {"a": {"f1": "x", "f2": "y", "f3": "z"}}),
    ):
        with pytest.raises(PlanStale) as stale:
            plan.demand(configuration, prints)
        assert stale.value.exit_code == 4


def test_a_plan_for_a_pull_request_says_what_the_next_pass_would_do_and_nobodys_words(operator: Operator) -> None:
    """Under either configuration, with guards and mail, masked; and nothing is written."""
    operator.ready()
    operator.exsync("run", "--once")
    base = operator.home / "base"
    for name in ("targets.d", "mappings"):
        shutil.copytree(operator.home / name, base / name)
    [(subject,)] = operator.sql("SELECT subject FROM appointment WHERE owner_id = 1 LIMIT 1")
    operator.sql("UPDATE appointment SET subject = 'Edited meanwhile' WHERE id = (SELECT max(id) FROM appointment)")
    operator.replace("mappings/schedule_item.yaml", "values: {A: 1, B: 5, C: 9}", "values: {A: 5, B: 1, C: 9}")
    written = operator.remote_writes()
    said = operator.exsync("plan", "--base", str(base), "-o", "json")
    assert said.code == 0, said.text
    told = json.loads(said.out)
    assert told["after"]["totals"]["update"] > told["before"]["totals"]["update"] == 1
    assert all("priority" in change["fields"] for link in told["caused"]["links"] for change in link["changes"])
    assert str(subject) not in said.out
    page = operator.exsync("plan", "--base", str(base), "-o", "markdown").out
    assert "### exsync" in page
    assert str(subject) not in page
    assert operator.remote_writes() == written


def test_an_approved_plan_is_carried_out_exactly_or_refused(operator: Operator) -> None:
    operator.ready()
    operator.exsync("run", "--once")
    plan = operator.home / "plan.json"
    operator.sql("UPDATE appointment SET subject = 'Approved' WHERE id = 1")
    assert operator.exsync("plan", "--out", str(plan)).code == 0
    operator.sql("UPDATE appointment SET notes = 'slipped in' WHERE id = 2")
    refused = operator.exsync("apply", "--plan", str(plan))
    assert refused.code == 4
    assert "stale" in refused.err
    assert "Approved" not in titles(operator, ANN) + titles(operator, BOB)
    assert operator.exsync("plan", "--out", str(plan)).code == 0
    done = operator.exsync("apply", "--plan", str(plan))
    assert done.code == 0, done.text
    assert "Approved" in titles(operator, ANN) + titles(operator, BOB)
    assert (
        operator.exsync("apply", "--plan", str(plan)).code == 4
    )  # it has been carried out: nothing of it is left to do
