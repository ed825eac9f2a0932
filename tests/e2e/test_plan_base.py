"""A change of the configuration, seen before it is merged; and a plan that is carried out exactly or not at all (B-100)."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from runner.cli.alike import lines
from runner.cli.base import base_of
from runner.cli.comparison import compare
from runner.cli.plan_file import PlanFile, plan_file, read_plan
from runner.config import load
from runner.model.errors import PlanStale, UsageError
from runner.testing.clock import FakeClock
from tests.e2e.operator import ANN, BOB, REPOSITORY, Operator
from tests.e2e.served import Served
from tests.e2e.test_mail_commands import plan_meeting

TARGET = "targets.d/sandbox.yaml"
MAILING = "  mail: {send: [invitations], per_run: 9}\n"


def titles(operator: Operator, user: str) -> list[str | None]:
    return [view.text("Subject") for view in operator.sandbox.mailbox(user).items()]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The shipped configuration in a git repository with one commit."""
    for name in ("targets.d", "mappings"):
        shutil.copytree(REPOSITORY / name, tmp_path / name)
    subprocess.run(["git", "init", "-q", "-b", "main", str(tmp_path)], check=True)
    commit(tmp_path)
    return tmp_path


def commit(root: Path) -> None:
    identity = ["-c", "user.name=Olga", "-c", "user.email=olga@example.com"]
    for words in (["add", "."], [*identity, "commit", "-qm", "What there is"]):
        subprocess.run(["git", "-C", str(root), *words], check=True, capture_output=True)


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
    text = "\n".join(lines(comparison))
    assert "nothing is deleted" in text


def test_one_word_in_defaults_takes_a_few_lines_however_many_links_it_concerns(root: Path) -> None:
    """A comment that nobody can read is none: links that change alike are told once, values as YAML writes them."""
    users = "".join(f"- user: user{number}@example.com\n" for number in range(400))
    (root / TARGET).write_text((root / TARGET).read_text() + users)
    commit(root)
    replaced(root, TARGET, "  conflict: crm_wins\n", "  conflict: target_wins\n")
    replaced(root, TARGET, "future: 365d", "future: 30d")
    with base_of(root, "main") as before:
        comparison = compare(before, load(root))
    assert len(comparison.changed) > 400
    told = list(lines(comparison))
    assert len(told) < 20
    text = "\n".join(told)
    assert "    window: {past: 30d, future: 365d} → {past: 30d, future: 30d}  [targets.d/sandbox.yaml:" in text
    assert "    conflict: crm_wins → target_wins  [targets.d/sandbox.yaml:" in text
    assert "field" not in text  # they follow the word
    assert "… and 393 more" in text


def test_how_a_field_is_translated_otherwise_is_told_beside_its_rules(root: Path) -> None:
    replaced(root, "mappings/schedule_item.yaml", "values: {A: 1, B: 5, C: 9}", "values: {A: 5, B: 1, C: 9}")
    replaced(root, "mappings/schedule_item.yaml", "record: location", "record: location, direction: inbound")
    with base_of(root, "main") as before:
        text = "\n".join(lines(compare(before, load(root))))
    assert "mapping schedule_item, priority, values: {A: 1, B: 5, C: 9} → {A: 5, B: 1, C: 9}  [mappings/" in text
    assert "field location: both, crm_wins → inbound, crm_wins" in text


def test_who_comes_and_goes_by_a_list_in_git_is_told(root: Path) -> None:
    """B-73: a CSV file is compared as it was in the revision; a list that lies elsewhere is one link for all on it."""
    for kind, source in (("csv", "people.csv"), ("crm", "users")):
        document = (root / TARGET).read_text().replace("name: sandbox", f"name: by-{kind}").partition("links:\n")[0]
        listed = f"links:\n- generate: {{from: {{{kind}: {source}}}}}\n"
        (root / f"targets.d/by-{kind}.yaml").write_text(document + listed)
    (root / "people.csv").write_text("email\nzoe@example.com\ntom@example.com\n")
    commit(root)
    (root / "people.csv").write_text("email\nzoe@example.com\neve@example.com\n")
    replaced(root, "targets.d/by-crm.yaml", "future: 365d", "future: 30d")
    with base_of(root, "main") as before:
        comparison = compare(before, load(root))
    assert comparison.added == ("by-csv/eve@example.com/calendar",)
    assert comparison.removed == ("by-csv/tom@example.com/calendar",)
    assert [link.link for link in comparison.changed] == ["by-crm/*/calendar"]
    assert "the list of the CRM's users (targets.d/by-crm.yaml:" in "\n".join(lines(comparison))


def test_what_is_no_base_is_refused_with_what_to_do(root: Path) -> None:
    for base, words in (("no-such-branch", "neither a directory"), ("--upload-pack=x", "no git revision")):
        with pytest.raises(UsageError, match=words) as refused, base_of(root, base):
            pass
        assert refused.value.remedy


def test_the_same_files_mean_the_same(root: Path) -> None:
    (root / TARGET).write_text("# a comment\n" + (root / TARGET).read_text())
    with base_of(root, "main") as before:
        comparison = compare(before, load(root))
    assert list(lines(comparison)) == ["The configuration means the same as before."]


def test_links_of_a_revision_are_followed_within_it_only(root: Path) -> None:
    """On every Python 3.11, 3.11.2 of Debian 12 among them, a revision is laid out as it is, and nothing outside is read."""
    (root / "mappings/schedule_item.yaml").rename(root / "mappings/shared.txt")
    (root / "mappings/schedule_item.yaml").symlink_to("shared.txt")
    commit(root)
    with base_of(root, "main") as before:
        assert not compare(before, load(root)).different
    (root / "mappings/schedule_item.yaml").unlink()
    (root / "mappings/schedule_item.yaml").symlink_to(REPOSITORY / "mappings/schedule_item.yaml")
    commit(root)
    with base_of(root, "main") as before:
        assert before.plan is None


def test_a_candidate_that_nobody_runs_by_yet_is_told(root: Path) -> None:
    """B-100: to be reviewed is what it is for; no link's next pass is another one."""
    tried = "candidate: {ring: 0, rings: [{percent: 10}], defaults: {conflict: newest_wins}}\n"
    (root / TARGET).write_text((root / TARGET).read_text() + tried)
    with base_of(root, "main") as before:
        comparison = compare(before, load(root))
    told, unconcerned = lines(comparison)
    assert told.startswith("~ sandbox.candidate: none → {ring: 0, rings: [{percent: 10}], defaults: ")
    assert f"{TARGET}:" in told
    assert unconcerned.endswith("not concerned.")
    assert not comparison.links


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
    assert "| create | update | delete | detach | conflicts | mail |" in page
    assert re.search(rf"\| `sandbox/{ANN}/calendar` \| 0 \| [01] → \d+ \| 0 \| 0 \| 0 \| 0 \|", page)
    assert str(subject) not in page
    assert "Edited meanwhile" not in operator.exsync("plan", "-o", "markdown").out
    assert "Edited meanwhile" in operator.exsync("plan", "-o", "markdown", "--personal").out
    assert operator.remote_writes() == written


def test_the_mail_that_a_change_sends_is_told_link_by_link_also_beside_a_service(operator: Operator) -> None:
    """B-42, B-100: a policy is about to be turned on, a list of users to be left. The service has the state: both passes are
    rehearsed on a copy, of which nothing stays."""
    operator.sql("DELETE FROM appointment")
    base = operator.ready().home / "base"
    for name in ("targets.d", "mappings"):
        shutil.copytree(operator.home / name, base / name)
    operator.exsync("run", "--once")
    with Served(operator) as served:
        served.idle()
        operator.exsync("link", "suspend", "--all")
        operator.replace("targets.d/sandbox.yaml", "conflict: crm_wins\n", "conflict: crm_wins\n" + MAILING)
        operator.replace("targets.d/sandbox.yaml", f"- user: {BOB}\n", "")
        plan_meeting(operator, "Northwind visits")
        said = operator.exsync("plan", "--base", str(base))
        assert said.code == 0, said.text
        assert "mail: {send: [], " in said.out
        [row] = [line.split("  ") for line in said.out.splitlines() if line.startswith(f"sandbox/{ANN}/calendar  ")]
        assert "0 → 2" in [cell.strip() for cell in row]
        assert f"- link sandbox/{BOB}/calendar" in said.out
        assert "Northwind" not in said.out
        assert "Northwind" not in operator.exsync("plan", "-o", "markdown").out
        assert list(operator.state.parent.glob(".exsync-plan-*")) == []
        assert served.stop() == 0


def test_an_approved_plan_is_carried_out_exactly_or_refused(operator: Operator) -> None:
    operator.ready()
    operator.exsync("run", "--once")
    plan = operator.home / "plan.json"
    operator.sql("UPDATE appointment SET subject = 'Approved' WHERE id = 1")
    assert operator.exsync("plan", "--out", str(plan)).code == 0
    password, operator.environ["EXSYNC_SANDBOX_PASSWORD"] = operator.environ["EXSYNC_SANDBOX_PASSWORD"], "wrong"
    said = operator.typed("plan", "--out", str(operator.home / "none.json"))
    assert (said.code, (operator.home / "none.json").exists(), "is not written" in said.err) == (77, False, True)
    said = operator.typed("apply", "--plan", str(plan))
    assert (said.code, "stale" in said.text) == (77, False)  # that nobody could look is another matter
    operator.environ["EXSYNC_SANDBOX_PASSWORD"] = password
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
