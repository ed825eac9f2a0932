"""Recurrence elements and canonical rules are each other's inverse (B-36)."""

from __future__ import annotations

from datetime import date, datetime

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from lxml import etree

from runner.connectors.exchange.names import root
from runner.connectors.exchange.recurrence import fill_recurrence, rule_of
from runner.model.recurrence import days_of, parse_rule
from tests.model.rules import bodies, ends


@settings(max_examples=400, deadline=None)
@given(bodies, ends, st.dates(date(2026, 1, 1), date(2028, 12, 31)))
def test_b36_every_rule_goes_out_and_comes_back(body: str, end: str, day: date) -> None:
    first = next(days_of(parse_rule(body, f"{day}T00:00:00").text(), f"{day}T09:00:00"))
    rule = parse_rule(body + end, datetime.combine(first, datetime.min.time()).isoformat())
    element = root("Recurrence")
    assume(next(days_of(rule.text(), first.isoformat()), None) is not None)
    fill_recurrence(element, rule, f"{first}T09:00:00")
    assert rule_of(etree.fromstring(etree.tostring(element))) == (rule, first)
