"""The HTTP edge: connections, TLS, authentication, and what is written down."""

from __future__ import annotations

import base64
import http.client
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from runner.sandbox.exchange import Sandbox
from tests.sandbox.raw import ask, basic, connect, envelope, get_item, send, sync
from tests.sandbox.stock import ANN


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A self-signed certificate for localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    home: Path = tmp_path_factory.mktemp("tls")
    (home / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (home / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(home / "cert.pem"), str(home / "key.pem")


def test_one_connection_carries_many_requests(sandbox: Sandbox) -> None:
    connection = connect(sandbox)
    for _ in range(5):
        assert send(sandbox, envelope(sync()), connection=connection).codes == ["NoError"]
    connection.close()
    assert sandbox.connections_opened == 1


def test_without_credentials_the_schemes_are_offered(make: Callable[..., Sandbox]) -> None:
    sandbox = make(auth="both")
    connection = connect(sandbox)
    connection.request("POST", "/EWS/Exchange.asmx", envelope(sync()))
    response = connection.getresponse()
    assert (response.status, response.read()) == (401, b"")
    assert response.headers.get_all("WWW-Authenticate") == ["NTLM", 'Basic realm="localhost"']
    connection.close()
    assert (sandbox.refused, len(sandbox.requests)) == (0, 0)


@pytest.mark.parametrize(
    "header", ["Basic !!!", "Basic " + base64.b64encode(b"nobody:x").decode(), "Bearer x", "NTLM xx", "Basic"]
)
def test_credentials_that_prove_nothing_are_refused(make: Callable[..., Sandbox], header: str) -> None:
    sandbox = make(auth="both")
    answer = send(sandbox, envelope(sync()), Authorization=header)
    assert (answer.status, sandbox.refused) == (401, 1)


def test_a_changed_password_is_refused_at_once(sandbox: Sandbox) -> None:
    connection = connect(sandbox)
    assert send(sandbox, envelope(sync()), connection=connection).status == 200
    sandbox.add_account(sandbox.username, "another", impersonates=True)
    assert send(sandbox, envelope(sync()), connection=connection).status == 401
    connection.close()


def test_ntlm_authenticates_its_connection_only(make: Callable[..., Sandbox]) -> None:
    import spnego

    sandbox = make(auth="ntlm")
    client = spnego.client(sandbox.username, sandbox.password, hostname="localhost", service="HTTP", protocol="ntlm")
    connection = connect(sandbox)

    def post(token: bytes | None) -> http.client.HTTPResponse:
        headers = {"Authorization": f"NTLM {base64.b64encode(token).decode()}"} if token else {}
        connection.request("POST", "/EWS/Exchange.asmx", envelope(sync()), headers)
        response = connection.getresponse()
        response.read()
        return response

    challenge = post(client.step())
    assert challenge.status == 401
    scheme, _, token = str(challenge.headers["WWW-Authenticate"]).partition(" ")
    assert scheme == "NTLM"
    assert post(client.step(base64.b64decode(token))).status == 200
    assert post(None).status == 200, "the connection stays authenticated"
    connection.close()
    other = connect(sandbox)
    other.request("POST", "/EWS/Exchange.asmx", envelope(sync()))
    response = other.getresponse()
    response.read()
    assert response.status == 401
    other.close()


def test_tls_is_served_with_the_given_certificate(make: Callable[..., Sandbox], certificate: tuple[str, str]) -> None:
    sandbox = make(tls=certificate)
    assert sandbox.url.startswith("https://localhost:")
    trusting = ssl.create_default_context(cafile=certificate[0])
    connection = http.client.HTTPSConnection("localhost", sandbox.port, context=trusting, timeout=10)
    assert send(sandbox, envelope(sync()), connection=connection).codes == ["NoError"]
    connection.close()
    strict = http.client.HTTPSConnection("localhost", sandbox.port, timeout=10)
    with pytest.raises(ssl.SSLCertVerificationError):
        strict.connect()
    strict.close()
    plain = connect(sandbox)
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        send(sandbox, envelope(sync()), connection=plain)
    plain.close()


def test_other_paths_and_methods(sandbox: Sandbox) -> None:
    connection = connect(sandbox)
    for method, path, status in (("GET", "/", 404), ("GET", "/EWS/Exchange.asmx", 405), ("POST", "/owa", 404)):
        connection.request(method, path, b"", basic(sandbox))
        response = connection.getresponse()
        response.read()
        assert response.status == status
    connection.close()


def test_the_log_says_who_asked_for_what(make: Callable[..., Sandbox]) -> None:
    sandbox = make(keep_bodies=True)
    item = sandbox.mailbox(ANN).create(Subject="x")
    ask(sandbox, get_item(item))
    [seen] = list(sandbox.requests)
    assert (seen.operation, seen.mailbox, seen.items, seen.status) == ("GetItem", ANN, (item,), 200)
    assert item.encode() in (seen.body or b"")
    assert not any(name.lower() == "authorization" for name, _ in seen.headers)
    sandbox.requests.clear()
    assert (len(sandbox.requests), sandbox.requests.counts) == (0, {})


def test_a_stopped_sandbox_comes_back_with_its_mailboxes_on_its_port(sandbox: Sandbox) -> None:
    sandbox.mailbox(ANN).create(Subject="x")
    url = sandbox.url
    sandbox.stop()
    with pytest.raises(ConnectionRefusedError):
        ask(sandbox, sync())
    sandbox.start()
    assert sandbox.url == url
    assert len(ask(sandbox, sync()).all("//t:ItemId")) == 1


def test_passwords_are_in_no_representation(sandbox: Sandbox) -> None:
    assert all(sandbox.password not in repr(account) for account in sandbox._accounts.all())
