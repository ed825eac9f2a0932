"""Everything goes wrong at once, and nobody does anything about it but what an operator has to (B-76, B-102, A2)."""

from __future__ import annotations

import shutil
from pathlib import Path

from runner.sandbox.faults import Delay
from tests.e2e.operator import ANN, BOB, Operator
from tests.e2e.script import Script
from tests.e2e.served import Served, until
from tests.support.demo import postgresql_demo
from tests.support.postgres import running

CAT = "cat.fox@example.com"
SEED = 20261127


def as_a_volume(operator: Operator, number: int, **changes: str) -> None:
    """The YAML as Kubernetes mounts a ConfigMap: every file a link through ``..data``, which a new revision swings."""
    for name in ("targets.d", "mappings"):
        place = operator.home / name
        inside = place / f"..r{number}"
        files = [file for file in place.iterdir() if file.is_file()]
        inside.mkdir()
        for file in files:
            text = file.read_text("utf-8")
            for old, new in changes.items():
                text = text.replace(old, new)
            (inside / file.name).write_text(text, "utf-8")
        (place / "..data_tmp").symlink_to(inside.name)
        (place / "..data_tmp").rename(place / "..data")
        for file in files:
            if not file.is_symlink():
                file.unlink()
                file.symlink_to(f"..data/{file.name}")
        shutil.rmtree(place / f"..r{number - 1}", ignore_errors=True)


def prepared(operator: Operator, secret: Path) -> None:
    """Streaming, a secret in a file, guards that a flood of typed edits does not trip, and YAML on a volume."""
    target = "targets.d/sandbox.yaml"
    secret.write_text("right\n")
    operator.replace(target, "{env: EXSYNC_SANDBOX_PASSWORD}", f"{{file: {secret.name}}}")
    operator.replace(target, "ratio: 0.5", "ratio: unlimited")
    operator.replace(target, "ratio: 0.3", "ratio: unlimited")
    as_a_volume(operator, 1)
    operator.ready()


def test_troubles_of_every_kind_lose_and_double_nothing(operator: Operator) -> None:
    """An outage, kill -9 in the middle of a pass, another password and a swung volume, while somebody edits on both sides:
    in the end both are equal, every edit is there, nothing is twice, and nobody got mail."""
    sandbox, secret = operator.sandbox, operator.home / "secret"
    with running() as postgres:
        postgres.create("crm")
        operator.environ["EXSYNC_CRM_URL"] = postgres.url("crm")
        with postgres.connect("crm") as crm:
            crm.execute(postgresql_demo())
            crm.execute("INSERT INTO crm_user (name, email) VALUES ('Cat Fox', %s)", (CAT,))
        prepared(operator, secret)
        with Served(operator) as served, Script(sandbox, lambda: postgres.connect("crm"), SEED) as script:
            until("changes are told of", served.told_of)

            def goes_on(number: int = 8) -> None:
                goal = script.written + number
                until("he edits", lambda: script.written >= goal)

            def circuit() -> str:
                return str(served.status()["targets"][0]["circuit"])

            goes_on()
            sandbox.stop()
            until("the circuit opens", lambda: circuit() != "closed")
            goes_on()
            sandbox.start()

            with script.resting():  # one write is out when the service dies; of several it would wait longer to be sure
                served.idle()
                slow = sandbox.inject(Delay(30), "CreateItem", after=True)
                script.make(BOB, outlook=False)
                until("a create hangs", lambda: slow.fired)
            goes_on(4)
            served.kill()
            goes_on()
            served.start()

            sandbox.add_account(sandbox.username, "changed", impersonates=True)
            until("the target is stopped", lambda: circuit() == "refused")
            goes_on()
            secret.write_text("changed\n")
            until("the new password is picked up", lambda: circuit() == "closed")

            sandbox.add_mailbox(CAT)
            as_a_volume(operator, 2, **{f"- user: {ANN}\n": f"- user: {ANN}\n- user: {CAT}\n"})
            until("the volume is read", lambda: served.status()["service"]["generation"] > 2)
            goes_on()

            script.stop()
            served.idle()
            for user in (ANN, BOB):
                assert script.outlook(user) == script.wanted(user)
                assert script.crm(user) == script.wanted(user)
            assert script.written > 40
            assert operator.exsync("plan", "--exit-code").code == 0
            assert operator.exsync("ledger", "verify").code == 0
            assert served.remote.get("/api/v1/quarantine")["items"] == []
            assert served.stop() == 0
    assert sandbox.mails_sent == []
