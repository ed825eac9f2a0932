"""A directory's links in ``/metrics``, as Exchange's are: passes by outcome, what they wrote, requests by their result."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from runner.model.errors import AuthRefused, Unreachable
from runner.observe.metrics import Metrics
from tests.ldap.conftest import Opening
from tests.ldap.firm import USERS, Firm
from tests.support.slapd import READER_PASSWORD


def samples(metrics: Metrics, name: str) -> dict[str, float]:
    """The labels of a metric, as they are written, and its values."""
    lines = [line for line in metrics.text().decode().splitlines() if line.startswith(f"{name}{{")]
    return {labels[len(name) :]: float(value) for labels, _, value in (line.rpartition(" ") for line in lines)}


def test_passes_guards_and_errors_of_a_directory_are_counted(firm: Callable[..., Firm]) -> None:
    corp, metrics = firm(), Metrics()

    def passed() -> None:
        report = corp.run()
        metrics.passed(corp.runner.plan.links[USERS], report, "done")

    corp.hire(*(f"u{n}" for n in range(12)))
    passed()
    assert samples(metrics, "exsync_changes_total") == {
        '{action="create",folder="users",side="crm",target="corp"}': 12.0
    }
    corp.configure(users="  filter: (title=Nobody)\n")
    passed()
    corp.server.delete(corp.people)
    passed()
    assert samples(metrics, "exsync_sync_total") == {
        '{folder="users",outcome="done",target="corp"}': 1.0,
        '{folder="users",outcome="guarded",target="corp"}': 1.0,
        '{folder="users",outcome="failed",target="corp"}': 1.0,
    }
    assert samples(metrics, "exsync_sync_duration_seconds_count") == {'{folder="users",target="corp"}': 3.0}


def test_log_ons_and_searches_are_counted_by_what_the_server_says(directory: Opening) -> None:
    metrics = Metrics()
    directory(READER_PASSWORD, meter=metrics.asked).root()
    with pytest.raises(AuthRefused):
        directory("wrong", meter=metrics.asked).root()
    with pytest.raises(Unreachable):
        directory(READER_PASSWORD, ca_file=None, meter=metrics.asked).root()
    assert samples(metrics, "exsync_requests_total") == {
        '{code="success",operation="bind",target="corp"}': 1.0,
        '{code="success",operation="search",target="corp"}': 1.0,
        '{code="auth-refused",operation="bind",target="corp"}': 1.0,
        '{code="tls-untrusted",operation="bind",target="corp"}': 1.0,
    }
