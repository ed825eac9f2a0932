"""A stand-in made from a description is what the description says: the connector finds nothing wrong with it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from runner.config import load_plan
from runner.config.plan import CrmPlan
from runner.connectors.crm import connect
from runner.connectors.crm.standin import stand_in, tables
from runner.model.terms import Entity
from runner.testing.clock import FakeClock

REPOSITORY = Path(__file__).parents[2]


BESIDE = """\
    materialise: {table: calendar_day, series: appointment_id, day: day, start: starts_at, end: ends_at, horizon: 400d,
      from: {rule: recurrence_rule, start: starts_at, end: ends_at, zone: time_zone, all_day: all_day}}
"""
"""What an appointment may have beside what the shipped description names."""


def everything(home: Path) -> CrmPlan:
    """The shipped description with every table that one can name."""
    for part in ("targets.d", "mappings"):
        shutil.copytree(REPOSITORY / part, home / part)
    file = home / "targets.d/crm.yaml"
    text = file.read_text(encoding="utf-8")
    assert "    participants:" in text
    file.write_text(text.replace("    participants:", f"{BESIDE}    participants:"), encoding="utf-8")
    return load_plan(home).crm


@pytest.mark.parametrize("described", [everything, lambda _: load_plan(REPOSITORY).crm], ids=["everything", "stock"])
def test_the_connector_takes_a_stand_in_for_the_crm(described: Callable[[Path], CrmPlan], tmp_path: Path) -> None:
    plan = described(tmp_path)
    file = tmp_path / "crm.sqlite"
    elsewhere = replace(plan, schema="sales", feed="version_column")
    with closing(sqlite3.connect(file)) as connection, connection:
        for statement in tables(elsewhere, {Entity.SCHEDULE_ITEM: {"priority": "C", "all_day": True}}):
            connection.execute(statement)
        connection.execute("INSERT INTO appointment (subject, sensitivity, show_as) VALUES ('x', 'Normal', 'Busy')")
        row = connection.execute("SELECT id, row_version, deleted, priority, all_day FROM appointment").fetchone()
        assert row == (1, 1, 0, "C", 1)
    made = stand_in(elsewhere, f"sqlite:///{file}")
    with closing(connect(made, str(made.url), clock=FakeClock())) as connector:
        connector.apply_ddl()
        connector.check()
