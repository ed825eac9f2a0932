"""What one configuration would do and another would not: two change sets of the same links, compared."""

from __future__ import annotations

from dataclasses import replace

from runner.reconcile.changeset import ChangeSet, LinkChanges, Noted
from runner.reconcile.fingerprint import fingerprint


def caused(old: ChangeSet, new: ChangeSet) -> ChangeSet:
    """What would be done under the new configuration and not under the old one."""
    before = {link.link: link for link in old.links}
    return ChangeSet(tuple(_more(before.get(link.link, LinkChanges(link.link)), link) for link in new.links))


def _more(old: LinkChanges, new: LinkChanges) -> LinkChanges:
    known = {fingerprint(old.link, planned) for planned in old.changes}
    counts = {name: count - old.counts.get(name, 0) for name, count in new.counts.items()}
    return replace(
        new,
        changes=tuple(planned for planned in new.changes if fingerprint(new.link, planned) not in known),
        detached=_fresh(old.detached, new.detached),
        drifted=_fresh(old.drifted, new.drifted),
        left=_fresh(old.left, new.left),
        quarantined=_fresh(old.quarantined, new.quarantined),
        unsure=tuple(each for each in new.unsure if each not in old.unsure),
        clashes=tuple(each for each in new.clashes if each not in old.clashes),
        counts={name: count for name, count in counts.items() if count > 0},
    )


def _fresh(old: tuple[Noted, ...], new: tuple[Noted, ...]) -> tuple[Noted, ...]:
    known = {each.label for each in old}
    return tuple(each for each in new if each.label not in known)
