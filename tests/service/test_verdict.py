"""What becomes of a message after its pass, and of its target's circuit (B-23)."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from runner.engine.report import PassReport
from runner.engine.sending import INTERRUPTED
from runner.engine.settle import GRACE
from runner.model.errors import (
    AccessDenied,
    AuthRefused,
    ContainerGone,
    ExsyncError,
    OutcomeUnknown,
    ProtocolFault,
    Throttled,
    Transient,
    Unreachable,
    UsageError,
)
from runner.service.circuit import TRIP, Circuit, CircuitState
from runner.service.verdict import Fate, Trouble, judge

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("error", [AccessDenied("no rights"), ContainerGone("no folder"), UsageError("no such user")])
def test_a_link_from_a_list_is_tried_so_often_before_it_has_begun(error: ExsyncError) -> None:
    """B-73: a mailbox that is being made is not there yet; after that the user stays listed as failed."""
    fates = [judge(PassReport("l", error=error), n, NOW, "token", activation=3).fate for n in range(4)]
    assert fates == [Fate.RETRY, Fate.RETRY, Fate.BLOCK, Fate.BLOCK]


def test_an_outage_is_no_attempt_to_begin() -> None:
    """B-73, B-76."""
    verdicts = [judge(PassReport("l", error=Transient("503")), n, NOW, "token", activation=3) for n in (0, 5)]
    assert [(verdict.fate, verdict.patient) for verdict in verdicts] == [(Fate.RETRY, True)] * 2


@pytest.mark.parametrize(
    ("error", "fate", "patient", "trouble"),
    [
        (Throttled("busy", after=90), Fate.PUT_BACK, False, Trouble.NONE),
        (Transient("stopping", code=INTERRUPTED), Fate.PUT_BACK, False, Trouble.NONE),
        (Unreachable("nobody there"), Fate.PUT_BACK, False, Trouble.UNREACHABLE),
        (AuthRefused("401"), Fate.PUT_BACK, False, Trouble.REFUSED),
        (Transient("503"), Fate.RETRY, True, Trouble.PASSING),
        (OutcomeUnknown("no answer"), Fate.RETRY, True, Trouble.PASSING),
        (AccessDenied("no rights"), Fate.BLOCK, False, Trouble.NONE),
        (ContainerGone("no folder"), Fate.BLOCK, False, Trouble.NONE),
        (ProtocolFault("odd"), Fate.RETRY, False, Trouble.NONE),
        (UsageError("no such user"), Fate.RETRY, False, Trouble.NONE),
    ],
)
def test_an_error_has_its_consequence(error: ExsyncError, fate: Fate, patient: bool, trouble: Trouble) -> None:
    verdict = judge(PassReport("hq/ann/calendar", error=error), 0, NOW, "token")
    assert (verdict.fate, verdict.patient, verdict.trouble) == (fate, patient, trouble)
    assert error.code in verdict.reason
    if fate is Fate.RETRY:
        assert verdict.due is not None
        assert verdict.due > NOW


def test_waits_grow_and_hints_are_honoured() -> None:
    """B-23: exponential, and never before the server allows it; an open write is settled no sooner than it can be."""
    waits = [judge(PassReport("l", error=Transient("503")), tries, NOW, "t").due for tries in range(8)]
    assert waits == sorted(set(waits), key=lambda due: due or NOW)
    throttled = judge(PassReport("l", error=Throttled("busy", after=90)), 0, NOW, "t")
    assert throttled.due is not None
    assert throttled.due >= NOW + 90 * SECOND
    unknown = judge(PassReport("l", error=OutcomeUnknown("no answer")), 0, NOW, "t")
    assert unknown.due is not None
    assert unknown.due >= NOW + GRACE


def test_items_that_wait_bring_their_link_back_without_blame() -> None:
    """B-23: one bad item never blocks a folder."""
    done = judge(PassReport("l", counts=Counter({"quarantined": 3, "crm.create": 2})), 7, NOW, "t")
    assert done.fate is Fate.DONE
    for verdict in (
        judge(PassReport("l", counts=Counter({"deferred": 1})), 7, NOW, "t"),
        judge(PassReport("l"), 7, NOW, "t", unsettled=1),
    ):
        assert verdict.fate is Fate.PUT_BACK
        assert verdict.due is not None
        assert verdict.trouble is Trouble.NONE


def test_a_circuit_opens_probes_and_closes() -> None:
    """B-23: a dead target is left alone, one pass at a time finds out, the waits grow."""
    circuit = Circuit().ended(Trouble.UNREACHABLE, "no answer", NOW, "t")
    assert circuit.state is CircuitState.OPEN
    assert not circuit.admits(NOW, 0)
    first = circuit.until
    assert first is not None
    assert circuit.admits(first, 0)
    assert not circuit.admits(first, 1)
    probing = circuit.begun()
    assert not probing.admits(first, 0)
    again = probing.ended(Trouble.UNREACHABLE, "no answer", first, "t")
    assert again.until is not None
    assert again.until - first > first - NOW
    assert again.since == NOW
    assert again.begun().ended(Trouble.NONE, "", again.until, "t") == Circuit()


def test_it_takes_several_passing_faults_in_a_row() -> None:
    circuit = Circuit()
    for _ in range(TRIP - 1):
        circuit = circuit.ended(Trouble.PASSING, "503", NOW, "t")
        assert circuit.admits(NOW, 0)
    assert circuit.ended(Trouble.NONE, "", NOW, "t").failures == 0
    assert circuit.ended(Trouble.PASSING, "503", NOW, "t").state is CircuitState.OPEN


def test_a_refused_log_on_is_never_repeated_by_itself() -> None:
    """401 stops the target at once: no account gets locked, however late other passes end well."""
    circuit = Circuit().ended(Trouble.REFUSED, "401", NOW, "t")
    assert circuit.state is CircuitState.REFUSED
    assert not circuit.admits(NOW + timedelta(days=365), 0)
    assert circuit.ended(Trouble.NONE, "", NOW, "t").state is CircuitState.REFUSED


def test_a_probe_that_says_nothing_is_made_again() -> None:
    """The CRM failed under the probe: the target is neither up nor down for it."""
    probing = Circuit().ended(Trouble.UNREACHABLE, "no answer", NOW, "t").begun()
    assert probing.unsettled().state is CircuitState.OPEN
    assert Circuit().unsettled() == Circuit()
