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


DEPARTED = "takes part no longer: "
"""Start of the reason of pairs of a directory that ended so."""


def depart(base: Base | None, record: Fields | None, rules: ItemRules, reason: str) -> Decision:
    """Decide about the CRM's ``record`` (None: gone too) of somebody who is in the directory, and takes part no longer: base,
    filter or groups ask for him no more. It is no delete there; ``on_leave`` says what becomes of it here (B-81, B-82)."""
    why = f"{DEPARTED}{reason}"
    if record is None:
        return Decision()
    if rules.on_leave is OnLeave.DETACH:
        return Decision(base=base, detach=why)
    if not rules.may(Operation.DELETE, Side.CRM):
        return Decision(base=base, detach=f"{why}; deletes are denied in the CRM")
    return deleted(Side.CRM, record, rules, why)


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
