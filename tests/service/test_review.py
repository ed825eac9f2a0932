"""``exsync report``: what is asked, the figures at the head, and two renderings that take nothing for markup (B-92)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lxml import etree

from runner.service.review import QUESTIONS, Review, review
from runner.web.review import figures, html, markdown

HOSTILE = 'hq/a|b<script>alert(1)</script>@example.com"/calendar'
STATUS: dict[str, Any] = {
    "links": [
        {"name": HOSTILE, "condition": "active", "configured": True, "marks": 2, "proven": "2026-11-20T10:00:00+00:00"},
        {"name": "hq/c/tasks", "condition": "stopped", "configured": True, "marks": 1, "proven": "2026-11-25T10:00:00"},
        {"name": "hq/gone/tasks", "condition": "orphaned", "configured": False, "marks": 9, "proven": None},
        {"name": "hq2/d/tasks", "condition": "active", "configured": True},
    ]
}
CELLS: dict[tuple[str, str], dict[tuple[str, str], float]] = {
    ("changes", "time"): {("2026-11-20", "create"): 3, ("2026-11-21", "create"): 1, ("2026-11-21", "delete"): 1},
    ("changes", "direction"): {("inbound", "create"): 5},
    ("changes", "link"): {(HOSTILE, "create"): 5},
    ("latency", "time"): {("2026-11-20", "delay_p95"): 1.5},
    ("conflicts", "field"): {("title", "open"): 2, ("title", "decided"): 1},
    ("errors", "code"): {("http-503", "count"): 4},
    ("mails", "kind"): {("invitation", "sent"): 7, ("invitation", "held"): 3},
}


def ask(cube: str, asked: Mapping[str, str]) -> dict[str, Any]:
    assert asked["last"] == "7d"
    cells = CELLS.get((cube, asked["rows"]), {}) if asked["is.target"] == "hq" else {}
    return {
        "since": "2026-11-20T12:00:00+00:00",
        "until": "2026-11-27T12:00:00+00:00",
        "rows": list(dict.fromkeys(row for row, _ in cells)),
        "columns": list(dict.fromkeys(column for _, column in cells)),
        "cells": [{"row": row, "column": column, "value": value} for (row, column), value in cells.items()],
        "more": False,
    }


def reviewed() -> Review:
    return review(ask, STATUS, ["hq", "hq2"], "7d")


def test_the_figures_at_the_head() -> None:
    heard: list[tuple[int, int]] = []
    found = review(ask, STATUS, ["hq", "hq2"], "7d", lambda done, due: heard.append((done, due)))
    assert heard[-1] == (2 * len(QUESTIONS), 2 * len(QUESTIONS))
    told = {each.name: (each.text, each.bad) for each in figures(found.targets[0])}
    assert told == {
        "links": ("2, 1 stopped", True),
        "changes": ("5", False),
        "conflicts": ("3, 2 open", True),
        "failed passes": ("4", True),
        "set aside": ("0", False),
        "people mailed": ("7, 3 held", True),
        "waiting": ("3", False),
        "all proven equal since": ("2026-11-20", False),
    }
    quiet = {each.name: each.text for each in figures(found.targets[1])}
    assert (quiet["links"], quiet["all proven equal since"]) == ("1", "not yet")


def test_markdown_has_a_table_for_each_question_that_has_an_answer() -> None:
    text = markdown(reviewed())
    assert "# exsync, 2026-11-20 to 2026-11-27 (UTC)" in text
    assert "| 2026-11-20 | 3 |  | ████████████████████ |" in text
    assert "| 2026-11-21 | 1 | 1 | █████████████ |" in text
    assert "95 of 100 (s)" in text
    assert "1.5" in text
    assert "set aside and still are" not in text
    assert r"a\|b\<script\>" in text
    for line in (line for line in text.splitlines() if line.startswith("| ")):
        bare = re.sub(r"\\.", "", line)
        assert bare.count("|") in (3, 4, 5, 9), line


def test_html_draws_charts_and_loads_nothing() -> None:
    text = html(reviewed())
    page = etree.fromstring(text.encode(), etree.HTMLParser())
    assert len(page.findall(".//svg")) == 7  # two over time, and one for the one row of each of five others
    assert page.findall(".//script") == page.findall(".//link") == page.findall(".//img") == []
    assert "&lt;script&gt;" in text
    assert not re.search(r"(src|href)=|url\(|@import|https?:", text)
    assert "Nothing happened in this time." in text  # hq2
