"""Who gets in, and as what (E11): host names, origins, passwords, proxies, roles."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from runner.config.secrets import SecretRef
from runner.config.serving import ConsolePlan, HeaderPlan
from runner.model.errors import UsageError
from runner.service.masking import MASK, masked
from runner.testing.clock import FakeClock
from runner.web.console.access import COOKIE, Access, Refused
from runner.web.console.defence import Defence
from runner.web.console.users import Role, hashed, parse_users, verified

PASSWORD = "correct horse battery"
HEADER = HeaderPlan("X-Forwarded-User", "X-Forwarded-Groups", frozenset({"operators"}), frozenset({"help-desk"}))
LOCAL = ConsolePlan("127.0.0.1", 8460, "service.yaml:3:3")


def request(client: str = "127.0.0.1", method: str = "GET", **headers: str) -> Request:
    given = {"host": "127.0.0.1:8460"} | {name.replace("_", "-"): value for name, value in headers.items()}
    raw = [(name.lower().encode(), value.encode()) for name, value in given.items()]
    scope = {
        "type": "http",
        "method": method,
        "path": "/sync",
        "query_string": b"",
        "headers": raw,
        "client": (client, 1),
    }
    return Request({**scope, "scheme": "http", "server": ("127.0.0.1", 8460)})


def answered(plan: ConsolePlan, asked: Request) -> tuple[int, dict[str, str]]:
    """The status and the headers of what the defence lets through, or refuses."""
    told: list[Any] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: Any) -> None:
        told.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    asyncio.run(Defence(inner, lambda: plan)(asked.scope, receive, send))
    return told[0]["status"], {name.decode(): value.decode() for name, value in told[0]["headers"]}


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("users") / "users"
    file.write_text(f"# who may come in\n\nolga:operator:{hashed(PASSWORD)}\n")
    return file


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def plan(users: Path) -> ConsolePlan:
    return replace(LOCAL, users=SecretRef("file", str(users), "service.yaml:5:10"))


def test_without_a_way_to_log_in_everybody_on_the_machine_looks_and_nobody_acts(clock: FakeClock) -> None:
    visitor = Access(lambda: LOCAL, clock.monotonic).visitor(request())
    assert visitor is not None
    assert (visitor.role, visitor.operates) == (Role.VIEWER, False)


def test_a_session_ends_when_it_is_idle_and_when_the_users_line_changes(
    plan: ConsolePlan, clock: FakeClock, users: Path
) -> None:
    access = Access(lambda: plan, clock.monotonic)
    assert access.visitor(request()) is None
    session = access.log_in(request(), "olga", PASSWORD)
    mine = request(cookie=f"{COOKIE}={session.id}")
    visitor = access.visitor(mine)
    assert visitor is not None
    assert visitor.operates
    clock.advance(plan.session * 0.9)
    assert access.visitor(mine) is not None
    clock.advance(plan.session * 1.1)
    assert access.visitor(mine) is None
    session = access.log_in(request(), "olga", PASSWORD)
    before = users.read_text()
    try:
        users.write_text(before.replace("olga", "other"))
        assert access.visitor(request(cookie=f"{COOKIE}={session.id}")) is None
    finally:
        users.write_text(before)


def test_guessing_is_slowed_down_by_name_and_by_address(plan: ConsolePlan, clock: FakeClock) -> None:
    access = Access(lambda: plan, clock.monotonic)
    for _ in range(5):
        with pytest.raises(Refused, match="do not go together"):
            access.log_in(request("10.0.0.9"), "olga", "x" * 2000)
    with pytest.raises(Refused, match="Wait"):
        access.log_in(request("10.0.0.1"), "olga", PASSWORD)
    with pytest.raises(Refused, match="Wait"):
        access.log_in(request("10.0.0.9"), "vera", PASSWORD)
    clock.advance(61)
    assert access.log_in(request("10.0.0.1"), "olga", PASSWORD).user == "olga"


@pytest.mark.parametrize(
    ("client", "headers", "expected"),
    [
        ("10.0.0.7", {"X_Forwarded_User": "pia", "X_Forwarded_Groups": "staff, operators"}, Role.OPERATOR),
        ("10.0.0.7", {"X_Forwarded_User": "pia", "X_Forwarded_Groups": "help-desk"}, Role.VIEWER),
        ("10.0.0.7", {"X_Forwarded_User": "pia", "X_Forwarded_Groups": "staff"}, None),
        ("10.0.0.7", {}, None),
        ("10.0.0.8", {"X_Forwarded_User": "pia", "X_Forwarded_Groups": "operators"}, None),
        ("127.0.0.1", {"X_Forwarded_User": "pia", "X_Forwarded_Groups": "operators"}, None),
    ],
)
def test_only_a_declared_proxy_names_users(
    clock: FakeClock, client: str, headers: dict[str, str], expected: Role | None
) -> None:
    """A header that anybody could send names nobody; what the proxy says decides the role."""
    plan = replace(LOCAL, header=HEADER, proxies=("10.0.0.7/32",))
    visitor = Access(lambda: plan, clock.monotonic).visitor(request(client, **headers))
    assert (visitor.role if visitor else None) == expected
    assert visitor is None or visitor.session is not None


def test_a_proxys_user_keeps_his_session_and_another_one_never_gets_it(clock: FakeClock) -> None:
    plan = replace(LOCAL, header=HEADER, proxies=("10.0.0.0/8",))
    access = Access(lambda: plan, clock.monotonic)
    groups = {"X_Forwarded_Groups": "operators"}
    first = access.visitor(request("10.0.0.7", X_Forwarded_User="pia", **groups))
    assert first is not None
    assert first.session is not None
    cookie = f"{COOKIE}={first.session.id}"
    again = access.visitor(request("10.0.0.7", X_Forwarded_User="pia", cookie=cookie, **groups))
    other = access.visitor(request("10.0.0.7", X_Forwarded_User="max", cookie=cookie, **groups))
    assert again is not None
    assert other is not None
    assert again.csrf == first.csrf
    assert other.csrf != first.csrf


def test_a_secure_cookie_goes_with_an_encrypted_connection_only(clock: FakeClock) -> None:
    plan = replace(LOCAL, header=HEADER, proxies=("10.0.0.7",))
    access = Access(lambda: plan, clock.monotonic)
    assert access.secure(request("10.0.0.7", X_Forwarded_Proto="https"))
    assert not access.secure(request("10.0.0.8", X_Forwarded_Proto="https"))
    assert access.peer(request("10.0.0.7", X_Forwarded_For="1.2.3.4, 5.6.7.8")) == "5.6.7.8"
    assert access.peer(request("10.0.0.8", X_Forwarded_For="1.2.3.4")) == "10.0.0.8"


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {}, 200),
        ("GET", {"host": "localhost:8460"}, 200),
        ("GET", {"host": "console.example.com"}, 200),
        ("GET", {"host": "evil.example:8460"}, 403),
        ("GET", {"host": ""}, 403),
        ("POST", {"origin": "http://127.0.0.1:8460"}, 200),
        ("POST", {"origin": "http://127.0.0.1:9999"}, 403),
        ("POST", {"origin": "https://evil.example"}, 403),
        ("POST", {"origin": "null"}, 403),
        ("POST", {"sec_fetch_site": "cross-site"}, 403),
        ("POST", {"sec_fetch_site": "same-origin"}, 200),
    ],
)
def test_other_sites_and_rebound_names_are_refused(method: str, headers: dict[str, str], status: int) -> None:
    plan = replace(LOCAL, hosts=frozenset({"console.example.com"}))
    given, sent = answered(plan, request("127.0.0.1", method, **headers))
    assert given == status
    assert sent["content-security-policy"].startswith("default-src 'self'")
    assert "unsafe" not in sent["content-security-policy"]
    assert sent["x-frame-options"] == "DENY"


def test_a_users_file_names_the_line_and_never_what_it_holds() -> None:
    with pytest.raises(UsageError, match="line 2") as refusal:
        parse_users("olga:operator:$argon2id$x\nvera:boss:hunter2hunter2", "service.yaml:5:10")
    assert "hunter2" not in f"{refusal.value} {refusal.value.remedy}"
    assert not verified(None, PASSWORD)
    with pytest.raises(UsageError, match="fewer than 12"):
        hashed("short")


def test_a_viewer_sees_when_and_never_what() -> None:
    """B-90: personal fields, at every depth; what is empty stays empty."""
    record = {
        "title": "Secret",
        "start": "2026-12-01T09:00:00",
        "location": None,
        "participants": {"a@x.com": "required"},
    }
    told = masked({"conflicts": [{"crm": record, "base": None, "link": "hq/ann@x.com/calendar"}], "title": "Secret"})
    assert told == {
        "conflicts": [
            {
                "crm": {"title": MASK, "start": "2026-12-01T09:00:00", "location": None, "participants": MASK},
                "base": None,
                "link": "hq/ann@x.com/calendar",
            }
        ],
        "title": MASK,
    }


def test_a_viewer_is_told_of_what_is_set_aside_by_its_code_alone() -> None:
    """B-90: the reason may quote the item, as a directory's does; reasons of other things are nobody's content."""
    entry = {
        "link": "corp/users",
        "side": "target",
        "key": "6f",
        "code": "duplicate-login",
        "reason": "Ann Lee would be the CRM record 7",
        "first_at": "2026-12-01T09:00:00",
        "last_at": "2026-12-01T09:00:00",
        "tries": 1,
        "next_try": None,
    }
    assert masked({"items": [entry]}) == {"items": [{**entry, "reason": MASK}]}
    suspension = {"scope": "link", "name": "hq/ann@x.com/calendar", "reason": "moves house"}
    assert masked(suspension) == suspension
