"""``service.yaml``: how the service itself is looked at (``console:``), how its work takes turns (``queue:``) and what it
counts over its history (``olap:``).

The file may be missing: then there is no console, and the built-in cubes alone. What E11 asks for is refused here, with its
line: an address that others can reach needs a way to log in, and TLS or a declared proxy that has it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from runner.config.documents import Document
from runner.config.durations import timedelta_of
from runner.config.findings import Findings, suggestion
from runner.config.secrets import SecretRef
from runner.config.yamlsource import pointer
from runner.model import cubes
from runner.model.cubes import FACTS, Cube, Grain
from runner.model.queueing import PRIORITY, Cause

TURN = timedelta(minutes=30)
"""For how long a pass runs while others wait, where nothing is stated."""
PORT = 8460
"""The console's port where none is stated."""


@dataclass(frozen=True, slots=True)
class HeaderPlan:
    """Users that a proxy in front names, as OpenID Connect proxies do. ``groups`` is the header with their groups,
    separated by commas; ``operators`` are the groups (or users) that may act, ``viewers`` those that may look."""

    user: str
    groups: str | None = None
    operators: frozenset[str] = frozenset()
    viewers: frozenset[str] = frozenset()
    everybody: bool = False
    """Whoever the proxy lets through may look."""


@dataclass(frozen=True, slots=True)
class ConsolePlan:
    """The web console: where it listens, and who may come in how."""

    host: str
    port: int
    rule: str
    users: SecretRef | None = None
    header: HeaderPlan | None = None
    proxies: tuple[str, ...] = ()
    """Networks whose ``X-Forwarded-Proto`` and user header are believed."""
    certificate: tuple[str, str] | None = None
    """(certificate file, key file) in PEM."""
    hosts: frozenset[str] = frozenset()
    """Names under which it may be asked for, beside its own address: others are refused (DNS rebinding)."""
    session: timedelta = timedelta(hours=8)

    @property
    def open(self) -> bool:
        """Whether nobody has to log in: everybody who reaches the loopback address is a viewer, and nobody an operator."""
        return self.users is None and self.header is None


@dataclass(frozen=True, slots=True)
class QueuePlan:
    """How messages take turns (B-20). ``timeout``: after this long a pass lets the others go first and goes on in its next
    turn; None: never. ``priorities``: by who asks, the higher number goes first."""

    timeout: timedelta | None = TURN
    priorities: Mapping[Cause, int] = field(default_factory=lambda: PRIORITY)


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """What ``service.yaml`` says. ``keep`` is how long history is kept for cubes."""

    console: ConsolePlan | None = None
    cubes: Mapping[str, Cube] = field(
        default_factory=lambda: MappingProxyType({cube.name: cube for cube in cubes.BUILT_IN})
    )
    keep: timedelta = timedelta(days=400)
    queue: QueuePlan = QueuePlan()
    origins: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def check_service(document: Document, findings: Findings) -> None:
    """What the schema cannot say of the console and of cubes."""
    console = document.data.get("console")
    if isinstance(console, dict):
        _check_console(document, console, findings)
    olap = document.data.get("olap")
    stated = olap.get("cubes") if isinstance(olap, dict) else None
    names: dict[str, int] = {}
    for number, cube in enumerate(stated if isinstance(stated, list) else ()):
        if isinstance(cube, dict):
            _check_cube(document, number, cube, names, findings)


def compile_service(document: Document | None, root: Path) -> ServicePlan:
    """The service's own part of the plan."""
    if document is None:
        return ServicePlan()
    console, olap = document.data.get("console"), document.data.get("olap") or {}
    known = {cube.name: cube for cube in cubes.BUILT_IN}
    for number, given in enumerate(olap.get("cubes", ())):
        known[given["name"]] = _cube(document, number, given)
    keep = {"keep": timedelta_of(olap["keep"])} if "keep" in olap else {}
    queue = document.data.get("queue") or {}
    origins = {"olap.keep": document.rule("olap", "keep")} if keep else {}
    origins |= {f"queue.{name}": document.rule("queue", name) for name in queue}
    return ServicePlan(
        console=None if console is None else _console(document, console, root),
        cubes=MappingProxyType(known),
        queue=_queue(queue),
        origins=MappingProxyType(origins),
        **keep,
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def split_address(text: str) -> tuple[str, int]:
    """``ADDRESS:PORT``, ``[IPv6]:PORT`` or an address alone."""
    host, colon, port = text.rpartition(":")
    if colon and port.isdecimal() and (not host.count(":") or host.startswith("[")):
        return host.strip("[]") or "127.0.0.1", int(port)
    return text.strip("[]"), PORT


def _check_console(document: Document, console: Mapping[str, Any], findings: Findings) -> None:
    host, port = split_address(str(console.get("listen", "127.0.0.1")))
    span = document.span("console", "listen") if "listen" in console else document.source.key_span(("console",))
    if not 0 < port < 65536:
        findings.error("bad-value", f"expected a port from 1 to 65535, got {port}", span, pointer="/console/listen")
    for number, network in enumerate(console.get("proxies") or ()):
        try:
            ipaddress.ip_network(str(network), strict=False)
        except ValueError:
            findings.error(
                "bad-value",
                f"{network!r} is no address and no network",
                document.span("console", "proxies", number),
                hint="write an address such as 10.0.0.7, or a network such as 10.0.0.0/24",
                pointer=f"/console/proxies/{number}",
            )
    if "header" in console and not console.get("proxies"):
        findings.error(
            "header-without-proxy",
            "a header names the user, and nothing says which proxy may set it: everybody could",
            document.source.key_span(("console", "header")),
            hint="add proxies: [ADDRESS] with the proxy's address",
            pointer="/console/header",
        )
    if is_loopback(host):
        return
    if "users" not in console and "header" not in console:
        findings.error(
            "console-open",
            f"others reach {host}, and nobody has to log in there (E11)",
            span,
            hint="add users: {file: …} or header: …, or listen on 127.0.0.1",
            pointer="/console/listen",
        )
    if "certificate" not in console and not console.get("proxies"):
        findings.error(
            "console-in-clear",
            f"others reach {host}, and passwords would travel in clear (E11)",
            span,
            hint="add certificate: {file: …, key: …}, or proxies: [ADDRESS] of the proxy that has one",
            pointer="/console/listen",
        )


def _check_cube(
    document: Document, number: int, cube: Mapping[str, Any], names: dict[str, int], findings: Findings
) -> None:
    path = ("olap", "cubes", number)
    facts = FACTS.get(str(cube.get("of")))
    first = names.setdefault(str(cube.get("name")), number)
    if first != number:
        findings.error(
            "duplicate-name",
            f"a cube {cube.get('name')!r} is already described in {document.rule('olap', 'cubes', first)}",
            document.span(*path, "name"),
            hint="choose another name",
            pointer=pointer((*path, "name")),
        )
    if facts is None:
        return
    for place, name in enumerate(cube.get("measures") or ()):
        if isinstance(name, str) and name not in facts.measures:
            findings.error(
                "unknown-measure",
                f"{facts.name} have no measure {name!r}",
                document.span(*path, "measures", place),
                hint=suggestion(name, facts.measures, "measures"),
                pointer=pointer((*path, "measures", place)),
            )
    named = [(("dimensions", place), name) for place, name in enumerate(cube.get("dimensions") or ())]
    named += [(("where", name), name) for name in cube.get("where") or {}]
    for at, name in named:
        if isinstance(name, str) and name not in facts.dimensions:
            findings.error(
                "unknown-dimension",
                f"{facts.name} have no dimension {name!r}",
                document.source.key_span((*path, *at)) if at[0] == "where" else document.span(*path, *at),
                hint=suggestion(name, facts.dimensions, "dimensions"),
                pointer=pointer((*path, *at)),
            )


def _cube(document: Document, number: int, given: Mapping[str, Any]) -> Cube:
    where = {name: tuple(map(str, values)) for name, values in given.get("where", {}).items()}
    facts = FACTS[given["of"]]
    return Cube(
        name=given["name"],
        title=given.get("title", given["name"].replace("_", " ").capitalize()),
        of=given["of"],
        measures=tuple(given.get("measures", facts.measures)),
        dimensions=tuple(given.get("dimensions", facts.dimensions)),
        grain=Grain(given.get("grain", Grain.DAY)),
        where=MappingProxyType(where),
        rule=document.rule("olap", "cubes", number),
    )


def _queue(given: Mapping[str, Any]) -> QueuePlan:
    stated = given.get("priorities", {})
    priorities = {cause: int(stated.get(cause.value, usual)) for cause, usual in PRIORITY.items()}
    timeout = timedelta_of(given["timeout"]) if "timeout" in given else TURN
    return QueuePlan(timeout or None, MappingProxyType(priorities))


def _console(document: Document, given: Mapping[str, Any], root: Path) -> ConsolePlan:
    host, port = split_address(given.get("listen", "127.0.0.1"))
    pair = given.get("certificate")
    return ConsolePlan(
        host=host,
        port=port,
        rule=document.rule("console"),
        users=_secret(document, given["users"], root) if "users" in given else None,
        header=_header(given["header"]) if "header" in given else None,
        proxies=tuple(given.get("proxies", ())),
        certificate=(str(root / pair["file"]), str(root / pair["key"])) if pair else None,
        hosts=frozenset(name.lower() for name in given.get("hosts", ())),
        **({"session": timedelta_of(given["session"])} if "session" in given else {}),
    )


def _secret(document: Document, given: Mapping[str, str], root: Path) -> SecretRef:
    ((kind, name),) = given.items()
    return SecretRef(kind, str(root / name) if kind == "file" else name, document.rule("console", "users"))


def _header(given: Mapping[str, Any]) -> HeaderPlan:
    viewers = given.get("viewers", ())
    return HeaderPlan(
        user=given["user"],
        groups=given.get("groups"),
        operators=frozenset(given.get("operators", ())),
        viewers=frozenset(() if viewers == "everybody" else viewers),
        everybody=viewers == "everybody",
    )
