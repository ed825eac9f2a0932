"""This machine: the configuration, the state's directory, the secrets, our listeners' certificates, the lists of users."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from runner.cli.examination.asked import Examined
from runner.config.secrets import SecretRef
from runner.connectors.certificates import presented, stored
from runner.engine.checkup import permissions
from runner.engine.checkup.certificates import certificate, certificate_in_file
from runner.model.checkup import Diagnosis, doubtful, sound
from runner.store.counter import counter_path
from runner.store.filestat import seen
from runner.store.opening import wal_path


def examine_here(examined: Examined) -> Iterator[Diagnosis]:
    """What needs no server."""
    plan, state = examined.plan, examined.context.state
    yield sound("configuration", "compiles", f"{len(plan.targets)} targets, {len(plan.links)} links; see `validate`")
    files = [seen(path) for path in (state, wal_path(state), counter_path(state))]
    yield from permissions.state(seen(state.parent), files)
    for ref in _secrets(examined):
        if ref.kind == "file":
            yield permissions.secret_in_file(ref, seen(Path(ref.name)))
        else:
            yield permissions.secret_in_environment(ref, there=bool(os.environ.get(ref.name)))
    yield from _console(examined)
    if examined.asked.push is not None:
        yield certificate_in_file("push listener", stored(*examined.asked.push), examined.clock.now())
    if plan.generated:
        problems = examined.grown.problems
        for problem in problems:
            yield doubtful("links", "lists of users", problem, "see the reason; nobody on it is looked at here")
        if unlinked := examined.grown.unlinked:
            row, several = unlinked[0], f"{len(unlinked)} row(s) give no link, the first: "
            told = f"{several}{row.rule}: {row.row}: {row.reason}"
            yield doubtful("links", "lists of users", told, "mend the rows, or leave them out; `status` lists them")
        if not problems:
            yield sound(
                "links", "lists of users", f"{len(examined.grown.plan.links) - len(plan.links)} links from lists"
            )


def _secrets(examined: Examined) -> list[SecretRef]:
    plan = examined.plan
    given = [plan.crm.url, *(target.auth.password for target in plan.targets.values())]
    if plan.service.console is not None:
        given.append(plan.service.console.users)
    return list(dict.fromkeys(one for one in given if isinstance(one, SecretRef)))


def _console(examined: Examined) -> Iterator[Diagnosis]:
    """The console's own certificate, as browsers get to see it: only a running service shows it."""
    console = examined.plan.service.console
    if console is None or console.certificate is None:
        return
    if not examined.serving:
        yield sound("console", "certificate", "not looked at: no service runs here")
        return
    host = "127.0.0.1" if console.host in ("0.0.0.0", "::") else console.host  # noqa: S104 - compared, not bound
    shown = presented(host, console.port, ca_file=console.certificate[0], pinned=True)
    yield certificate("console", shown, examined.clock.now(), authority="certificate")
