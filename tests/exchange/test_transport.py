"""The wire: sessions, log-on, TLS, limits. Each hazard of the library, and of servers, that the transport tames."""

from __future__ import annotations

import base64
import gzip
import logging
import os
import ssl
import subprocess
import sys
import threading
from contextlib import closing
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import exchangelib.util
import pytest
import spnego
from exchangelib.errors import SessionPoolMinSizeReached

from runner.connectors.exchange import connect
from runner.connectors.exchange.transport import EwsProtocol, parsed
from runner.model import errors
from runner.model.items import Write
from runner.model.terms import Operation
from tests.exchange.canned import (
    CREATE,
    CREATED,
    Answer,
    Canned,
    failure,
    folder_answer,
    hang_up,
    item,
    items_answer,
    link_to,
    plan_for,
    response,
    soap,
)
from tests.exchange.conftest import Connect


def unauthorised(*schemes: str) -> Answer:
    return Answer(b"", 401, {"WWW-Authenticate": ", ".join(schemes)})


# -- log-on -----------------------------------------------------------------------------------------------------------


def test_basic_log_on_sends_utf8(canned: Canned, connected: Connect) -> None:
    canned.always = Answer(folder_answer("F"))
    connected(username="größe").check(link_to())
    ((headers, _),) = canned.requests
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode() == "größe:pässwörd"


def test_a_refused_basic_log_on_stops_at_once_and_for_good(canned: Canned, connected: Connect) -> None:
    canned.always = unauthorised("Basic")
    connector = connected()
    for _ in range(3):
        with pytest.raises(errors.AuthRefused) as caught:
            connector.check(link_to())
    (result,) = connector.write(link_to(), [CREATE])
    assert type(result.error) is errors.AuthRefused
    assert len(canned.requests) == 1
    assert "pässwörd" not in repr(caught.value) + str(caught.value) + repr(connector.__dict__)


class NtlmGate:
    """Answers the NTLM handshake like IIS does, with pyspnego's acceptor; ``accept`` decides in its last step."""

    def __init__(self, inner: Answer, *, accept: bool) -> None:
        self.inner, self.accept = inner, accept
        self.contexts: dict[int, spnego.ContextProxy] = {}
        self.steps: list[str] = []

    def __call__(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        connection = id(handler.connection)
        authorization = handler.headers.get("Authorization", "")
        if not authorization and connection in self.contexts and self.contexts[connection].complete:
            self.steps.append("known")
            self.inner(handler, body)
        elif not authorization:
            self.steps.append("challenge me")
            unauthorised("Negotiate, NTLM")(handler, body)
        elif connection not in self.contexts:
            self.steps.append("negotiate")
            self.contexts[connection] = spnego.server(protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)
            token = self.contexts[connection].step(base64.b64decode(authorization.removeprefix("NTLM ")))
            unauthorised(f"NTLM {base64.b64encode(token or b'').decode()}")(handler, body)
        else:
            self.steps.append("authenticate")
            if self.accept:
                self.contexts[connection].step(base64.b64decode(authorization.removeprefix("NTLM ")))
                self.inner(handler, body)
            else:
                unauthorised("NTLM")(handler, body)


@pytest.fixture
def ntlm_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users = tmp_path / "users"
    users.write_text("EXAMPLE:svc-exsync:pässwörd\n", encoding="utf-8")
    monkeypatch.setitem(os.environ, "NTLM_USER_FILE", str(users))


@pytest.mark.usefixtures("ntlm_users")
def test_ntlm_logs_on_once_per_connection(canned: Canned, connected: Connect) -> None:
    canned.always = gate = NtlmGate(Answer(folder_answer("F")), accept=True)
    connector = connected(auth="ntlm", username="EXAMPLE\\svc-exsync", connections=1)
    connector.check(link_to())
    connector.check(link_to())
    assert gate.steps == ["challenge me", "negotiate", "authenticate", "known"]


@pytest.mark.usefixtures("ntlm_users")
def test_a_401_after_a_completed_handshake_stops_at_once_and_for_good(canned: Canned, connected: Connect) -> None:
    canned.always = gate = NtlmGate(Answer(folder_answer("F")), accept=False)
    connector = connected(auth="ntlm", username="EXAMPLE\\svc-exsync", connections=4)
    for _ in range(3):
        with pytest.raises(errors.AuthRefused):
            connector.check(link_to())
    (result,) = connector.write(link_to(), [CREATE])
    assert type(result.error) is errors.AuthRefused
    assert gate.steps == ["challenge me", "negotiate", "authenticate"]


def test_a_handshake_that_the_server_does_not_take_part_in_is_a_refusal(canned: Canned, connected: Connect) -> None:
    canned.script = [unauthorised("NTLM"), unauthorised("NTLM")]
    with pytest.raises(errors.AuthRefused):
        connected(auth="ntlm").check(link_to())


def test_a_fault_amid_the_handshake_has_written_nothing(canned: Canned, connected: Connect) -> None:
    canned.script = [unauthorised("NTLM"), Answer(b"", 503)]
    (result,) = connected(auth="ntlm").write(link_to(), [CREATE])
    assert type(result.error) is errors.Transient


# -- answers ----------------------------------------------------------------------------------------------------------


def test_an_answer_beyond_the_limit_is_not_read_to_its_end(canned: Canned) -> None:
    bomb = gzip.compress(b"<a>" + b" " * (8 << 20) + b"</a>")
    canned.always = Answer(bomb, headers={"Content-Encoding": "gzip"})
    with closing(EwsProtocol(plan_for(canned.url), "p")) as protocol:
        protocol.answer_limit = 1 << 20
        with pytest.raises(errors.ProtocolFault) as caught:
            protocol.post(b"<x/>", {}, writing=False)
        with pytest.raises(errors.OutcomeUnknown):
            protocol.post(b"<x/>", {}, writing=True)
    assert caught.value.code == "answer-too-large"


def test_an_answer_that_trickles_ends_with_the_time_limit(canned: Canned, connected: Connect) -> None:
    done = threading.Event()

    def trickle(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(2 << 20))
        handler.end_headers()
        while not done.wait(0.05):
            try:
                handler.wfile.write(b" " * (1 << 16))
            except OSError:
                done.set()
        handler.close_connection = True

    canned.always = trickle
    with pytest.raises(errors.Transient) as caught:
        connected(timeout=timedelta(seconds=0.3)).check(link_to())
    done.set()
    assert caught.value.code == "timeout"


def test_half_a_document_is_no_document() -> None:
    whole = items_answer(item(key="a"), item(key="b"))
    # The stock parser recovers what it can from a cut answer, as if the rest had never been there.
    assert exchangelib.util.to_xml(whole[: whole.index(b'Id="b"')]) is not None
    with pytest.raises(errors.ProtocolFault):
        parsed(whole[: whole.index(b'Id="b"')])


def test_characters_that_xml_forbids_do_not_make_an_answer_unreadable() -> None:
    root = parsed(soap("<t:Body>soft&#xB;break&#x0;</t:Body>"))
    assert "".join(root.itertext()) == "soft\nbreak"


def test_entities_and_dtds_are_refused() -> None:
    document = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>&x;</a>'
    with pytest.raises(errors.ProtocolFault, match="DTD"):
        parsed(document)


# -- sharing ----------------------------------------------------------------------------------------------------------


def test_one_mailboxs_cookies_never_go_out_with_anothers_request(canned: Canned, connected: Connect) -> None:
    canned.always = Answer(folder_answer("F"), headers={"Set-Cookie": "X-BackEndOverrideCookie=alice; path=/"})
    connector = connected(connections=1)
    connector.check(link_to("alice@example.com"))
    connector.check(link_to("bob@example.com"))
    assert all("Cookie" not in headers for headers, _ in canned.requests)
    assert len(canned.requests) == 2


def test_the_pool_cannot_deadlock_on_shrinking(canned: Canned) -> None:
    with closing(EwsProtocol(plan_for(canned.url, connections=4), "p")) as protocol:
        session = protocol.get_session()
        with pytest.raises(SessionPoolMinSizeReached):
            protocol.decrease_poolsize()
        protocol.release_session(session)


def test_throttling_with_all_sessions_out_returns_at_once(canned: Canned, connected: Connect) -> None:
    # The stock library hangs here for ever: all sessions are out and the pool may still grow.
    canned.always = Answer(response("GetFolder", failure("GetFolder", "ErrorServerBusy")))
    connector = connected(connections=3)
    caught: list[errors.ConnectorError] = []

    def check() -> None:
        try:
            connector.check(link_to())
        except errors.ConnectorError as error:
            caught.append(error)

    threads = [threading.Thread(target=check) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert [type(error) for error in caught] == [errors.Throttled] * 6


def test_nothing_of_exchangelib_is_changed_for_others() -> None:
    script = """
import inspect, sys
import exchangelib, exchangelib.services
def snapshot():
    return {
        (module, name, attribute): id(value)
        for module, namespace in list(sys.modules.items()) if module.split(".")[0] in ("exchangelib", "requests")
        for name, cls in vars(namespace).items() if inspect.isclass(cls) and cls.__module__ == module
        for attribute, value in vars(cls).items() if not attribute.startswith(("_abc", "__"))
    } | {
        (module, name, ""): id(value)
        for module, namespace in list(sys.modules.items()) if module.split(".")[0] in ("exchangelib", "requests")
        for name, value in vars(namespace).items() if not name.startswith("__")
    }
before = snapshot()
from tests.exchange.canned import Answer, Canned, folder_answer, link_to, plan_for
from runner.connectors.exchange import connect
server = Canned()
server.always = Answer(folder_answer("F"))
connector = connect(plan_for(server.url), "p")
connector.check(link_to())
connector.close()
server.close()
from exchangelib.protocol import CachingProtocol
assert CachingProtocol._protocol_cache == {}
after = snapshot()
changed = {key for key, value in before.items() if after.get(key) != value}
assert not changed, changed
print(len(before), "unchanged")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.endswith("unchanged\n"), done.stderr
    assert int(done.stdout.split()[0]) > 1000


def test_neither_the_password_nor_item_content_reaches_a_log(
    canned: Canned, connected: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    canned.script = [Answer(CREATED), hang_up, Answer(b"oops", 500)]
    secret = Write(Operation.CREATE, None, None, {**CREATE.values, "title": "Top Secret"}, CREATE.fields, stamp="s")
    assert len(list(connected().write(link_to(), [secret] * 3))) == 3
    token = base64.b64encode("svc-exsync:pässwörd".encode()).decode()
    assert "Top Secret" not in caplog.text
    assert "pässwörd" not in caplog.text
    assert token not in caplog.text


# -- endpoints and TLS ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["mail.example.com", "10.0.0.1", "127.0.0.1.example.com"])
def test_plain_http_is_for_loopback_only(host: str) -> None:
    with pytest.raises(errors.UsageError, match=r"hq\.yaml:3:1"):
        connect(plan_for(f"http://{host}/EWS/Exchange.asmx"), "p")


@pytest.mark.parametrize(
    "changes", [{"ca_file": "/no/such/ca.pem"}, {"version": "Exchange2042"}], ids=["ca_file", "version"]
)
def test_what_cannot_work_is_said_before_the_first_request(changes: dict[str, str]) -> None:
    with pytest.raises(errors.UsageError, match=r"hq\.yaml:3:1"):
        connect(plan_for("https://localhost/EWS/Exchange.asmx", **changes), "p")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate for localhost, with its key, in one file."""
    from datetime import UTC, datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "localhost.pem"
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    pem.write_bytes(built.public_bytes(encoding) + key.private_bytes(encoding, form, serialization.NoEncryption()))
    return pem


@pytest.fixture
def tls(canned: Canned, certificate: Path) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    canned.server.socket = context.wrap_socket(canned.server.socket, server_side=True)
    canned.server.handle_error = lambda *_: None  # type: ignore[method-assign]
    return f"https://localhost:{canned.server.server_address[1]}/EWS/Exchange.asmx"


def test_tls_is_verified_and_a_ca_file_is_the_endpoints_own(
    canned: Canned, tls: str, certificate: Path, connected: Connect
) -> None:
    canned.always = Answer(folder_answer("F"))
    connected(tls, ca_file=str(certificate)).check(link_to())
    with pytest.raises(errors.Unreachable) as caught:
        connected(tls).check(link_to())
    assert caught.value.code == "tls-not-trusted"
    assert "ca_file" in (caught.value.remedy or "")
    (result,) = connected(tls).write(link_to(), [CREATE])
    assert type(result.error) is errors.Unreachable
    assert len(canned.requests) == 1


def test_a_certificate_for_another_name_is_not_trusted(
    canned: Canned, tls: str, certificate: Path, connected: Connect
) -> None:
    with pytest.raises(errors.Unreachable) as caught:
        connected(tls.replace("localhost", "127.0.0.1"), ca_file=str(certificate)).check(link_to())
    assert caught.value.code == "tls-not-trusted"


def test_the_environment_cannot_turn_verification_or_the_route(
    canned: Canned, tls: str, monkeypatch: pytest.MonkeyPatch, certificate: Path, connected: Connect
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with pytest.raises(errors.Unreachable) as caught:
        connected(tls).check(link_to())
    assert caught.value.code == "tls-not-trusted"
