"""Database faults → the error tree, once, at the connector's edge.

PostgreSQL is read by SQLSTATE (PostgreSQL manual, appendix A), SQLite by result code (sqlite.org, "Result and Error
Codes"). Messages name tables, columns and constraints, never values: rows may be personal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from sqlalchemy import exc

from runner.model.errors import (
    AccessDenied,
    AuthRefused,
    ConnectorError,
    ContainerGone,
    Invalid,
    ProtocolFault,
    Transient,
    Unreachable,
)

Fault = Callable[[str, str], ConnectorError]

_RIGHTS = "grant the CRM account what is missing, or use another account"
_SCHEMA = "compare the CRM's schema with its YAML, then run `exsync target ddl` again"


def _transient(what: str, code: str) -> ConnectorError:
    return Transient(f"the CRM database could not finish: {what}; nothing was written", code=code)


def _denied(what: str, code: str) -> ConnectorError:
    return AccessDenied(f"the CRM database does not allow it: {what}", code=code, remedy=_RIGHTS)


def _refused(what: str, code: str) -> ConnectorError:
    return AuthRefused(
        f"the CRM database refuses the account: {what}", code=code, remedy="check user and password of the CRM url"
    )


def _unreachable(what: str, code: str) -> ConnectorError:
    return Unreachable(
        f"the CRM database cannot be reached: {what}",
        code=code,
        remedy="check that it runs, and host, port and name in the CRM url",
    )


def _missing(what: str, code: str) -> ConnectorError:
    return ContainerGone(f"the CRM's schema is not what is described: {what}", code=code, remedy=_SCHEMA)


def _constraint(what: str, code: str) -> ConnectorError:
    return Invalid(f"the CRM refuses the record: {what}", code="constraint")


def _data(what: str, code: str) -> ConnectorError:
    return Invalid(f"a value does not fit its column: {what}", code="value")


def _protocol(what: str, code: str) -> ConnectorError:
    return ProtocolFault(f"the CRM database answered unexpectedly: {what}", code=code)


SQLSTATES: Mapping[str, Fault] = MappingProxyType(
    {
        "08": _transient,  # connection exception
        "21": _constraint,  # a query of the CRM's own trigger found several rows
        "22": _data,
        "23": _constraint,
        "25006": _denied,  # read-only transaction
        "27": _constraint,  # the CRM's own trigger changed the row meanwhile
        "28": _refused,
        "3D000": _unreachable,  # no such database
        "3F000": _missing,  # no such schema
        "40": _transient,  # rollback: deadlock, serialization failure
        "42501": _denied,
        "42P01": _missing,  # no such table
        "42703": _missing,  # no such column
        "44": _constraint,  # WITH CHECK OPTION
        "53": _transient,  # insufficient resources
        "54": _data,  # program limit exceeded: a text too long for its index
        "55P03": _transient,  # lock not available
        "57": _transient,  # operator intervention: cancelled, shut down, starting up
        "58": _transient,  # system error outside PostgreSQL
        "P0": _constraint,  # RAISE, ASSERT or a STRICT query in one of the CRM's own triggers
    }
)
"""SQLSTATE or its class → the fault; the longer key wins."""

_OWN_WORDS = frozenset("56789IJKLMNOPQRSTUVWXYZ")
"""How classes begin that the SQL standard leaves to others. All of PostgreSQL's stand above, or are faults of no one
record; any further one is a trigger's own (``RAISE … USING ERRCODE``), as is 45."""
_POSTGRES = frozenset({"53", "54", "55", "57", "58", "72", "HV", "P0", "XX"})

SQLITE_CODES: Mapping[int, Fault] = MappingProxyType(
    {
        3: _denied,  # PERM
        5: _transient,  # BUSY: another connection holds the lock
        6: _transient,  # LOCKED
        8: _denied,  # READONLY
        10: _transient,  # IOERR
        11: _unreachable,  # CORRUPT
        13: _transient,  # FULL
        14: _unreachable,  # CANTOPEN
        18: _data,  # TOOBIG
        19: _constraint,
        20: _data,  # MISMATCH
        23: _denied,  # AUTH
        26: _unreachable,  # NOTADB
    }
)
"""SQLite primary result code → the fault."""

# libpq gives no SQLSTATE for a refused log-on, only the server's text in its own language; the quoted parts stay alike.
_LOG_ON = (
    "authentication failed",
    "no password supplied",
    "pg_hba.conf",
    "fe_sendauth",
    'role "',
    "not permitted to log in",
)
_AWAY = (
    "starting up",
    "shutting down",
    "too many clients",
    "too many connections",
    "recovery mode",
    "connection slots",
)


def classed(error: BaseException) -> ConnectorError:
    """The product's error for one of SQLAlchemy's or the driver's."""
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, ConnectorError):
        return cause
    state = getattr(cause, "sqlstate", None)
    if state:
        what = _described(cause)
        fault = SQLSTATES.get(state) or SQLSTATES.get(state[:2]) or (_constraint if _is_raised(state) else _protocol)
        return fault(what, state)
    code = getattr(cause, "sqlite_errorcode", None)
    if code is not None:
        if "no such table" in str(cause) or "no such column" in str(cause):
            return _missing(str(cause), "schema")
        return SQLITE_CODES.get(code & 0xFF, _protocol)(str(cause), getattr(cause, "sqlite_errorname", str(code)))
    return _unnumbered(error, cause)


def _is_raised(state: str) -> bool:
    """Whether an SQLSTATE is none of PostgreSQL's: a trigger of the CRM's raised it, about the record in hand."""
    return state[:2] == "45" or (state[:1] in _OWN_WORDS and state[:2] not in _POSTGRES)


def _unnumbered(error: BaseException, cause: BaseException) -> ConnectorError:
    words = str(cause)
    first = words.strip().splitlines()[0] if words.strip() else type(cause).__name__
    if isinstance(error, exc.TimeoutError):
        return _transient("no free connection", "pool")
    if getattr(error, "connection_invalidated", False) or "closed" in first.lower():
        return _transient("the connection was lost", "connection-lost")
    if "connection failed" in words or "connection timeout" in words or "resolve host" in words:
        if any(mark in words for mark in _LOG_ON):
            return _refused(first, "log-on")
        return _transient(first, "away") if any(mark in words for mark in _AWAY) else _unreachable(first, "connection")
    if "Could not decode to UTF-8" in first:
        return _data("text that is no UTF-8", "value")
    if isinstance(cause, ValueError | OverflowError | LookupError | TypeError) or isinstance(error, exc.DataError):
        return _data(type(cause).__name__, "value")
    if isinstance(error, exc.OperationalError | exc.InterfaceError):
        return _transient(first, "operational")
    return _protocol(type(cause).__name__, "driver")


def _described(cause: BaseException) -> str:
    """A PostgreSQL error without the row's values: those stand in its detail, and for data errors in its message."""
    diag = getattr(cause, "diag", None)
    kind = type(cause).__name__
    names = [getattr(diag, name, None) for name in ("table_name", "column_name", "constraint_name")]
    named = ", ".join(str(name) for name in names if name)
    state = getattr(cause, "sqlstate", None) or ""
    if state[:2] in {"21", "22", "23", "27", "44", "54", "P0"} or _is_raised(state):
        return f"{kind} ({named})" if named else kind
    return getattr(diag, "message_primary", None) or kind


@contextmanager
def translated() -> Iterator[None]:
    """Around any use of the database: its faults leave as the product's."""
    try:
        yield
    except exc.SQLAlchemyError as error:
        raise classed(error) from None
