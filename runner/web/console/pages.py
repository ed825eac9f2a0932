"""What each page shows: requests in, plain data for a template out. Viewers get it masked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request

from runner.model.cubes import Answer
from runner.model.diagnostics import Severity
from runner.model.errors import UsageError
from runner.service import views
from runner.service.board import STANDINGS, Board
from runner.service.candidates import candidates_view
from runner.service.desk import Desk
from runner.service.looking import run_view, runs_view
from runner.service.masking import masked
from runner.service.newcomers import newcomers_view
from runner.store.history import History
from runner.web.console.access import Visitor
from runner.web.console.charts import over_time
from runner.web.console.directories import ldap
from runner.web.looks import link_query

SIZE = 50
LINES = 600
"""Lines of a file that are shown at a time."""
Told = dict[str, Any]
Page = Callable[["Pages", Request, Visitor], Told]


class Pages:
    """The pages of one running service."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.board = Board(desk.service)
        self.history = History(desk.service.store)

    def frame(self) -> Told:
        """What every page shows around itself."""
        service = self.desk.service
        standing = service.configuration.standing
        outcome = standing.outcome.value if standing else "applied"
        return {
            "counts": self.history.standing() | {"blocked": _blocked(self.desk)},
            "generation": service.generations.current.number,
            "configuration": outcome,
            "crm_down": service.dispatcher.crm_down,
            "running": service.dispatcher.running(),
            "everything_suspended": next(
                (views.suspension_view(one) for one in service.store.suspensions() if not one.name), None
            ),
        }


def sync(pages: Pages, request: Request, visitor: Visitor) -> Told:
    """Targets, one target, links, one link (B-90)."""
    asked = request.query_params
    targets = pages.board.targets()
    query = link_query(asked, size=SIZE)
    listed = pages.board.links(query)
    chosen = asked.get("target") or (targets[0]["name"] if len(targets) == 1 else "")
    link = asked.get("link") or ""
    return {
        "template": "sync.html",
        "targets": targets,
        "target": pages.board.target(chosen) if chosen else None,
        "candidate": _candidate(pages, chosen),
        "query": query,
        "listed": listed,
        "newcomers": newcomers_view(pages.desk.service),
        "link": _link(pages, link) if link else None,
        "standings": STANDINGS,
    }


def _candidate(pages: Pages, target: str) -> Told | None:
    """What came of the target's candidate so far; None when it has none."""
    service = pages.desk.service
    plan = service.generations.current.plan
    if target not in plan.candidates:
        return None
    return next(one for one in candidates_view(service.store, plan) if one["target"] == target)


def _link(pages: Pages, name: str) -> Told | None:
    try:
        return {**pages.board.link(name), "hindrance": pages.board.hindrance(name)}
    except UsageError:
        return None


def conflicts(pages: Pages, request: Request, visitor: Visitor) -> Told:
    """The conflict ledger, what waits for somebody first."""
    everything = "all" in request.query_params
    found = pages.desk.conflicts(open_only=not everything)["conflicts"]
    found = _matching(found, request, "link", "field", "id")
    return {"template": "conflicts.html", "everything": everything, **_paged(_seen(found, visitor), request)}


def conflict(pages: Pages, request: Request, visitor: Visitor) -> Told:
    """One conflict, field by field, with the base and both values."""
    told = pages.desk.conflict(request.path_params["id"])
    names = sorted({name for side in ("base", "crm", "target") for name in told[side] or {}})
    seen = _seen(told, visitor)
    state = "settled" if told["resolved_at"] else "open" if told["winner"] is None else "decided"
    waiting = [one.take for one in pages.desk.service.store.resolutions(told["link"]) if one.conflict == told["id"]]
    return {"template": "conflict.html", "conflict": seen, "names": names, "state": state, "waiting": waiting}


def quarantine(pages: Pages, request: Request, visitor: Visitor) -> Told:
    """Items that were set aside."""
    # Masked before it is searched: a search that hits would tell what the mask hides.
    found = _matching(_seen(pages.desk.quarantine()["items"], visitor), request, "link", "code", "reason")
    return {"template": "quarantine.html", **_paged(found, request)}


def mail(pages: Pages, request: Request, visitor: Visitor) -> Told:
    """Mail to attendees: what is held, or all of it."""
    everything = "all" in request.query_params
    found = _matching(pages.desk.mails(everything=everything)["mails"], request, "link", "kind", "user")
    return {"template": "mail.html", "everything": everything, **_paged(_seen(found, visitor), request)}


def queue(pages: Pages, request: Request, visitor: Visitor) -> Told:
    """Messages, and the queue's figures over time (B-22)."""
    hours = min(24 * 30, _number(request.query_params, "hours", 6))
    found = _matching(pages.desk.queue()["messages"], request, "link", "state")
    samples = pages.desk.queue_stats(hours * 60)["samples"]
    charts = [
        (
            "Wishes put and messages taken, a minute",
            over_time(_series(samples, ("sent", "received")), "", stacked=False, steps=4),
        ),
        ("Messages waiting", over_time(_series(samples, ("backlog", "blocked")), "", stacked=False, steps=4)),
        ("Time that a message was held", over_time(_series(samples, ("mean", "oldest")), " s", stacked=False, steps=4)),
    ]
    return {
        "template": "queue.html",
        "hours": hours,
        "charts": charts,
        "samples": len(samples),
        **_paged(found, request),
    }


def runs(pages: Pages, request: Request, visitor: Visitor) -> Told:
    """Passes with an effect, newest first."""
    asked = request.query_params
    told = runs_view(pages.history, {**asked, "link": asked.get("q", "")})
    return {
        "template": "runs.html",
        "rows": told["passes"],
        "outcome": asked.get("outcome", ""),
        **_pages(told["total"], told["page"]),
    }


def run(pages: Pages, request: Request, visitor: Visitor) -> Told:
    """One run: its passes, and what it wrote, before and after."""
    asked = request.query_params
    told = _seen(run_view(pages.history, request.path_params["run"], asked), visitor)
    return {"template": "run.html", "link": asked.get("link", ""), **told, **_pages(told["total"], told["page"])}


def configuration(pages: Pages, request: Request, visitor: Visitor) -> Told:
    """The files as they are in use, or as they were rejected, with findings where they are (B-102)."""
    current = pages.desk.service.configuration
    standing = current.standing
    rejected = standing is not None and standing.outcome.value in ("rejected", "failed")
    shows_rejected = rejected and request.query_params.get("show") != "used"
    texts: Mapping[str, str] = standing.texts if shows_rejected and standing else current.described.texts
    findings = list(standing.diagnostics) if standing and (shows_rejected or not rejected) else []
    names = sorted({*texts, *(each.span.file for each in findings)})
    wanted = request.query_params.get("file", "")
    first = next((each.span.file for each in findings if each.severity is Severity.ERROR), None)
    name = wanted if wanted in names else first or (names[0] if names else "")
    lines = texts.get(name, "").split("\n")
    line = min(max(1, _number(request.query_params, "line", 1)), len(lines))
    start = max(0, (line - 1) // LINES * LINES)
    by_line: dict[int, list[Any]] = {}
    for each in findings:
        if each.span.file == name:
            by_line.setdefault(each.span.line, []).append(each)
    return {
        "template": "configuration.html",
        "standing": standing,
        "rejected": rejected,
        "shows_rejected": shows_rejected,
        "files": [(each, [one for one in findings if one.span.file == each]) for each in names],
        "file": name,
        "lines": list(enumerate(lines[start : start + LINES], start=start + 1)),
        "line": line if "line" in request.query_params else 0,
        "before": start,
        "after": start + LINES + 1 if start + LINES < len(lines) else 0,
        "findings": by_line,
        "errors": findings,
        "digest": pages.desk.service.generations.current.plan.digest,
    }


def acts(pages: Pages, request: Request, visitor: Visitor) -> Told:
    """What operators did."""
    found = _matching(pages.desk.acts(2000)["acts"], request, "who", "what", "subject")
    return {"template": "acts.html", **_paged(_seen(found, visitor), request)}


PAGES: Mapping[str, Page] = {
    "/sync": sync,
    "/ldap": ldap,
    "/conflicts": conflicts,
    "/conflicts/{id}": conflict,
    "/quarantine": quarantine,
    "/mail": mail,
    "/queue": queue,
    "/runs": runs,
    "/runs/{run}": run,
    "/configuration": configuration,
    "/acts": acts,
}


def _seen(told: Any, visitor: Visitor) -> Any:
    return told if visitor.operates else masked(told)


def _matching(found: list[Told], request: Request, *names: str) -> list[Told]:
    """Those in whose named values every word of the search is."""
    words = request.query_params.get("q", "").lower().split()
    if not words:
        return found
    return [one for one in found if all(word in " ".join(str(one[name]) for name in names).lower() for word in words)]


def _paged(found: list[Told], request: Request) -> Told:
    told = _pages(len(found), _number(request.query_params, "page", 1))
    start = (told["page"] - 1) * SIZE
    return {"rows": found[start : start + SIZE], **told}


def _pages(number: int, page: int) -> Told:
    pages = max(1, -(-number // SIZE))
    return {"total": number, "pages": pages, "page": min(max(1, page), pages)}


def _number(asked: Mapping[str, str], name: str, otherwise: int) -> int:
    text = asked.get(name, "")
    return max(1, int(text)) if text.isdecimal() and len(text) < 10 else otherwise


def _blocked(desk: Desk) -> int:
    return sum(message.state.value == "blocked" for message in desk.service.queue.messages())


def _series(samples: list[Told], names: tuple[str, ...]) -> Answer:
    """Samples of all targets together, minute by minute (counts add up; of times the highest counts)."""
    cells: dict[tuple[str, str], float] = {}
    for sample in samples:
        minute = str(sample["at"])[5:16].replace("T", " ")
        for name in names:
            before = cells.get((minute, name), 0.0)
            value = float(sample[name])
            cells[minute, name] = max(before, value) if name in ("mean", "oldest") else before + value
    return Answer(tuple(sorted({row for row, _ in cells})), names, cells)
