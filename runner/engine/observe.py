"""Observations, not work: what changed on either side becomes durable dirty marks, together with the watermark behind it.

Memory does not grow with the folder: ids come page by page and go straight into the state. Our own echoes are dropped
here by version, set-based, without reading an item (B-12).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from runner.engine.parts import Parts
from runner.model.errors import ConnectorError, WatermarkInvalid
from runner.model.items import ChangePage, LinkRef, Ref
from runner.model.state import Commit, LinkState, Mark
from runner.model.terms import Direction, Side

PAIRED_PAGE = 2000
NOTED = 2048
"""Ids of the target's feed that are noted in one commit, about: a crash costs reading this many ids again."""
RESTARTS = 1
"""How often one pass starts a dead watermark anew; then the next pass goes on (progress is durable)."""


def observe_crm(parts: Parts, ref: LinkRef, state: LinkState) -> LinkState:
    """Mark every live record of the link's owner once, and every paired one that the listing does not name. Later changes
    come through the CRM's feed; a link is listed again when that feed has a gap (B-74)."""
    recheck = parts.store.count(ref.name) > 0
    seen: set[int] = set()
    for page in parts.crm.listing(ref):
        marks = tuple(Mark(ref.name, Side.CRM, entry.key) for entry in page.changed)
        if marks:
            parts.store.commit(Commit(marks=marks))
        if recheck:
            seen.update(hash(entry.key) for entry in page.changed)
    if recheck:
        _recheck(parts, ref, Side.CRM, seen)
    state = replace(state, listed=True)
    if state.target_complete:  # else the target is read to its end next, and that is noted with this
        parts.store.commit(Commit(links=(state,)))
    return state


def observe_target(parts: Parts, ref: LinkRef, state: LinkState, direction: Direction) -> LinkState:
    """Read the target's changes since the watermark into marks, page by page, and return the state behind them."""
    for _ in range(RESTARTS + 1):
        try:
            return _observe_target(parts, ref, state, direction)
        except WatermarkInvalid:
            state = replace(state, target_watermark=None, target_complete=False)
            parts.store.commit(Commit(links=(state,)))
    return state


def _observe_target(parts: Parts, ref: LinkRef, state: LinkState, direction: Direction) -> LinkState:
    store = parts.store
    whole = not state.target_complete
    recheck = whole and store.count(ref.name) > 0
    seen: set[int] = set()
    for page in _together(parts.target.changes(ref, state.target_watermark)):
        if page.whole and not whole:  # the feed began at nothing of its own accord
            whole, recheck = True, store.count(ref.name) > 0
        if page.changed or page.deleted:
            marks = _marks(
                parts,
                ref,
                {entry.key: entry.version for entry in page.changed},
                page.deleted,
                whole=direction.writes(Side.CRM) or not state.matched,
            )
            if recheck:
                seen.update(hash(entry.key) for entry in page.changed)
        else:
            marks = ()
        read = whole and page.complete and not recheck and not state.target_complete
        if marks or read or page.watermark != state.target_watermark:
            complete = state.target_complete or read
            state = replace(state, target_watermark=page.watermark, target_complete=complete)
            store.commit(Commit(links=(state,), marks=marks))
        if page.complete:
            break
    else:
        return state
    if recheck:
        _recheck(parts, ref, Side.TARGET, seen)
    if not state.target_complete:
        state = replace(state, target_complete=True)
        store.commit(Commit(links=(state,)))
    return state


def _together(pages: Iterable[ChangePage]) -> Iterator[ChangePage]:
    """Several pages as one, as many as are noted at a time. What was read before a fault is noted all the same."""
    held: list[ChangePage] = []
    size = 0
    try:
        for page in pages:
            held.append(page)
            size += len(page.changed) + len(page.deleted)
            if page.complete or size >= NOTED:
                yield _joined(held)
                held, size = [], 0
    except ConnectorError:
        if held:
            yield _joined(held)
        raise
    if held:
        yield _joined(held)


def _joined(pages: Sequence[ChangePage]) -> ChangePage:
    """Pages in order as one: what a key was last said to be counts."""
    if len(pages) == 1:
        return pages[0]
    said: dict[str, Ref | None] = {}
    for page in pages:
        for key, ref in (*((ref.key, ref) for ref in page.changed), *((key, None) for key in page.deleted)):
            said.pop(key, None)
            said[key] = ref
    return ChangePage(
        changed=tuple(ref for ref in said.values() if ref is not None),
        deleted=tuple(key for key, ref in said.items() if ref is None),
        watermark=pages[-1].watermark,
        complete=pages[-1].complete,
        whole=pages[-1].whole,
    )


def _marks(
    parts: Parts, ref: LinkRef, changed: dict[str, str | None], deleted: tuple[str, ...], *, whole: bool
) -> tuple[Mark, ...]:
    """Marks of one page, without echoes. Where the CRM is never written, strangers are left out, so that they cost nothing
    (``whole`` False); but not before the first sync has paired what is on both sides (B-72)."""
    echoes = parts.store.echoes(ref.name, Side.TARGET, changed) if changed else frozenset()
    fresh = [key for key in changed if key not in echoes]
    gone = list(deleted)
    if not whole and (fresh or gone):
        known = {pairing.target_key for pairing in parts.store.pairings(ref.name, target_keys=[*fresh, *gone])}
        fresh = [key for key in fresh if key in known]
        gone = [key for key in gone if key in known]
    marks = [Mark(ref.name, Side.TARGET, key) for key in fresh]
    marks += [Mark(ref.name, Side.TARGET, key, deleted=True) for key in gone]
    return tuple(marks)


def _recheck(parts: Parts, ref: LinkRef, side: Side, seen: set[int]) -> None:
    """After a side was read from nothing: pairs whose item was not in it are read directly. Absence from a listing is
    never a delete (invariant 2); it is only a reason to look."""
    after = 0
    while page := parts.store.paired_keys(ref.name, side, after=after, limit=PAIRED_PAGE):
        after = page[-1][0]
        marks = tuple(Mark(ref.name, side, key) for _, key in page if hash(key) not in seen)
        if marks:
            parts.store.commit(Commit(marks=marks))
