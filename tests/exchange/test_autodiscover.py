"""Autodiscover before two sandboxes: where mailboxes live, when that is asked for again (B-16, B-75)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runner.connectors.exchange import ExchangeConnector, connect
from runner.connectors.exchange.autodiscover import Autodiscover
from runner.connectors.exchange.directory import AGE, LEAST, Remembered
from runner.model import errors
from runner.sandbox.exchange import Sandbox
from runner.sandbox.faults import ItemAnswer, WholeFault
from runner.store import StoredPlaces, open_store
from runner.testing.clock import FakeClock
from tests.exchange.canned import link_to, plan_for

ANN, BOB = "ann.lee@example.com", "bob.ray@example.com"
START = datetime(2026, 11, 27, tzinfo=UTC)


class Site:
    """Two servers and a connector that knows but the first one's Autodiscover."""

    def __init__(self, here: Sandbox, there: Sandbox, stack: ExitStack) -> None:
        self.here, self.there, self._stack = here, there, stack
        self.places = Remembered()
        self.now = START

    def connector(self, url: str | None = None, **changes: Any) -> ExchangeConnector:
        plan = plan_for("", username=self.here.username)
        plan = replace(plan, endpoint="", autodiscover=url or self.here.autodiscover_url, **changes)
        connector = connect(plan, self.here.password, self.places)
        connector._directory.now = lambda: self.now
        return self._stack.enter_context(closing(connector))

    @property
    def asked(self) -> int:
        return len(self.here.directory.asked)


@pytest.fixture
def site() -> Iterator[Site]:
    with ExitStack() as stack:
        here, there = (stack.enter_context(Sandbox(password="right", site=site)) for site in ("here", "there"))
        for address in (ANN, BOB):
            here.add_mailbox(address)
        yield Site(here, there, stack)


def test_a_mailbox_is_looked_up_once_and_again_after_a_day(site: Site) -> None:
    connector = site.connector()
    for _ in range(3):
        connector.check(link_to())
        list(connector.changes(link_to(), None))
    connector.subscribe(link_to())
    assert site.here.directory.asked == [ANN]
    site.now += AGE + timedelta(seconds=1)
    connector.check(link_to())
    assert site.asked == 2
    site.connector().check(link_to())  # another process: what is kept is believed in
    assert site.asked == 2


def test_a_mailbox_that_moved_is_followed_and_its_watermark_is_worth_nothing_there(site: Site) -> None:
    """B-75: the same items under other ids; what they are stays with their stamps and UIDs."""
    connector = site.connector()
    item = site.here.mailbox(ANN).create(
        Subject="Moves along", Start="2026-12-01T09:00:00Z", End="2026-12-01T10:00:00Z"
    )
    [page] = connector.changes(link_to(), None)
    before = connector.get(link_to(), [item])[item]
    site.here.move_mailbox(ANN, site.there)
    site.now += LEAST + timedelta(seconds=1)
    with pytest.raises(errors.Moved):
        list(connector.changes(link_to(), page.watermark))
    with pytest.raises(errors.WatermarkInvalid):
        list(connector.changes(link_to(), page.watermark))
    [page] = connector.changes(link_to(), None)
    [ref] = page.changed
    after = connector.get(link_to(), [ref.key])[ref.key]
    assert not isinstance(before, errors.ConnectorError)
    assert not isinstance(after, errors.ConnectorError)
    assert ref.key != item
    assert (after.native, after.values) == (before.native, before.values)
    connector.subscribe(link_to())
    assert [each.mailbox for each in site.there.notices.subscriptions] == [ANN]
    connector.check(link_to(user=BOB))  # his neighbour stays where he is


def test_another_process_need_not_find_out_again_that_a_mailbox_moved(site: Site) -> None:
    """B-75: `exsync run --once` is a process of its own each time; what one of them met counts for the next."""
    site.connector().check(link_to())
    site.here.move_mailbox(ANN, site.there)
    site.now += timedelta(seconds=10)
    for _ in range(3):
        with pytest.raises(errors.Moved):
            site.connector().check(link_to())
    assert site.asked == 1
    site.now += LEAST
    site.connector().check(link_to())
    assert site.asked == 2


def test_a_server_that_goes_on_saying_so_is_not_asked_about_at_every_turn(site: Site) -> None:
    connector = site.connector()
    connector.check(link_to())
    site.here.inject(WholeFault("ErrorProxyRequestNotAllowed"), "GetFolder", times=None)
    site.now += LEAST + timedelta(seconds=1)
    for _ in range(4):
        with pytest.raises(errors.Moved):
            connector.check(link_to())
    assert site.asked == 2
    site.now += LEAST + timedelta(seconds=1)
    with pytest.raises(errors.Moved):
        connector.check(link_to())
    assert site.asked == 3


def test_other_errors_suggest_no_move(site: Site) -> None:
    connector = site.connector()
    connector.check(link_to())
    site.now += LEAST + timedelta(seconds=1)
    for fault in (
        WholeFault("ErrorServerBusy"),
        ItemAnswer("ErrorAccessDenied"),
        WholeFault("ErrorInternalServerError"),
    ):
        site.here.inject(fault, "GetFolder")
        with pytest.raises(errors.ConnectorError):
            connector.check(link_to())
    connector.check(link_to())
    assert site.asked == 1


def test_while_the_directory_is_away_what_was_known_is_used(site: Site) -> None:
    connector = site.connector()
    connector.check(link_to())
    site.now += AGE + timedelta(hours=1)
    away = site.connector("http://127.0.0.1:9/autodiscover/autodiscover.svc")
    away.check(link_to())
    with pytest.raises(errors.Unreachable):
        away.check(link_to(user=BOB))


def test_an_unknown_address_stops_its_link_and_says_so(site: Site) -> None:
    with pytest.raises(errors.AccessDenied) as caught:
        site.connector().check(link_to(user="nobody@example.com"))
    assert caught.value.code == "autodiscover-invaliduser"


def test_another_address_is_followed_and_another_host_is_not(site: Site) -> None:
    """E3: credentials go to no host that the configuration does not name."""
    site.here.directory.redirects["old@example.com"] = ANN
    site.here.directory.redirects["round@example.com"] = "round@example.com"
    site.here.directory.urls[BOB] = "https://evil.example.net/autodiscover/autodiscover.svc"
    connector = site.connector()
    assert connector._directory._place("old@example.com").endpoint == site.here.url
    with pytest.raises(errors.ProtocolFault, match="from address to address"):
        connector.check(link_to(user="round@example.com"))
    with pytest.raises(errors.ProtocolFault) as caught:
        connector.check(link_to(user=BOB))
    assert caught.value.code == "redirect-not-followed"
    site.here.directory.endpoints["plain@example.com"] = "http://mail.example.com/EWS/Exchange.asmx"
    with pytest.raises(errors.ProtocolFault, match="https"):
        connector.check(link_to(user="plain@example.com"))


def test_without_a_url_the_users_own_domain_is_asked_and_nobody_else() -> None:
    plan = replace(plan_for(""), endpoint="", autodiscover="domain")
    with closing(Autodiscover(plan, "p", lambda: START)) as autodiscover:
        assert list(autodiscover._urls(ANN)) == [
            "https://example.com/autodiscover/autodiscover.svc",
            "https://autodiscover.example.com/autodiscover/autodiscover.svc",
        ]


def test_a_refused_log_on_is_no_reason_to_ask_elsewhere(site: Site) -> None:
    site.here.add_account(site.here.username, "changed", impersonates=True)
    connector = site.connector()
    for _ in range(3):
        with pytest.raises(errors.AuthRefused):
            connector.check(link_to())
    assert site.here.refused == 1


def test_groups_share_no_connection_across_back_ends(site: Site) -> None:
    """B-14: GroupingInformation and endpoint make the group."""
    site.here.directory.groups[BOB] = "Second-Site"
    connector = site.connector()
    ann, bob = connector.subscribe(link_to()), connector.subscribe(link_to(user=BOB))
    assert ann.group != bob.group
    assert site.here.url in ann.group


def test_places_are_kept_over_a_restart(tmp_path: Path, site: Site) -> None:
    clock = FakeClock()
    with open_store(tmp_path / "state.duckdb", clock=clock) as store:
        site.places = StoredPlaces(store)  # type: ignore[assignment]
        site.connector().check(link_to())
        kept = site.places.get("hq", ANN)
        assert kept is not None
    with open_store(tmp_path / "state.duckdb", clock=clock) as store:
        assert StoredPlaces(store).get("hq", ANN) == kept
        assert StoredPlaces(store).get("hq", BOB) is None
