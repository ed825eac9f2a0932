"""A configured exsync over a sandbox and an SQLite CRM, as an operator would have it, for the benches."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runner.cli.context import Context, Session, SystemRng
from runner.connectors.crm import SqlCrmConnector
from runner.engine.passes import Orders
from runner.engine.report import PassReport
from runner.sandbox.demo_crm import create_demo_crm
from tests.bench.server import PASSWORD, USER

REPOSITORY = Path(__file__).parents[2]


def configure(home: Path, url: str) -> Context:
    """Stock configuration in ``home`` with one link to this server; the CRM has its user and no appointments."""
    for folder in ("targets.d", "mappings"):
        (home / folder).mkdir()
    for name in ("targets.d/crm.yaml", "mappings/schedule_item.yaml"):
        (home / name).write_text((REPOSITORY / name).read_text(encoding="utf-8"), encoding="utf-8")
    text = (REPOSITORY / "targets.d/sandbox.yaml").read_text(encoding="utf-8")
    text = text.replace("http://127.0.0.1:8025/EWS/Exchange.asmx", url)
    text = text.replace("past: 30d, future: 365d", "past: 20000d, future: 20000d")
    (home / "targets.d/sandbox.yaml").write_text(text.split("- user: bob")[0], encoding="utf-8")
    create_demo_crm(home / "crm.sqlite")
    with sqlite3.connect(home / "crm.sqlite") as connection:
        connection.execute("DELETE FROM appointment")
    connection.close()
    os.environ |= {"EXSYNC_CRM_URL": f"sqlite:///{home / 'crm.sqlite'}", "EXSYNC_SANDBOX_PASSWORD": PASSWORD}
    return Context(home, home / "state.duckdb", home / "state.sock")


@contextmanager
def opened(home: Path, url: str) -> Iterator[Session]:
    """A session over a fresh world with the printed DDL applied."""
    context = configure(home, url)
    with context.session() as session:
        assert isinstance(session.crm, SqlCrmConnector)
        session.crm.apply_ddl()
        yield session


def one_pass(session: Session) -> PassReport:
    """One pass over the one link."""
    [report] = session.runner.run(session.links(()), Orders(SystemRng().token()))
    if report.error:
        raise report.error
    return report


__all__ = ["USER", "configure", "one_pass", "opened"]
