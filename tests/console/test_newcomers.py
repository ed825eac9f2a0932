"""Who is on a list of users and does not take part, as the page Synchronization shows it (B-73)."""

from __future__ import annotations

from typing import Any

from runner.service.board import STANDINGS, LinkQuery
from runner.web.console.access import Visitor
from runner.web.console.sessions import Session
from runner.web.console.users import Role
from tests.console.framed import framed
from tests.console.test_access import request

EVIL = "<script>document.title='owned'</script>"
ROW = {"rule": "targets.d/hq.yaml:13:3", "target": "hq", "row": "mute", "reason": f"no e-mail address {EVIL}"}
LINK = {"link": "hq/zoe@example.com/calendar", "message": 7, "attempts": 5, "reason": "there is no such mailbox"}
NOBODY: dict[str, Any] = {"failed": [], "unlinked": [], "lists": []}


def page(role: Role = Role.OPERATOR, **newcomers: Any) -> str:
    visitor = Visitor("olga", role, Session("id", "olga", "proof", 0.0))
    told = {
        "targets": [],
        "target": None,
        "candidate": None,
        "query": LinkQuery(),
        "listed": {"links": [], "standings": {}},
        "newcomers": {**NOBODY, **newcomers},
        "link": None,
        "standings": STANDINGS,
    }
    return framed(request(), "sync.html", visitor, told)


def test_rows_and_links_that_do_not_take_part_are_listed_with_their_reasons() -> None:
    text = page(unlinked=[ROW], failed=[LINK], lists=["targets.d/hq.yaml:20:3: the list is empty"])
    for told in ("mute", "targets.d/hq.yaml:13", "there is no such mailbox", "the list is empty", LINK["link"]):
        assert str(told) in text
    assert ">5<" in text
    assert EVIL not in text
    assert "/act/retry?message=7" in text
    assert "/act/retry" not in page(Role.VIEWER, failed=[LINK])


def test_a_list_of_thousands_is_cut_short_and_says_so() -> None:
    rows = [{**ROW, "row": f"service{n}"} for n in range(1_050)]
    text = page(unlinked=rows)
    assert "service49" in text
    assert "service50" not in text
    assert "and 1,000 more" in text or "and 1 000 more" in text.replace("\u202f", " ").replace("\xa0", " ")


def test_without_them_the_page_says_nothing_of_lists() -> None:
    assert "On a list of users" in page(unlinked=[ROW])
    assert "On a list of users" not in page()
