"""Links by the names that people give them: whole names, their beginnings, or any part between two strokes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from runner.config.plan import LinkPlan, SyncPlan
from runner.model.errors import UsageError


def select_links(plan: SyncPlan, names: Sequence[str]) -> list[LinkPlan]:
    """The links that names or prefixes select (none given: all). Raises ``UsageError`` for a name that fits nothing."""
    links = plan.links
    if not names:
        return list(links.values())
    chosen: dict[str, LinkPlan] = {}
    for name in names:
        hits = {known: link for known, link in links.items() if known == name or known.startswith(f"{name}/")}
        hits = hits or {known: link for known, link in links.items() if f"/{name.lower()}/" in f"/{known}/"}
        if not hits:
            raise UsageError(f"no link is called {name!r}", remedy=_suggest(name, links))
        chosen |= hits
    return list(chosen.values())


def _suggest(name: str, links: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(links), n=1)
    return f"did you mean {close[0]!r}?" if close else "`exsync show links` lists them"
