"""A record whose user holds it no longer: what becomes of his copy (B-51). It lives on in the CRM, so this is no delete.

*Choices where the rule book is silent*

- Removing is for what we made: without our stamp, or before both sides were ever agreed, the copy is left alone.
- A copy that its user edited, on a link that would have carried the edit, is his work: it is left alone.
- Who gets such a record back is in step again with the copy that he kept, or gets a new one.
"""

from __future__ import annotations

from runner.model.record import Fields
from runner.model.state import Base
from runner.model.terms import OnLeave, Operation, Side
from runner.reconcile.decision import Decision
from runner.reconcile.merge import deleted, edited
from runner.reconcile.rules import ItemRules

LEFT = "the CRM record is not this user's any more"
"""Start of the reason of pairs that ended so; they are taken up again when the user holds the record again."""


def leave(base: Base | None, copy: Fields | None, rules: ItemRules, *, stamped: bool) -> Decision:
    """Decide about the target's ``copy`` (None: gone too). ``stamped``: it bears the stamp that we made it with."""
    if rules.on_leave is OnLeave.DETACH:
        return Decision(base=base, detach=LEFT)
    if copy is None:
        return Decision()
    if not stamped or base is None:
        return Decision(base=base, detach=f"{LEFT}, and the item on the target is not one that we made")
    if not rules.may(Operation.DELETE, Side.TARGET):
        return Decision(base=base, detach=f"{LEFT}, and deletes are denied on the target")
    if edited(base, Side.TARGET, copy, rules):
        return Decision(base=base, detach=f"{LEFT}, and was edited on the target since")
    return deleted(Side.TARGET, copy, rules, LEFT)
