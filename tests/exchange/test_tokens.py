"""OAuth 2.0 client credentials against a token endpoint on loopback, expiry included; Kerberos as far as it can be shown."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runner.config.plan import AuthPlan
from runner.config.secrets import SecretRef
from runner.connectors.exchange import ExchangeConnector, connect
from runner.model import errors
from runner.sandbox.exchange import Sandbox
from tests.exchange.canned import link_to, plan_for

ANN = "ann.lee@example.com"
SECRET = "right"
Make = Callable[..., tuple[Sandbox, ExchangeConnector]]


class Turning:
    """The server's clock."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 27, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Turning:
    return Turning()


@pytest.fixture
def make(clock: Turning) -> Iterator[Make]:
    with ExitStack() as stack:

        def start(secret: str = SECRET, **changes: Any) -> tuple[Sandbox, ExchangeConnector]:
            sandbox = stack.enter_context(Sandbox(password=SECRET, auth="oauth2", clock=clock))
            sandbox.add_mailbox(ANN)
            auth = AuthPlan("oauth2", sandbox.username, SecretRef("env", "S", "t:1:1"), sandbox.token_url)
            plan = replace(plan_for(sandbox.url), auth=replace(auth, **changes))
            return sandbox, stack.enter_context(closing(connect(plan, secret)))

        yield start


def test_one_token_serves_many_requests(make: Make) -> None:
    sandbox, connector = make()
    for _ in range(3):
        assert [page.complete for page in connector.changes(link_to(), None)] == [True]
    connector.subscribe(link_to())
    assert sandbox.tokens.given_out <= 2  # passes and notifications have each their own sessions
    assert sandbox.refused == 0


def test_a_token_is_renewed_before_it_runs_out(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never used in the last minute of its life: a request that takes long must not outlive it."""
    sandbox, connector = make()
    now = [0.0]
    tokens = connector._directory.mailbox(ANN).protocol.create_session().auth._tokens
    tokens.clock = lambda: now[0]
    connector.check(link_to())
    now[0] = 3600 - 61
    connector.check(link_to())
    assert sandbox.tokens.given_out == 1
    now[0] = 3600 - 59
    connector.check(link_to())
    assert sandbox.tokens.given_out == 2
    assert sandbox.refused == 0


def test_a_token_that_ran_out_for_the_server_or_was_revoked_is_replaced_within_the_request(
    make: Make, clock: Turning
) -> None:
    sandbox, connector = make()
    connector.check(link_to())
    clock.now += timedelta(hours=2)
    connector.check(link_to())
    assert (sandbox.tokens.given_out, sandbox.refused) == (2, 1)
    sandbox.tokens.revoke()
    connector.check(link_to())
    assert (sandbox.tokens.given_out, sandbox.refused) == (3, 2)
    assert sandbox.requests.count("GetFolder") == 3


def test_a_wrong_secret_is_a_refused_log_on_and_nothing_more_is_sent(make: Make) -> None:
    sandbox, connector = make("wrong")
    for _ in range(3):
        with pytest.raises(errors.AuthRefused) as caught:
            connector.check(link_to())
        assert "invalid_client" in str(caught.value)
        assert "wrong" not in str(caught.value)
    assert len(sandbox.requests) == 0


def test_a_fresh_token_that_is_refused_is_a_refused_log_on(make: Make, clock: Turning) -> None:
    sandbox, connector = make()
    sandbox.tokens.lifetime = timedelta(0)
    with pytest.raises(errors.ProtocolFault):  # a token without a life is none
        connector.check(link_to())
    sandbox.tokens.lifetime = timedelta(seconds=1)
    sandbox.tokens.clock = lambda: clock.now + timedelta(seconds=sandbox.tokens.given_out * 10)
    with pytest.raises(errors.AuthRefused):
        connector.check(link_to())
    assert sandbox.refused == 2


def test_an_authorization_server_that_is_away_is_no_refused_log_on(make: Make) -> None:
    _, connector = make(token_url="http://127.0.0.1:9/token")
    with pytest.raises(errors.Unreachable):
        connector.check(link_to())


def test_the_clients_secret_never_crosses_the_network_in_clear(make: Make) -> None:
    with pytest.raises(errors.UsageError, match="unencrypted"):
        make(token_url="http://login.example.com/token")


def test_kerberos_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library is an extra, and loaded only where a target asks for it."""
    assert "requests_gssapi" not in sys.modules
    monkeypatch.setitem(sys.modules, "requests_gssapi", None)
    plan = replace(plan_for("https://mail.example.com/EWS/Exchange.asmx"), auth=AuthPlan("kerberos", "", None))
    with pytest.raises(errors.UsageError) as caught:
        connect(plan, "")
    assert "exsync[kerberos]" in str(caught.value.remedy)


def test_kerberos_puts_the_librarys_authentication_on_every_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the library: that a ticket is taken by a real server is not shown here."""

    class Library:
        OPTIONAL = 2

        class HTTPSPNEGOAuth:
            def __init__(self, mutual_authentication: int) -> None:
                assert mutual_authentication == Library.OPTIONAL

    monkeypatch.setitem(sys.modules, "requests_gssapi", Library)
    plan = replace(plan_for("https://mail.example.com/EWS/Exchange.asmx"), auth=AuthPlan("kerberos", "", None))
    with closing(connect(plan, "")) as connector:
        assert isinstance(connector._directory.mailbox(ANN).protocol.create_session().auth, Library.HTTPSPNEGOAuth)
