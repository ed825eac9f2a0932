"""An operator's word on a held mail: the next pass carries it out with the ordinary conditional write (B-42)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from runner.model.errors import UsageError
from runner.model.meetings import Mail, MailStatus
from runner.model.ports import Store
from runner.model.state import Commit, Mark
from runner.model.terms import Side

WORDS = {"release": MailStatus.RELEASED, "drop": MailStatus.DROPPED}


def decide_mail(store: Store, mail_id: str, word: str, now: datetime) -> Mail:
    """Note ``release`` or ``drop`` for the held mail whose id starts with ``mail_id``, and make its item due at once.

    Raises :class:`UsageError` for an unknown or ambiguous id, and for a mail that is not held.
    """
    hits = [mail for mail in store.mails() if mail.id.startswith(mail_id)]
    if len(hits) != 1:
        raise UsageError(
            f"{'no' if not hits else 'more than one'} mail has an id that starts with {mail_id!r}",
            remedy="`exsync mail list` shows the ids",
        )
    held = hits[0]
    if held.status not in (MailStatus.HELD, *WORDS.values()):
        raise UsageError(
            f"mail {held.id[:8]} is {held.status}, not held", remedy="`exsync mail list` shows what is held"
        )
    decided = replace(held, status=WORDS[word], at=now)
    store.commit(Commit(mails=(decided,), marks=(Mark(held.link, Side.CRM, held.crm_key),)))
    return decided
