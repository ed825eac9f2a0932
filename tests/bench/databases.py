"""How much of a pass's CPU is spent inside the two databases: what no code of ours can make less without asking them less."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from runner.store.connection import Connection


@dataclass
class Spent:
    """CPU seconds inside the state's DuckDB and inside the CRM's database (statements and commits; not the fetching of its
    rows)."""

    state: float = 0.0
    crm: float = 0.0


class _Answer:
    """What a statement answered; to fetch it counts as well."""

    def __init__(self, answer: Any, timed: Callable[..., Any]) -> None:
        self._answer, self._timed = answer, timed

    def fetchall(self) -> Any:
        return self._timed(self._answer.fetchall)


@contextmanager
def counted() -> Iterator[Spent]:
    """Inside, it is counted. Sessions are to be opened inside, too."""
    spent = Spent()

    def timed(work: Callable[..., Any], *given: Any) -> Any:
        begun = time.process_time()
        try:
            return work(*given)
        finally:
            spent.state += time.process_time() - begun

    execute, construct = Connection.execute, Connection.__init__

    def executed(self: Connection, text: str, values: object = None) -> Any:
        return _Answer(timed(execute, self, text, values), timed)

    def constructed(self: Connection, con: Any) -> None:
        construct(self, con)
        self.begin, self.commit = (lambda work=work: timed(work) for work in (con.begin, con.commit))

    def before(connection: sa.Connection, *_: Any) -> None:
        connection.info["begun"] = time.process_time()

    def after(connection: sa.Connection, *_: Any) -> None:
        spent.crm += time.process_time() - connection.info["begun"]

    Connection.execute, Connection.__init__ = executed, constructed  # type: ignore[method-assign]
    sa.event.listen(sa.Engine, "before_cursor_execute", before)
    sa.event.listen(sa.Engine, "after_cursor_execute", after)
    try:
        yield spent
    finally:
        Connection.execute, Connection.__init__ = execute, construct  # type: ignore[method-assign]
        sa.event.remove(sa.Engine, "before_cursor_execute", before)
        sa.event.remove(sa.Engine, "after_cursor_execute", after)
