"""The log: structlog, as JSON lines for machines or coloured for a terminal. Event names are constant, data is in fields."""

from __future__ import annotations

import logging
import sys
from typing import Any, TextIO

import structlog

from runner.model.printable import printable

FORMATS = ("auto", "json", "console")
LEVELS = ("debug", "info", "warning", "error")


def configure(form: str = "auto", level: str = "info", stream: TextIO | None = None) -> None:
    """Set the log up for the process: ``auto`` is console on a terminal and JSON elsewhere. Lines go to standard error.

    What libraries log through :mod:`logging` comes out as lines of the same form, from warnings on.
    """
    out = stream or sys.stderr
    human = form == "console" or (form == "auto" and out.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _plain,
    ]
    if not human:
        shared.append(structlog.processors.format_exc_info)
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=out.isatty())
        if human
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)


def _plain(logger: object, method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Instants as ISO text; fields without a value are left out; no text can begin a line or move a terminal (E12)."""
    return {
        name: value.isoformat(timespec="milliseconds")
        if hasattr(value, "isoformat")
        else printable(value)
        if isinstance(value, str)
        else value
        for name, value in event.items()
        if value is not None
    }
