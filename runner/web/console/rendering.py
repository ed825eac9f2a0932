"""Pages out of templates: autoescaped always, whatever a file is called; filters for instants, numbers and places in YAML."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.datastructures import QueryParams
from starlette.requests import Request

_PLACE = re.compile(r"([\w./-]+\.ya?ml):(\d+)(?::\d+)?")
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"))


def seconds_text(seconds: float | None) -> str:
    """A length of time for people: ``3 d``, ``2 h``, ``45 min``, ``12 s``, ``0.3 s``."""
    if seconds is None:
        return "–"
    for size, unit in _UNITS:
        if abs(seconds) >= size * 2 or (unit == "min" and abs(seconds) >= 60):
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 or seconds == int(seconds) else f"{seconds:.2g} s"


def ago(moment: str | datetime | None, now: datetime) -> Markup:
    """An instant as a ``<time>`` that says how long ago it was, or how far ahead."""
    if not moment:
        return Markup('<span class="faint">never</span>')
    at = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    gone = (now - at).total_seconds()
    told = "just now" if abs(gone) < 2 else f"{seconds_text(gone)} ago" if gone > 0 else f"in {seconds_text(-gone)}"
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(
        at.isoformat(), f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}", told
    )


def instant(moment: str | datetime | None) -> str:
    """An instant to the second, UTC."""
    if not moment:
        return "–"
    at = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return f"{at:%Y-%m-%d %H:%M:%S}"


def place(rule: str | None) -> Markup:
    """``file:line:column`` as a link to the line, on the configuration's page."""
    if not rule:
        return Markup('<span class="faint">–</span>')
    found = _PLACE.fullmatch(rule)
    if not found:
        return Markup('<span class="faint">{}</span>').format(rule)
    query = urlencode({"file": found[1], "line": found[2]})
    return Markup('<a class="place" href="/configuration?{}#L{}">{}:{}</a>').format(query, found[2], found[1], found[2])


def shown(value: Any) -> str:
    """A value of a record or of YAML, as text."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "nothing"
    if isinstance(value, Mapping):
        if all(not isinstance(each, Mapping | list | tuple) for each in value.values()):
            return ", ".join(f"{key}: {each}" for key, each in value.items()) or "nothing"
        return json.dumps(value, ensure_ascii=False, indent=1, default=str)
    return str(value)


def number(value: float | None) -> str:
    """A number with thin spaces between thousands."""
    if value is None:
        return "–"
    text = f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"
    return text.replace(",", "\u202f")


def query_of(params: QueryParams, changes: Mapping[str, object]) -> str:
    """The query string with some parameters changed; None or ``""`` takes one out."""
    told = {name: value for name, value in params.items() if name not in changes}
    told |= {name: str(value) for name, value in changes.items() if value not in (None, "")}
    return f"?{urlencode(told)}" if told else "?"


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("runner.web.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        instant=instant, place=place, shown=shown, number=number, seconds=seconds_text, urlencode_dict=urlencode
    )
    return environment


_ENVIRONMENT = _environment()


def page_of(template: str, context: Mapping[str, Any]) -> str:
    """The text of a page that nobody asks for over HTTP."""
    return _ENVIRONMENT.get_template(template).render(context)


def rendered(request: Request, template: str, now: datetime, context: Mapping[str, Any]) -> str:
    """A page's text."""

    def here(**changes: object) -> str:
        return query_of(request.query_params, changes)

    functions: dict[str, Callable[..., Any] | Any] = {
        "here": here,
        "ago": lambda moment: ago(moment, now),
        "now": now,
        "path": request.url.path,
        "params": request.query_params,
        "theme": request.cookies.get("theme") if request.cookies.get("theme") in ("light", "dark") else "",
        "escape": escape,
    }
    return _ENVIRONMENT.get_template(template).render({**functions, **context})
