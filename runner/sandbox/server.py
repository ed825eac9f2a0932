"""The HTTP edge: HTTP/1.1 with keep-alive, TLS, authentication, and the faults that happen below SOAP."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Generator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any

from runner.sandbox.accounts import Accounts, Principal
from runner.sandbox.autodiscover import PATH as AUTODISCOVER_PATH
from runner.sandbox.autodiscover import Directory
from runner.sandbox.ntlm import NtlmHandshake
from runner.sandbox.requests import RequestLog, Seen
from runner.sandbox.soap import Reply, Service
from runner.sandbox.tokens import PATH as TOKEN_PATH
from runner.sandbox.tokens import TokenOffice

PATH = "/EWS/Exchange.asmx"
_LARGEST_REQUEST = 64 * 1024 * 1024


class _Handler(BaseHTTPRequestHandler):
    """One connection. NTLM's handshake belongs to it; Basic is checked with every request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: EwsHttpServer
    server_version = "Microsoft-IIS/10.0"
    sys_version = ""

    def setup(self) -> None:
        super().setup()
        self.server.opened(self.connection)
        self.handshake = NtlmHandshake(self.server.accounts)

    def finish(self) -> None:
        try:
            super().finish()
        except OSError:
            self.close_connection = True  # the client went away with an answer still in the buffer
        finally:
            self.server.closed(self.connection)

    def do_GET(self) -> None:
        """EWS answers POST only; a GET shows that the endpoint is there, once authenticated."""
        if self.path.split("?")[0] != PATH:
            self._send(Reply(404, b""))
        elif self._principal() is not None:
            self._send(Reply(405, b"", (("Allow", "POST"),)))

    def do_POST(self) -> None:
        """One SOAP request."""
        length = int(self.headers.get("Content-Length") or 0)
        if length > _LARGEST_REQUEST:
            self.close_connection = True
            self._send(Reply(413, b""))
            return
        body = self.rfile.read(length)
        if self.path.split("?")[0] == TOKEN_PATH and "oauth2" in self.server.schemes:
            status, told = self.server.tokens.answer(body)
            self._send(Reply(status, told, (("Content-Type", "application/json"), ("Cache-Control", "no-store"))))
            return
        asked = self.path.split("?")[0].lower()
        if asked not in (PATH.lower(), AUTODISCOVER_PATH):
            self._send(Reply(404, b""))
            return
        principal = self._principal()
        if principal is None:
            return
        if asked == AUTODISCOVER_PATH:
            self._send(Reply(*self.server.directory.answer(body)))
            return
        reply = self.server.service.answer(body, principal)
        self.server.note(reply, body, tuple(self.headers.items()))
        if reply.delay and self.server.stopping.wait(reply.delay):
            self.close_connection = True
        elif reply.stream is not None:
            self._stream(reply)
        elif reply.drop is not None:
            self._hang_up(reply)
        else:
            self._send(reply)

    def _principal(self) -> Principal | None:
        """The account behind this request; None when a 401 was sent instead."""
        header = self.headers.get("Authorization", "")
        scheme = header.partition(" ")[0].lower()
        if "basic" in self.server.schemes and scheme == "basic":
            if found := self.server.accounts.basic(header):
                return found
        elif "oauth2" in self.server.schemes and scheme == "bearer":
            if found := self.server.tokens.bearer(header):
                return found
        elif "ntlm" in self.server.schemes and scheme in ("ntlm", "negotiate"):
            challenge = self.handshake.step(header)
            if challenge is not None:
                self._send(Reply(401, b"", (("WWW-Authenticate", challenge),)))
                return None
            if self.handshake.principal is not None:
                return self.handshake.principal
        elif not header and self.handshake.principal is not None:
            return self.handshake.principal
        self.server.refused += 1 if header else 0
        offers = [("WWW-Authenticate", 'Basic realm="localhost"')] if "basic" in self.server.schemes else []
        if "ntlm" in self.server.schemes:
            offers = [("WWW-Authenticate", "NTLM"), *offers]
        if "oauth2" in self.server.schemes:
            offers = [("WWW-Authenticate", 'Bearer error="invalid_token"'), *offers]
        self._send(Reply(401, b"", tuple(offers)))
        return None

    def date_time_string(self, timestamp: float | None = None) -> str:
        """``Date`` by the sandbox's clock."""
        return super().date_time_string(self.server.now().timestamp() if timestamp is None else timestamp)

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        names = {name.lower() for name, _ in reply.headers}
        if "content-type" not in names:
            self.send_header("Content-Type", "text/xml; charset=utf-8")
        for name, value in reply.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        if "connection" not in names and self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(reply.body)
        self.wfile.flush()
        if ("connection", "close") in {(name.lower(), value.lower()) for name, value in reply.headers}:
            self.close_connection = True

    def _stream(self, reply: Reply) -> None:
        """An answer without an end in sight: one document a chunk (RFC 9112 §7.1). A drop cuts it after the first."""
        self.send_response(reply.status)
        self.send_header("Content-Type", "text/xml; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        documents = reply.stream or iter(())
        try:
            for document in documents:
                if document is None:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.wfile.write(b"%x\r\n%b\r\n" % (len(document), document))
                self.wfile.flush()
                if reply.drop is not None:
                    self._hang_up(reply)
                    return
            self.wfile.write(b"0\r\n\r\n")
            self.wfile.flush()
        finally:
            if isinstance(documents, Generator):
                documents.close()

    def _hang_up(self, reply: Reply) -> None:
        self.close_connection = True
        if reply.drop is not None and reply.drop.after_bytes is not None and reply.stream is None:
            self.send_response(reply.status)
            self.send_header("Content-Type", "text/xml; charset=utf-8")
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body[: reply.drop.after_bytes])
            self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:
        """Silent: the request log is :attr:`EwsHttpServer.requests`."""


class EwsHttpServer(ThreadingHTTPServer):
    """A listening endpoint. Stopping it ends every connection and waits for their threads."""

    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        service: Service,
        accounts: Accounts,
        schemes: frozenset[str],
        now: Callable[[], datetime],
        tokens: TokenOffice,
        directory: Directory,
        *,
        tls: tuple[str, str] | None = None,
        keep_bodies: bool = False,
    ) -> None:
        self.service = service
        self.accounts = accounts
        self.schemes = schemes
        self.tokens = tokens
        self.directory = directory
        self.requests = RequestLog()
        self.refused = 0
        """Answers of 401 to credentials that were offered and did not fit."""
        self.connections_opened = 0
        self.now = now
        self._keep_bodies = keep_bodies
        self._connections: set[socket.socket] = set()
        self._guard = Lock()
        self.stopping = Event()
        """Set when the server stops: a late answer is not waited for."""
        self._thread: Thread | None = None
        self._tls: ssl.SSLContext | None = None
        if tls is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(*tls)
        super().__init__(address, _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """The TLS handshake happens in the connection's own thread, so that a slow client holds nobody up."""
        if self._tls is None:
            super().finish_request(request, client_address)
            return
        try:
            secured = self._tls.wrap_socket(request, server_side=True)
        except OSError:
            return  # no TLS, or a client that does not trust the certificate
        try:
            super().finish_request(secured, client_address)
        finally:
            secured.close()

    def opened(self, connection: socket.socket) -> None:
        """A connection's thread started."""
        with self._guard:
            self._connections.add(connection)
            self.connections_opened += 1

    def closed(self, connection: socket.socket) -> None:
        """A connection's thread is done."""
        with self._guard:
            self._connections.discard(connection)

    @property
    def connections_open(self) -> int:
        """How many connections there are now."""
        with self._guard:
            return len(self._connections)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away in the middle are no news; anything else is a bug of the sandbox and is shown."""
        import sys

        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def note(self, reply: Reply, body: bytes, headers: tuple[tuple[str, str], ...]) -> None:
        """Put one request into the log."""
        kept = body if self._keep_bodies else None
        shown = tuple((name, value) for name, value in headers if name.lower() != "authorization")
        self.requests.note(
            Seen(reply.operation, reply.mailbox, reply.items, reply.status, self.now(), kept, shown if kept else ())
        )

    def start(self) -> None:
        """Serve in a thread."""
        self._thread = Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, name="exsync-sandbox")
        self._thread.start()

    def stop(self) -> None:
        """Stop listening, end all connections, wait for their threads.

        The listener goes first, as with a process that ends: who loses a connection finds nobody when it comes again.
        """
        if self._thread is not None:
            self.shutdown()
            self._thread.join()
            self._thread = None
        self.socket.close()
        self.stopping.set()
        with self._guard:
            connections = list(self._connections)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # already gone
        self.server_close()
