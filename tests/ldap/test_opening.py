"""How a connection is opened, or is not: time-outs at every step, authorities, and log-ons that are not offered."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import tomllib
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from runner.config import load
from runner.config.plan import LdapAuth, LdapPlan
from runner.connectors.ldap.directory import LdapDirectory
from runner.connectors.ldap.faults import of_bind
from runner.model.errors import AuthRefused, Unreachable
from runner.sandbox.directory import FakeLdap
from tests.ldap.conftest import PASSWORD, Opening, plan_for
from tests.ldap.firm import REPOSITORY, Firm
from tests.ldap.test_directory import listening
from tests.support.certificates import authority, certificate
from tests.support.slapd import READER

SHORT = timedelta(seconds=1)


# -- waiting -----------------------------------------------------------------------------------------------------------


def test_there_is_a_limit_to_each_wait_though_nobody_sets_one() -> None:
    """The library has none: 10 s to connect, 30 s for an answer."""
    plan = LdapPlan("corp", "ldaps://dc1.example.com", LdapAuth("simple", READER), "here", plan_for("ldap://x").users)
    connection = LdapDirectory(plan, "secret")._made()
    assert (connection.server.connect_timeout, connection.receive_timeout) == (10, 30)


def test_a_host_that_takes_no_connection_is_given_up(directory: Opening) -> None:
    """The library would wait for as long as the system does: two minutes and more."""
    with ExitStack() as held:
        listener = held.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):  # nobody accepts them: the queue is full, and the next one gets no answer
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        with pytest.raises(Unreachable, match="is silent") as given_up:
            directory(url=f"ldap://127.0.0.1:{listener.getsockname()[1]}", connect_timeout=SHORT).root()
    assert given_up.value.code == "timeout"


def test_a_host_that_never_shakes_hands_over_tls_is_given_up(directory: Opening) -> None:
    def serve(connection: socket.socket) -> None:
        with suppress(OSError):
            while connection.recv(1024):
                pass

    with listening(serve) as (port, _), pytest.raises(Unreachable, match="is silent") as given_up:
        directory(url=f"ldaps://127.0.0.1:{port}", timeout=SHORT).root()
    assert given_up.value.code == "timeout"


@pytest.mark.parametrize("start_tls", [False, True], ids=["bind", "StartTLS"])
def test_a_server_that_is_silent_at_its_first_request_is_given_up(start_tls: bool, directory: Opening) -> None:
    with FakeLdap(silent=True) as fake, pytest.raises(Unreachable, match="is silent") as given_up:
        directory(url=fake.url, start_tls=start_tls, timeout=SHORT).root()
    assert given_up.value.code == "timeout"


# -- authorities -------------------------------------------------------------------------------------------------------


def test_a_home_made_authority_is_refused_with_what_it_lacks(
    directory: Opening, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python 3.13 verifies strictly: an authority without keyUsage is none (RFC 5280, 4.2.1.3). Told so on any Python."""
    made = authority("Home-made CA", home_made=True)
    server = certificate(made, "localhost", addresses=("127.0.0.1",))
    for name, data in (("ca", made.pem), ("cert", server.pem), ("key", server.key_pem)):
        (tmp_path / name).write_bytes(data)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")

    def serve(connection: socket.socket) -> None:
        with suppress(OSError), context.wrap_socket(connection, server_side=True) as wrapped:
            wrapped.recv(1)

    usual = ssl.create_default_context

    def strict(*, cafile: str | None = None) -> ssl.SSLContext:
        found = usual(cafile=cafile)
        found.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN  # as Python 3.13 has them
        return found

    monkeypatch.setattr(ssl, "create_default_context", strict)
    with listening(serve) as (port, _), pytest.raises(Unreachable, match="key usage") as refused:
        directory(url=f"ldaps://127.0.0.1:{port}", ca_file=str(tmp_path / "ca")).root()
    assert refused.value.code == "tls-untrusted"
    assert "a home-made authority needs the extension keyUsage" in (refused.value.remedy or "")


# -- log-ons -----------------------------------------------------------------------------------------------------------


def test_ntlm_is_not_offered_and_says_what_is(firm: Callable[..., Firm]) -> None:
    """NTLM rests on MD4, which OpenSSL 3 has no more, and does not protect what it carries."""
    corp = firm()
    target = corp.home / "targets.d/corp.yaml"
    target.write_text(target.read_text().replace("type: simple", "type: ntlm"))
    [finding] = load(corp.home).diagnostics
    assert (finding.code, finding.message) == ("not-yet", "'ntlm' is not carried by this version")
    assert finding.hint == "use simple over TLS, or kerberos"


@pytest.mark.parametrize(
    ("kind", "advice"),
    [("simple", "a proxy before it takes the TLS off"), ("kerberos", "allow_sasl_over_tls")],
)
def test_who_has_tls_already_is_not_told_to_use_it(kind: str, advice: str) -> None:
    """Active Directory's "Sign or Seal are required" comes over LDAPS too (strongerAuthRequired, RFC 4511)."""
    plan = plan_for("ldaps://dc1.example.com", auth=LdapAuth(kind, READER, PASSWORD))
    said = {
        "result": 8,
        "description": "strongerAuthRequired",
        "message": "SASL:[GSS-SPNEGO]: Sign or Seal are required.",
    }
    for encrypted in (plan, plan_for("ldap://dc1.example.com", start_tls=True, auth=plan.auth)):
        error = of_bind(said, encrypted)
        assert isinstance(error, AuthRefused)
        assert error.code == "stronger-auth-required"
        assert "Sign or Seal" in str(error)
        assert advice in (error.remedy or "")
        assert "start_tls" not in (error.remedy or "")
    plain = of_bind(said, plan_for("ldap://dc1.example.com", auth=plan.auth))
    assert (plain.code, "start_tls: true" in (plain.remedy or "")) == ("tls-required", True)


# -- the library -------------------------------------------------------------------------------------------------------


def test_the_library_loads_with_every_warning_an_error_but_those_that_are_named() -> None:
    """pyasn1 0.6 warns of tagMap and typeMap, which ldap3 2.9.1 uses; nothing else is hushed."""
    options = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    filters = [word for each in options["filterwarnings"] for word in ("-W", each)]
    command = [sys.executable, *filters, "-c", "import runner.connectors.ldap"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
