"""What a pair may remember of its item. Pure."""

from __future__ import annotations

from runner.config.plan import LinkPlan
from runner.model.privacy import MARK, hides, is_private, veiled
from runner.model.state import Base
from runner.model.terms import Side


def remembered(link: LinkPlan, base: Base, *, made: Side | None = None) -> Base:
    """The base that a pair keeps: where the target's item is private and the link hides that, the target's side is veiled
    (B-35), whether or not the item could be read back.

    ``made`` is the side on which the item was just made: in the CRM that is a placeholder.
    """
    if not is_private(base.target) or not hides(link.private, link.entity):
        return base
    veil = veiled(base.target)
    return Base(base.crm, {**veil, MARK: True} if made is Side.CRM else veil)
