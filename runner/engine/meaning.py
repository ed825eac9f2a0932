"""What a link's settings mean for items that were looked at before: whether they are worth another look."""

from __future__ import annotations

from runner.config.compile import ALERTS
from runner.config.plan import LinkPlan


def meaning_of(link: LinkPlan) -> str:
    """What makes old observations worth another look when it changes: mapping, window, privacy, direction.

    What came with a later version of this product is named only where it is set, so that an upgrade reads nothing again.
    """
    parts = [link.mapping.digest, link.window, link.private, link.rules.direction, link.time_zone]
    parts += ["meetings"] if link.private_meetings else []
    parts += [link.filter.text] if link.filter else []
    parts += ["alerts"] if any(unit.fields in ALERTS for unit in link.rules.units) else []
    parts += [str(link.restrictions)] if link.restrictions else []
    parts += [f"{link.files.one} {link.files.total} {sorted(link.files.blocked)}"] if link.files else []
    parts += [link.scope] if link.scope else []
    return ":".join(map(str, parts))
