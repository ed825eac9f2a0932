"""What one configuration would do and another would not: two change sets of the same links, compared."""

from __future__ import annotations

from dataclasses import replace

from runner.reconcile.changeset import ChangeSet, LinkChanges
from runner.reconcile.fingerprint import fingerprint


def caused(old: ChangeSet, new: ChangeSet) -> ChangeSet:
    """What would be done under the new configuration and not under the old one."""
    before = {link.link: link for link in old.links}
    return ChangeSet(tuple(_more(before.get(link.link, LinkChanges(link.link)), link) for link in new.links))


def _more(old: LinkChanges, new: LinkChanges) -> LinkChanges:
    known = {fingerprint(old.link, planned) for planned in old.changes}
    detached = {each.label for each in old.detached}
    counts = {name: count - old.counts.get(name, 0) for name, count in new.counts.items()}
    return replace(
        new,
        changes=tuple(planned for planned in new.changes if fingerprint(new.link, planned) not in known),
        detached=tuple(each for each in new.detached if each.label not in detached),
        clashes=tuple(each for each in new.clashes if each not in old.clashes),
        counts={name: count for name, count in counts.items() if count > 0},
    )
