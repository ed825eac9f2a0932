"""Whether a pass by a candidate was its last: guards that tripped, items that failed, links that failed.

A fault of the world (nobody answers, throttled, a refused log-on) is no fault of the candidate.
"""

from __future__ import annotations

from collections.abc import Sequence

from runner.model.errors import AuthRefused, ExsyncError, Transient, Unreachable
from runner.reconcile.guards import Trip

_WORLD = (Transient, Unreachable, AuthRefused)


def stop_reason(trips: Sequence[Trip], aside: int, error: ExsyncError | None, max_errors: int) -> str | None:
    """Why the candidate stops after a pass, in an operator's words; None when it goes on. ``aside``: items set aside."""
    if trips:
        return f"a guard tripped: {trips[0]}"
    failed = aside + (error is not None and not isinstance(error, _WORLD))
    if failed <= max_errors:
        return None
    why = f": {error}" if error is not None else ""
    return f"{failed} failed in one pass, and max_errors is {max_errors}{why}"
