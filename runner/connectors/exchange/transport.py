"""One EWS endpoint: sessions, log-on, TLS and answers read whole, on exchangelib's session pool.

What is tamed here, and why:

- A protocol of our own class is in no process-wide cache, so neither its pool nor its credentials are shared with
  another user of exchangelib, and :meth:`EwsProtocol.close` closes all of it.
- ``decrease_poolsize`` takes a lock that it then waits for; the pool never shrinks here, so the call is refused.
- Nothing is retried and nothing sleeps: a request is sent once. Only a read whose kept connection has ended meanwhile
  (an idle time-out, a server that restarts) is sent again on a new one, before anybody is told of a fault.
- Sessions take no cookies: they serve many mailboxes, and one mailbox's back-end cookie must not steer another's request.
- Answers are read in large chunks up to a size limit and within a time limit, then parsed strictly; exchangelib's own
  reader goes byte by byte and silently accepts half a document.
- TLS is always verified; the CA file belongs to this endpoint, not to the process. Environment proxies and ``.netrc``
  are not looked at.
- After a refused log-on every further request is refused here: no account gets locked by repetition.
"""

from __future__ import annotations

import binascii
import ipaddress
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakSet

import requests
import requests.cookies
from exchangelib.configuration import Configuration
from exchangelib.credentials import Credentials
from exchangelib.errors import SessionPoolMinSizeReached
from exchangelib.protocol import BaseProtocol, FailFast
from exchangelib.transport import BASIC, NOAUTH, NTLM
from exchangelib.version import VERSIONS, Version
from lxml import etree
from requests.auth import AuthBase, HTTPBasicAuth
from requests_ntlm import HttpNtlmAuth
from spnego.exceptions import SpnegoError

from runner.config.plan import ExchangePlan
from runner.config.secrets import resumption
from runner.connectors.exchange.faults import CONNECTION_BROKEN, of_exception, of_status, unreadable
from runner.connectors.exchange.names import Element
from runner.connectors.exchange.text import mended
from runner.connectors.exchange.tokens import BearerAuth, Tokens
from runner.connectors.metering import Answered, metered
from runner.model.errors import AuthRefused, ConnectorError, OutcomeUnknown, ProtocolFault, Transient, UsageError
from runner.model.ports import Meter

ANSWER_LIMIT = 64 << 20
"""Bytes of one answer, decompressed. A full page of ids has 0.2 MB, a batch of 50 items with long bodies a few."""

SENDING_FAILS = (requests.RequestException, PermissionError, KeyError, SpnegoError, binascii.Error)
"""What sending a request may raise; the last three come out of the NTLM handshake."""

_CHUNK = 1 << 16
_AUTH_TYPES = {"basic": BASIC, "ntlm": NTLM}
"""What exchangelib takes a password for. Bearer tokens and Kerberos are put on sessions here."""


class EwsProtocol(BaseProtocol):  # type: ignore[misc]
    """A pool of logged-on sessions to one endpoint. Safe to share between threads."""

    USERAGENT = "exsync"

    def __init__(
        self, plan: ExchangePlan, password: str, *, connections: int | None = None, meter: Meter | None = None
    ) -> None:
        """A pool of the plan's connections, or of so many; ``meter`` is told of what :meth:`metered` encloses."""
        _check_endpoint(plan)
        self._verify: str | bool = plan.ca_file or True
        self._auth = _auth_of(plan, password, self._verify)
        super().__init__(
            Configuration(
                credentials=Credentials(plan.auth.username, password) if plan.auth.type in _AUTH_TYPES else None,
                service_endpoint=plan.endpoint,
                auth_type=_AUTH_TYPES.get(plan.auth.type, NOAUTH),
                version=_version_of(plan),
                retry_policy=FailFast(),
                max_connections=connections or plan.connections,
            )
        )
        self.TIMEOUT = plan.timeout.total_seconds()
        self.answer_limit = ANSWER_LIMIT
        self._refused: AuthRefused | None = None
        self._kept: WeakSet[Any] = WeakSet()
        """The sessions that got an answer: their connection is kept, and may have ended meanwhile."""
        self.date = ""
        """The server's time, as the last answer's ``Date`` gave it (RFC 9110 §6.6.1)."""
        self._resumption = resumption(plan.auth.password, plan.name)
        self._target, self._meter = plan.name, meter

    @property
    def version(self) -> Any:
        """The planned version: nothing is guessed, so there are no round trips to find out."""
        return self.config.version

    def decrease_poolsize(self) -> None:
        """Refused: the pool keeps its size (see the module)."""
        raise SessionPoolMinSizeReached("the pool keeps its size")

    def create_session(self) -> Any:
        """A session without cookies, environment or redirects, verifying TLS against this endpoint's CA."""
        session = super().create_session()
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        session.trust_env = False
        session.verify = self._verify
        credentials = self.config.credentials
        if self._auth is not None:
            session.auth = self._auth()
        elif self.config.auth_type == BASIC:
            # RFC 7617: UTF-8. requests would encode to Latin-1 and fail on anything else.
            session.auth = HTTPBasicAuth(credentials.username.encode(), credentials.password.encode())
        else:
            session.auth = _Ntlm(session.auth.username, session.auth.password)
        return session

    def post(self, body: bytes, headers: dict[str, str], *, writing: bool) -> Element:
        """Send one request once and return the answer's root element. Raises only classed errors."""
        return self.exchange(body, headers, writing=writing)[0]

    @contextmanager
    def metered(self, operation: str) -> Iterator[Answered]:
        """Inside, one request is sent and its answer read."""
        with metered(self._meter, self._target, operation, "NoError") as seen:
            yield seen

    def demand_log_on(self) -> None:
        """Raise ``AuthRefused`` when a log-on was refused before."""
        if self._refused is not None:
            raise AuthRefused(str(self._refused), code=self._refused.code, remedy=self._refused.remedy)

    def refuse(self, refused: AuthRefused) -> None:
        """A log-on was refused: nothing is sent any more."""
        if self._refused is None:
            refused.remedy = "; ".join(filter(None, (refused.remedy, self._resumption)))
        self._refused = refused

    def exchange(self, body: bytes, headers: dict[str, str], *, writing: bool) -> tuple[Element, Mapping[str, str]]:
        """:meth:`post`, with the answer's headers."""
        while True:
            try:
                return self._sent(body, headers, writing=writing)
            except _KeptConnectionEnded:
                # RFC 9112 §9.5: the server may end a kept connection at any time, and what does no harm twice is asked
                # again. The session has been replaced by one without a connection, so that this comes to an end.
                continue

    def _sent(self, body: bytes, headers: dict[str, str], *, writing: bool) -> tuple[Element, Mapping[str, str]]:
        self.demand_log_on()
        session = self.get_session()
        understood = False
        try:
            status, answer_headers, document = self._exchanged(session, body, headers, writing=writing)
            self.date = answer_headers.get("Date", "")
            if status == 200 or (status == 500 and document.lstrip()[:1] == b"<" and b"Envelope" in document[:400]):
                root = parsed(document, writing=writing)
                understood = True
                return root, answer_headers
            raise of_status(status, answer_headers, endpoint=self.service_endpoint, writing=writing)
        except AuthRefused as refused:
            self.refuse(refused)
            raise
        finally:
            # A connection that brought no whole answer may be about to end: it is replaced, so that the next request
            # neither meets its end nor reads the rest of an old answer.
            if understood:
                self._kept.add(session)
                self.release_session(session)
            else:
                self.retire_session(session)

    def _exchanged(
        self, session: Any, body: bytes, headers: dict[str, str], *, writing: bool
    ) -> tuple[int, Any, bytes]:
        try:
            with session.post(
                self.service_endpoint,
                data=body,
                headers=headers,
                timeout=self.TIMEOUT,
                allow_redirects=False,
                stream=True,
            ) as response:
                return response.status_code, response.headers, self._read(response, writing=writing)
        except SENDING_FAILS as error:
            failed = self.failed(error, writing=writing)
            if failed.code == CONNECTION_BROKEN and session in self._kept:
                raise _KeptConnectionEnded(str(failed), code=failed.code) from None
            raise failed from None

    def failed(self, error: Exception, *, writing: bool) -> ConnectorError:
        """The classed error of a request that could not be sent or whose answer did not come."""
        if isinstance(error, requests.RequestException):
            return of_exception(error, endpoint=self.service_endpoint, writing=writing)
        if isinstance(error, PermissionError):
            return of_status(401, {}, endpoint=self.service_endpoint, writing=writing)
        # The NTLM handshake got an answer that belongs to no handshake: the request itself was never accepted.
        return Transient(
            f"the log-on dialogue with {self.service_endpoint} broke off ({type(error).__name__})", code="log-on-broken"
        )

    def _read(self, response: requests.Response, *, writing: bool) -> bytes:
        deadline = monotonic() + self.TIMEOUT
        chunks: list[bytes] = []
        size = 0
        for chunk in response.iter_content(_CHUNK):
            chunks.append(chunk)
            size += len(chunk)
            if size > self.answer_limit:
                raise _too_large(self.answer_limit, writing=writing)
            if monotonic() > deadline:
                raise of_exception(requests.Timeout(), endpoint=self.service_endpoint, writing=writing)
        return b"".join(chunks)


class _KeptConnectionEnded(Transient):
    """A read got no answer on a connection that had brought one before."""


class _Ntlm(HttpNtlmAuth):
    """NTLM that survives a 401 without a body: there the library looks for the certificate where none is any more."""

    def _get_server_cert(self, response: requests.Response) -> bytes | None:
        try:
            return super()._get_server_cert(response)
        except AttributeError:
            return None


def parsed(document: bytes, *, writing: bool = False) -> Element:
    """The root of an answer. A document that is cut off, is no XML or declares a DTD is no answer.

    Exchange sends characters that XML forbids, as references: for them alone there is a second, cleaned try.
    """
    try:
        root = _tree(document)
    except etree.XMLSyntaxError:
        try:
            root = _tree(mended(document))
        except etree.XMLSyntaxError:
            raise unreadable("a document that is broken or cut off", writing=writing) from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise unreadable("a document with a DTD", writing=writing)
    return root


def _tree(document: bytes) -> Element:
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, huge_tree=True, remove_comments=True, remove_pis=True
    )
    return etree.fromstring(document, parser)


def _too_large(limit: int, *, writing: bool) -> ConnectorError:
    message = f"an answer of more than {limit >> 20} MiB was not read to its end"
    if writing:
        return OutcomeUnknown(message, code="answer-too-large")
    return ProtocolFault(message, code="answer-too-large")


def _check_endpoint(plan: ExchangePlan) -> None:
    parts = urlsplit(plan.endpoint)
    if not parts.hostname or parts.scheme not in ("http", "https"):
        raise UsageError(
            f"{plan.rule}: {plan.endpoint!r} is no EWS endpoint", remedy="write https://HOST/EWS/Exchange.asmx"
        )
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise UsageError(
            f"{plan.rule}: {plan.endpoint} would send the password unencrypted",
            remedy="use https; plain http is for loopback addresses only",
        )
    if plan.ca_file and not Path(plan.ca_file).is_file():
        raise UsageError(f"{plan.rule}: there is no CA file {plan.ca_file}", remedy="correct ca_file")


def _auth_of(plan: ExchangePlan, secret: str, verify: str | bool) -> Callable[[], AuthBase] | None:
    """What puts credentials on a session's requests, made anew for each; None when exchangelib's own does."""
    if plan.auth.type == "oauth2":
        url = urlsplit(plan.auth.token_url)
        if url.scheme != "https" and not is_loopback(url.hostname or ""):
            raise UsageError(
                f"{plan.rule}: {plan.auth.token_url} would send the client's secret unencrypted", remedy="use https"
            )
        tokens = Tokens(plan.auth, secret, plan.timeout.total_seconds(), verify)
        return lambda: BearerAuth(tokens)
    if plan.auth.type == "kerberos":
        return _kerberos(plan)
    return None


def _kerberos(plan: ExchangePlan) -> Callable[[], AuthBase]:
    """Kerberos by the process's own ticket or keytab (``KRB5_CLIENT_KTNAME``); the library is loaded only here."""
    try:
        import requests_gssapi
    except (ImportError, OSError) as error:  # OSError: the library is there and the system's GSSAPI is not
        raise UsageError(
            f"{plan.rule}: Kerberos needs a library that is not installed ({error})",
            remedy="pip install 'exsync[kerberos]', with the system's Kerberos libraries (Debian: libkrb5-dev)",
        ) from None
    return lambda: requests_gssapi.HTTPSPNEGOAuth(mutual_authentication=requests_gssapi.OPTIONAL)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine: there alone nothing has to be encrypted."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _version_of(plan: ExchangePlan) -> Version:
    for build, api_version, _ in VERSIONS:
        if api_version == plan.version:
            return Version(build, api_version)
    known = sorted({api_version for _, api_version, _ in VERSIONS})
    raise UsageError(f"{plan.rule}: unknown Exchange version {plan.version!r}", remedy=f"one of {', '.join(known)}")
