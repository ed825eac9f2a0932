"""The life of a link as one table; engine, CLI and docs look it up here.

====================  ==============  ==============================================================================
condition             event           next
====================  ==============  ==============================================================================
new                   passed          active
new, active, stopped  refused         stopped (log-on or access refused, folder gone, guard): visible, with a reason
stopped               passed          active
any                   disabled        disabled: state and queued work are kept
disabled              enabled         active (or new when it never passed)
any                   left            orphaned: no longer in the configuration; nothing is ever deleted
orphaned              returned        active: the state is taken up again
====================  ==============  ==============================================================================
"""

from __future__ import annotations

from enum import StrEnum

from runner.model.state import LinkCondition


class LinkEvent(StrEnum):
    """What can happen to a link."""

    PASSED = "passed"
    REFUSED = "refused"
    DISABLED = "disabled"
    ENABLED = "enabled"
    LEFT = "left"
    RETURNED = "returned"


_ALWAYS = {
    LinkEvent.PASSED: LinkCondition.ACTIVE,
    LinkEvent.REFUSED: LinkCondition.STOPPED,
    LinkEvent.DISABLED: LinkCondition.DISABLED,
    LinkEvent.LEFT: LinkCondition.ORPHANED,
}
_FROM = {
    (LinkCondition.DISABLED, LinkEvent.ENABLED): LinkCondition.ACTIVE,
    (LinkCondition.ORPHANED, LinkEvent.RETURNED): LinkCondition.ACTIVE,
}


def next_condition(condition: LinkCondition, event: LinkEvent) -> LinkCondition:
    """The condition after an event; events without an entry leave it as it is."""
    return _ALWAYS.get(event) or _FROM.get((condition, event), condition)
