"""The service as a process of its own, with real commands, EWS over HTTP and SQL."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from runner.sandbox.faults import Delay
from tests.e2e.operator import ANN, BOB, Operator
from tests.e2e.served import Served, until

TARGET = "targets.d/sandbox.yaml"


def titles(operator: Operator, user: str) -> list[str | None]:
    return [view.text("Subject") for view in operator.sandbox.mailbox(user).items()]


def rename(operator: Operator, number: int, subject: str) -> None:
    operator.sql("UPDATE appointment SET subject = ? WHERE id = ?", subject, number)


def subjects(operator: Operator, owner: int) -> list[object]:
    return [row[0] for row in operator.sql("SELECT subject FROM appointment WHERE owner_id = ? AND NOT deleted", owner)]


def one_of(operator: Operator, owner: int) -> int:
    [(number,)] = operator.sql("SELECT min(id) FROM appointment WHERE owner_id = ? AND NOT deleted", owner)
    assert isinstance(number, int)
    return number


def half_make(operator: Operator) -> None:
    """A new item of Ann's: its create has happened in Exchange, and the answer is still out."""
    slow = operator.sandbox.inject(Delay(15), "CreateItem", after=True)
    operator.sql(
        "INSERT INTO appointment (subject, starts_at, ends_at, owner_id) "
        "SELECT 'Half made', starts_at, ends_at, owner_id FROM appointment WHERE id = ?",
        one_of(operator, 1),
    )
    until("the create hangs", lambda: slow.fired and "Half made" in titles(operator, ANN))


def test_changes_travel_by_themselves_and_commands_go_through_the_service(operator: Operator) -> None:
    """B-10: a commit in the CRM is in Exchange at once, a change in Exchange at the next poll."""
    operator.ready().replace(TARGET, "access: impersonation", "access: impersonation\nnotifications: {poll: 1s}")
    with Served(operator) as served:
        served.idle()
        rename(operator, one_of(operator, 1), "From the CRM")
        until("the CRM's change is in Exchange", lambda: "From the CRM" in titles(operator, ANN))
        operator.sandbox.mailbox(BOB).create(
            Subject="From Outlook", Start="2026-12-01T09:00:00Z", End="2026-12-01T10:00:00Z"
        )
        until("Exchange's change is in the CRM", lambda: "From Outlook" in subjects(operator, 2))

        status = operator.exsync("status")
        assert "generation 1" in status.out
        assert f"sandbox/{ANN}/calendar" in status.out
        assert operator.exsync("plan", "--exit-code").code == 0
        rename(operator, one_of(operator, 1), "Ordered")
        applied = operator.exsync("apply", ANN)
        assert applied.code == 0
        assert "Ordered" in titles(operator, ANN)
        for command in (
            ["queue", "list"],
            ["queue", "stats"],
            ["report"],
            ["doctor"],
            ["candidate", "show"],
            ["conflicts", "list"],
            ["quarantine", "list"],
            ["ledger", "list"],
            ["ledger", "verify"],
        ):
            assert operator.exsync(*command).code == 0
        assert operator.exsync("queue", "retry", "4711").code == 64

        second = operator.exsync("run", "--once")
        assert second.code == 75
        assert "only one runner" in second.err
        assert operator.exsync("serve").code == 64

        metrics = served.metrics().decode()
        for told in (
            'exsync_requests_total{code="NoError",operation="UpdateItem",target="sandbox"} ',
            'exsync_request_duration_seconds_count{operation="UpdateItem",target="sandbox"} ',
        ):
            assert float(metrics.partition(told)[2].splitlines()[0]) >= 2
        assert float(metrics.partition("exsync_state_write_seconds_count ")[2].splitlines()[0]) >= 2
        done = served.log("pass.done")
        assert done
        assert all({"run_id", "link", "target", "generation"} <= line.keys() for line in done)
        assert served.stop() == 0
        assert not served.socket.exists()
    assert operator.exsync("run", "--once").code == 0
    assert operator.sandbox.mails_sent == []


def test_what_changes_under_a_suspension_or_a_pause_goes_out_afterwards(operator: Operator) -> None:
    """B-15: by command and by YAML, for a link and for all; nothing is lost, and who did it is kept."""
    operator.ready()
    ann, bob = one_of(operator, 1), one_of(operator, 2)
    with Served(operator) as served:
        served.idle()
        assert operator.exsync("link", "suspend", ANN, "--reason", "moves house").code == 0
        rename(operator, ann, "Under a suspension")
        rename(operator, bob, "Beside it")
        until("the other link goes on", lambda: "Beside it" in titles(operator, BOB))
        assert "Under a suspension" not in titles(operator, ANN)
        assert "moves house" in operator.exsync("status").out
        assert "suspended" in operator.exsync("apply", ANN).out
        served.kill()
        served.start()
        rename(operator, bob, "After a restart")
        until("the other link goes on", lambda: "After a restart" in titles(operator, BOB))
        assert "Under a suspension" not in titles(operator, ANN)
        assert operator.exsync("link", "resume", ANN).code == 0
        until("it goes out on resume", lambda: "Under a suspension" in titles(operator, ANN))
        acts = [(act["what"], act["subject"]) for act in served.remote.get("/api/v1/acts")["acts"]]
        assert acts == [("resume", f"link sandbox/{ANN}/calendar"), ("suspend", f"link sandbox/{ANN}/calendar")]

        for stop in ("paused: true", "enabled: false"):
            operator.replace(TARGET, f"- user: {ANN}\n", f"- user: {ANN}\n  {stop}\n")
            assert operator.exsync("reload").code == 0
            rename(operator, ann, f"Under {stop}")
            rename(operator, bob, f"Beside {stop}")
            until("the other link goes on", lambda stop=stop: f"Beside {stop}" in titles(operator, BOB))
            assert f"Under {stop}" not in titles(operator, ANN)
            operator.replace(TARGET, f"  {stop}\n", "")
            assert operator.exsync("reload").code == 0
            until("it goes out afterwards", lambda stop=stop: f"Under {stop}" in titles(operator, ANN))
        assert served.stop() == 0


def test_kill_9_in_the_middle_of_a_pass_loses_and_doubles_nothing(operator: Operator) -> None:
    """B-21, A2: a create has happened and its answer is still out when the process dies."""
    operator.ready()
    with Served(operator) as served:
        served.idle()
        half_make(operator)
        served.kill()
        rename(operator, one_of(operator, 2), "While nobody looked")
        served.start()
        served.idle()
        assert served.status()["links"][0]["open_intents"] == 0
        for owner, user in ((1, ANN), (2, BOB)):
            assert Counter(subjects(operator, owner)) == Counter(titles(operator, user))
        assert "While nobody looked" in titles(operator, BOB)
        assert operator.exsync("plan", "--exit-code").code == 0
        assert served.stop() == 0
    assert operator.sandbox.mails_sent == []


def test_an_outage_needs_nobody(operator: Operator) -> None:
    """B-76: Exchange is away, edits go on, and both sides catch up by themselves when it is back."""
    operator.ready()
    with Served(operator) as served:
        served.idle()
        operator.sandbox.stop()
        rename(operator, one_of(operator, 1), "During the outage")
        until("the circuit opens", lambda: served.status()["targets"][0]["circuit"] != "closed")
        assert "target sandbox" in operator.exsync("status").err
        assert served.remote.get("/api/v1/queue")["messages"][0]["attempts"] == 0
        operator.sandbox.start()
        until("the edit arrives", lambda: "During the outage" in titles(operator, ANN))
        until("the circuit closes", lambda: served.status()["targets"][0]["circuit"] == "closed")
        assert served.stop() == 0


def test_a_changed_password_stops_the_target_at_once_and_the_new_one_starts_it(operator: Operator) -> None:
    """401: no second attempt, so that no account is locked; a new secret file is picked up."""
    secret = operator.home / "secret"
    secret.write_text("right\n")
    operator.ready().replace(TARGET, "{env: EXSYNC_SANDBOX_PASSWORD}", "{file: secret}")
    with Served(operator) as served:
        served.idle()
        operator.sandbox.add_account(operator.sandbox.username, "changed", impersonates=True)
        for owner in (1, 2):
            rename(operator, one_of(operator, owner), "With another password")
        until("the target is stopped", lambda: served.status()["targets"][0]["circuit"] == "refused")
        refused = operator.sandbox.refused
        ordered = operator.exsync("apply", ANN)
        assert ordered.code == 75
        assert "exsync target resume sandbox" in ordered.err
        assert operator.sandbox.refused == refused <= 2
        secret.write_text("changed\n")
        assert operator.exsync("reload").code == 0
        for user in (ANN, BOB):
            until("the edits arrive", lambda user=user: "With another password" in titles(operator, user))
        assert served.stop() == 0


def test_new_yaml_is_taken_while_it_runs_and_bad_yaml_is_not(operator: Operator, tmp_path: Path) -> None:
    """B-102: by the file's event alone; a bad file changes nothing and is shown; untouched links are not disturbed."""
    cat = "cat.fox@example.com"
    operator.ready()
    operator.sandbox.add_mailbox(cat)
    [(number,)] = operator.sql("INSERT INTO crm_user (name, email) VALUES ('Cat Fox', ?) RETURNING id", cat)
    operator.sql("UPDATE appointment SET owner_id = ? WHERE id = ?", number, one_of(operator, 1))
    with Served(operator) as served:
        served.idle()
        before = {event: len(served.log(event)) for event in ("pass.idle", "pass.done")}
        operator.replace(TARGET, f"- user: {ANN}\n", f"- user: {cat}\n- user: {ANN}\n")
        until("the new link runs", lambda: titles(operator, cat))
        served.idle()
        after = [line["link"] for event in before for line in served.log(event)[before[event] :]]
        assert set(after) == {f"sandbox/{cat}/calendar"}

        operator.replace(TARGET, "endpoint:", "endpont:")
        until("the bad file is noticed", lambda: served.log("config.rejected"))
        status = operator.exsync("status")
        assert "configuration rejected" in status.err
        assert f"{TARGET}:5:1" in status.err
        assert operator.exsync("reload").code == 0  # unchanged since it was rejected
        rename(operator, one_of(operator, 2), "On the last good plan")
        until("passes go on", lambda: "On the last good plan" in titles(operator, BOB))
        assert b"exsync_config_last_reload_successful 0.0" in served.metrics()

        served.kill()
        served.start()
        assert served.status()["service"]["configuration"]["outcome"] == "rejected"
        rename(operator, one_of(operator, 2), "After a restart too")
        until("passes go on", lambda: "After a restart too" in titles(operator, BOB))
        operator.replace(TARGET, "endpont:", "endpoint:")
        until("the mended file is taken", lambda: served.status()["service"]["configuration"]["outcome"] == "applied")
        assert served.stop() == 0


@pytest.mark.parametrize("token", [None, "0123456789abcdef0123456789abcdef"])
def test_over_tcp_there_are_probes_and_the_api_only_with_the_token(operator: Operator, token: str | None) -> None:
    import http.client
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    operator.ready()
    if token:
        operator.environ["EXSYNC_API_TOKEN"] = token

    def status(path: str, given: str | None = None) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", path, headers={"Authorization": f"Bearer {given}"} if given else {})
        code = connection.getresponse().status
        connection.close()
        return code

    with Served(operator, "--listen", f"127.0.0.1:{port}") as served:
        until("it listens", lambda: running_tcp(port))
        assert status("/-/healthy") == status("/-/ready") == status("/metrics") == 200
        assert status("/api/v1/status") == (401 if token else 404)
        assert status("/api/v1/status", "wrong") == (401 if token else 404)
        assert status("/api/v1/status", token) == (200 if token else 404)
        assert served.socket.stat().st_mode & 0o777 == 0o600
        assert served.stop() == 0


def running_tcp(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
