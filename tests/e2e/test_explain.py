"""``exsync explain``: why an item did, or did not, synchronise (B-100)."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from tests.e2e.operator import ANN, BOB, Operator

LINK = f"sandbox/{ANN}/calendar"


def explained(operator: Operator, word: str, *options: str) -> list[dict[str, Any]]:
    said = operator.exsync("explain", word, "-o", "json", *options)
    assert said.code == 0, said.text
    items: list[dict[str, Any]] = json.loads(said.out)["items"]
    return items


def commit(operator: Operator) -> None:
    for words in (["init", "-q"], ["add", "targets.d", "mappings"], ["commit", "-qm", "Let the CRM win"]):
        identity = ["-c", "user.name=Olga", "-c", "user.email=olga@example.com"]
        subprocess.run(["git", "-C", str(operator.home), *identity, *words], check=True, capture_output=True)


def test_an_item_in_step_is_known_by_key_id_uid_and_subject(operator: Operator) -> None:
    """B-100: pairing, values, rule, git commit and the ledger, whatever the item is asked for by."""
    operator.ready()
    commit(operator)
    operator.exsync("run", "--once")
    [(key, subject)] = operator.sql("SELECT id, subject FROM appointment WHERE owner_id = 1 LIMIT 1")
    [item] = explained(operator, str(key), "--link", ANN)
    assert item["outcome"] == "in step"
    assert item["title"] == subject
    assert item["pairing"]["status"] == "active"
    assert {unit["outcome"] for unit in item["units"]} == {"equal"}
    assert [entry["operation"] for entry in item["ledger"]] == ["create"]
    words = [item["pairing"]["uid"], str(subject)[1:-1].upper()]
    for word in words:
        assert [found["crm"]["key"] for found in explained(operator, word)] == [str(key)], word
    title = next(unit for unit in item["units"] if unit["unit"] == "title")
    assert title["rule"].startswith(("targets.d/", "mappings/"))
    assert "Olga: Let the CRM win" in item["commits"][title["rule"]]
    told = operator.exsync("explain", str(key), "--link", ANN).out
    assert "in step" in told
    assert "Olga: Let the CRM win" in told


def test_what_the_next_pass_would_do_is_said_field_by_field(operator: Operator) -> None:
    """B-60, B-61: an edit on one side, and a conflict with the policy that decides it. Nothing is written for it."""
    operator.ready()
    operator.exsync("run", "--once")
    [(key, subject)] = operator.sql("SELECT id, subject FROM appointment WHERE owner_id = 1 LIMIT 1")
    item = explained(operator, str(key), "--link", ANN)[0]["target"]["key"]
    operator.sandbox.mailbox(ANN).edit(item, Subject="Outlook's", Location="Room 9")
    operator.sql("UPDATE appointment SET subject = 'CRM''s' WHERE id = ?", key)
    before = operator.remote_writes()
    [told] = explained(operator, str(key), "--link", ANN)
    fates = {unit["unit"]: unit["outcome"] for unit in told["units"]}
    assert told["outcome"] == "the next pass writes it"
    assert fates["location"].startswith("→ CRM")
    assert "conflict" in fates["title"]
    assert any("crm_wins" in reason for reason in told["reasons"])
    assert [guard["operation"] for guard in told["guards"]] == ["update"]
    assert operator.remote_writes() == before
    assert operator.sql("SELECT subject FROM appointment WHERE id = ?", key) == [("CRM's",)]
    text = operator.exsync("explain", item).out
    assert "Outlook's" in text
    assert str(subject) in text

    operator.replace("targets.d/sandbox.yaml", "max_updates: {ratio: 0.5}", "max_updates: {count: 0}")
    [told] = explained(operator, str(key), "--link", ANN)
    assert told["outcome"] == "stopped by the guard G104: the limit is 0 updates"
    assert any(f"`exsync plan {LINK}`" in reason for reason in told["reasons"])


def test_an_item_that_did_not_synchronise_says_why(operator: Operator) -> None:
    """B-47, B-5, B-23: outside the window, on a one-way link, and in quarantine."""
    operator.ready()
    ann = operator.sandbox.mailbox(ANN)
    ann.create(Subject="Long ago", Start="2019-01-07T09:00:00Z", End="2019-01-07T10:00:00Z")
    operator.exsync("run", "--once")
    [item] = explained(operator, "Long ago", "--link", ANN)
    assert item["pairing"] is None
    assert item["outcome"] == "not synchronised"
    assert "outside the link's window (targets.d/sandbox.yaml:" in item["reasons"][0]

    operator.replace("targets.d/sandbox.yaml", "direction: both", "direction: outbound")
    stray = ann.create(Subject="Only here", Start="2026-12-01T09:00:00Z", End="2026-12-01T10:00:00Z")
    [item] = explained(operator, stray, "--link", ANN)
    assert item["outcome"] == "left where it is"
    assert "direction: outbound" in item["reasons"][0]

    [(subject,)] = operator.sql("SELECT subject FROM appointment WHERE id = 1")
    operator.sql("UPDATE appointment SET priority = 'Z' WHERE id = 1")
    operator.exsync("run", "--once")
    [item] = explained(operator, "1", "--link", ANN)
    assert item["outcome"].startswith("set aside")
    assert item["quarantine"][0]["code"] == "mapping"
    assert (item["title"], item["units"]) == (subject, [])  # not as if the CRM held nothing


def test_an_item_that_is_gone_from_both_sides_is_told_by_the_ledger(operator: Operator) -> None:
    """The commonest question of all: where has it gone? By its key and by its subject, with the run that can be undone."""
    operator.ready()
    operator.typed("run", "--once")
    [(key, subject)] = operator.sql("SELECT id, subject FROM appointment WHERE owner_id = 1 LIMIT 1")
    operator.sql("UPDATE appointment SET deleted = 1 WHERE id = ?", key)
    run = json.loads(operator.typed("apply", "-o", "json").out)["run"]
    for word in (str(key), str(subject)):
        [item] = explained(operator, word)
        assert (item["title"], item["pairing"], item["units"]) == (subject, None, [])
        assert item["outcome"] == "nothing to synchronise: neither side holds it"
        assert any(f"`exsync undo {run[:8]}`" in reason for reason in item["reasons"])
        assert [entry["operation"] for entry in item["ledger"]] == ["delete", "create"]


def test_what_a_guard_over_all_items_stopped_is_not_said_to_be_written(operator: Operator) -> None:
    """B-101: each item alone would pass; the link's last pass was stopped for all of them together."""
    operator.ready()
    operator.typed("run", "--once")
    operator.sql("UPDATE appointment SET deleted = 1 WHERE owner_id = 2")
    assert operator.typed("apply", BOB).code == 4
    [(key,)] = operator.sql("SELECT min(id) FROM appointment WHERE owner_id = 2")
    [item] = explained(operator, str(key), "--link", BOB)
    assert item["outcome"].startswith("waits: a guard stopped")
    assert any(reason.startswith("G103 ") for reason in item["reasons"])


def test_whose_record_and_which_user_have_no_link_is_said(operator: Operator) -> None:
    """B-4: neither did synchronise, for there is no link for it."""
    operator.ready()
    operator.typed("run", "--once")
    [(key,)] = operator.sql("SELECT max(id) + 1 FROM appointment")
    operator.sql("INSERT INTO crm_user (id, name, email) VALUES (9, 'Eve Out', 'eve.out@example.com')")
    operator.sql("UPDATE appointment SET id = ?, owner_id = 9 WHERE id = 1", key)
    said = operator.typed("explain", str(key))
    assert (said.code, "nobody who has a link holds it" in said.err) == (64, True)
    operator.replace("targets.d/sandbox.yaml", f"- user: {BOB}\n", "")
    said = operator.typed("explain", BOB)
    assert said.code == 64
    assert f"the state keeps sandbox/{BOB}/calendar" in said.err
    assert "under links:" in said.err


def test_a_user_is_explained_by_his_links(operator: Operator) -> None:
    """B-4, B-15: where each link stands, and what keeps it from running."""
    operator.ready()
    operator.exsync("run", "--once")
    operator.exsync("link", "suspend", LINK, "--reason", "moves house")
    [link] = json.loads(operator.exsync("explain", ANN, "-o", "json").out)["links"]
    assert (link["link"], link["condition"]) == (LINK, "active")
    assert "moves house" in link["hindrance"]
    unknown = operator.exsync("explain", "no-such-thing-anywhere")
    assert unknown.code == 64
    assert "nothing is known" in unknown.err
    assert "--link" in unknown.err
