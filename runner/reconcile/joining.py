"""The block of an online meeting in a body, which no edit of the text destroys (B-44).

Teams and Skype write how to join into the body, between two lines of underscores (Teams) or dots (Skype); that text is
the only place where most participants find the link. The CRM holds plain text, and people rewrite notes there without
knowing what the block is for. So where a text that replaces the body lacks the block's link, the block follows it, as
text; a body that the CRM did not change is not written at all.
"""

from __future__ import annotations

import re
from dataclasses import replace

from runner.model.record import Fields
from runner.model.state import Base
from runner.model.terms import Operation, Side
from runner.reconcile.decision import Change, Decision

BODY = "description"
_RULER = re.compile(r"^[ \t]*(?:_{20,}|\.{20,})[ \t]*$", re.MULTILINE)
_LINK = re.compile(
    r"https://(?:teams\.microsoft\.com/(?:l/meetup-join|meet)/|teams\.live\.com/meet/|meet\.lync\.com/|join\.skype\.com/"
    r"|[\w.-]+/meet/[\w.-]+/)[^\s<>\"]*"
)


def block_of(body: str) -> tuple[str, str] | None:
    """The block with its rulers, and the link in it; None when there is none. A ruler that is never closed ends with the
    body."""
    rulers = list(_RULER.finditer(body))
    for index, ruler in enumerate(rulers):
        end = rulers[index + 1].end() if index + 1 < len(rulers) else len(body)
        link = _LINK.search(body, ruler.end(), end)
        if link is not None:
            return body[ruler.start() : end].strip(), link.group()
    return None


def joinable(text: str | None, current: str | None) -> str | None:
    """The text that replaces this body, with the body's block behind it unless the text holds its link already."""
    found = block_of(current) if current else None
    if found is None or (text is not None and found[1] in text):
        return text
    return f"{text}\n\n{found[0]}" if text else found[0]


def keeping_block(decision: Decision, target: Fields | None) -> Decision:
    """The decision with the block kept in every body that it writes on the target."""
    current = target.get(BODY) if target is not None else None
    if not isinstance(current, str) or not any(_replaces(change) for change in decision.changes):
        return decision
    changes, base = [], decision.base
    for change in decision.changes:
        text = change.values.get(BODY)
        if _replaces(change) and (text is None or isinstance(text, str)):
            kept = joinable(text, current)
            change = replace(change, values={**change.values, BODY: kept})
            base = None if base is None else Base(base.crm, {**base.target, BODY: kept})
        changes.append(change)
    return replace(decision, changes=tuple(changes), base=base)


def _replaces(change: Change) -> bool:
    return change.side is Side.TARGET and change.operation is Operation.UPDATE and BODY in change.fields
