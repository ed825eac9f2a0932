"""The port ``Directory`` over ldap3, with every default of ldap3 2.9.1 that could hurt set otherwise, and why:

- Referrals are never followed and no host is allowed: ldap3 would send the bind password to whatever host a referral names.
- TLS is verified, name included, by this target's own CA file, and by Python's own context: ldap3 would not by itself, and
  its check of names is one that newer Pythons have given up.
- There are time limits, on connecting and on each answer.
- Paging is done here: ldap3's ``paged_search`` takes a size limit in the third page for the end of the list. Any result
  code but success is an error, and so is an answer without the paging control (RFC 2696).
- Nothing is known of the schema (``get_info=NONE``) and only raw values are read: else their types depend on the server.
- Nobody filters by ``objectGUID``: ldap3 mangles one in 1,800 of them. Entries are read by ``<GUID=…>`` instead.
- A value list that the server cut (``member;range=0-1499``) is fetched to its end here, and a gap in it is an error.
- After a refused log-on every further one is refused here: no account gets locked by repetition.

One search has one connection to itself, since a paging cookie belongs to the connection that it came over.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from ldap3 import BASE, KERBEROS, LEVEL, NONE, SASL, SIMPLE, SUBTREE, SYNC, Connection, Server, Tls
from ldap3.core.exceptions import LDAPException
from ldap3.protocol.rfc2696 import paged_search_control

from runner.config.plan import LdapPlan
from runner.config.secrets import resumption
from runner.connectors.ldap.faults import (
    NO_SUCH_OBJECT,
    SUCCEEDED,
    SUCCESS,
    of_bind,
    of_exception,
    of_result,
    unpaged,
)
from runner.connectors.ldap.port import BY_GUID, Attributes, Entry, Search
from runner.connectors.metering import metered
from runner.model.errors import AuthRefused, ConnectorError, Invalid, ProtocolFault, UsageError
from runner.model.ports import Meter

PAGED = "1.2.840.113556.1.4.319"
PASSWORD_POLICY = "1.3.6.1.4.1.42.2.27.8.5.1"  # noqa: S105 - an OID
SHOW_DELETED = "1.2.840.113556.1.4.417"
IDLE = 60.0
"""Seconds after which an unused connection is not used again: it may have been cut, and a fresh one costs little."""
_SCOPES: Mapping[str, Any] = {"base": BASE, "one": LEVEL, "subtree": SUBTREE}
_PORTS = {"ldap": 389, "ldaps": 636}
_ANY = "(objectClass=*)"


class LdapDirectory:
    """One server, logged on as one account. Safe to share between threads."""

    def __init__(self, plan: LdapPlan, password: str | None, meter: Meter | None = None) -> None:
        """Nothing is sent yet. ``meter`` is told of log-ons (``bind``) and of every ``search``."""
        if plan.auth.type == "simple" and not password:
            # RFC 4513, 5.1.2: a bind with a name and no password succeeds, as nobody.
            raise UsageError(f"{plan.rule}: the password of {plan.auth.username} is empty", remedy="set the secret")
        self.plan = plan
        self.url = plan.url
        self._password, self._meter = password, meter
        self._lock = threading.Lock()
        self._idle: list[tuple[float, Connection]] = []
        self._refused: AuthRefused | None = None

    def __repr__(self) -> str:
        return f"LdapDirectory({self.plan.name}, {self.url})"

    # -- the port --------------------------------------------------------------------------------------------------------

    def root(self) -> Entry:
        """The server's own description."""
        found = self.read("", ["*", "+"])
        if found is None:
            raise ProtocolFault(f"{self.url} does not describe itself", code="no-root")
        return found

    def pages(self, search: Search) -> Iterator[Sequence[Entry]]:
        """The entries of a search, page by page; complete only when the iterator ends by itself."""
        what = f"the search below {search.base or 'the root'}"
        with self._connection() as connection:
            cookie: bytes | None = b""
            while cookie is not None:
                control = paged_search_control(False, self.plan.page, cookie)
                result, entries = self._search(connection, search, [control])
                if result["result"] != SUCCESS:
                    raise of_result(result, self.url, what)
                control_value = (result.get("controls") or {}).get(PAGED)
                if control_value is None:
                    raise unpaged(self.url, what)
                cookie = control_value["value"]["cookie"] or None
                if entries:
                    yield [self._whole(connection, entry) for entry in entries]

    def read(self, dn: str, attributes: Sequence[str]) -> Entry | None:
        """One entry; None when the server positively has none."""
        _demand_sound(dn)
        with self._connection() as connection:
            result, entries = self._search(connection, Search(dn, "base", _ANY, tuple(attributes)), None)
            if result["result"] == NO_SUCH_OBJECT:
                return None
            if result["result"] != SUCCESS:
                raise of_result(result, self.url, f"the entry {dn}")
            return self._whole(connection, entries[0]) if entries else None

    def find(self, search: Search) -> Sequence[Entry]:
        """The entries of a search that can have a few results only."""
        with self._connection() as connection:
            result, entries = self._search(connection, search, None)
            if result["result"] == NO_SUCH_OBJECT and search.base.startswith(BY_GUID):
                return []
            if result["result"] != SUCCESS:
                raise of_result(result, self.url, f"the look-up below {search.base or 'the root'}")
            return [self._whole(connection, entry) for entry in entries]

    def peer_certificate(self) -> Any:
        """The verified certificate of the server as ``ssl.SSLSocket.getpeercert`` gives it; None without TLS."""
        with self._connection() as connection:
            return connection.socket.getpeercert() if isinstance(connection.socket, ssl.SSLSocket) else None

    def close(self) -> None:
        """Give back connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, connection in idle:
            _end(connection)

    # -- one request -----------------------------------------------------------------------------------------------------

    def _search(
        self, connection: Connection, search: Search, controls: list[Any] | None
    ) -> tuple[Mapping[str, Any], list[Entry]]:
        _demand_sound(search.base)
        if search.deleted:
            controls = [*(controls or ()), (SHOW_DELETED, True, None)]
        scope, wanted = _SCOPES[search.scope], list(search.attributes)
        with metered(self._meter, self.plan.name, "search", SUCCEEDED) as seen:
            try:
                connection.search(search.base, search.filter, scope, attributes=wanted, controls=controls)
            except (LDAPException, OSError) as error:
                raise of_exception(error, self.url, opening=False) from None
            result: Mapping[str, Any] = connection.result
            if not result or "result" not in result:
                raise ProtocolFault(f"{self.url} ended a search without a result", code="no-result")
            seen.code = str(result.get("description") or result["result"])
        found = connection.response or []
        return result, [_entry(each) for each in found if each["type"] == "searchResEntry"]

    def _whole(self, connection: Connection, entry: Entry) -> Entry:
        """The entry with value lists that the server cut fetched to their ends (MS-ADTS 3.1.1.3.1.3.3)."""
        cut = [name for name in entry.attributes if ";range=" in name]
        if not cut:
            return entry
        values = {name: held for name, held in entry.attributes.items() if name not in cut}
        for name in cut:
            plain, _, bounds = name.partition(";range=")
            held = list(entry.attributes[name])
            while not bounds.endswith("-*"):
                wanted = f"{plain};range={len(held)}-*"
                search = Search(entry.dn, "base", _ANY, (wanted,))
                result, entries = self._search(connection, search, None)
                if result["result"] != SUCCESS:
                    raise of_result(result, self.url, f"the rest of {plain} of {entry.dn}")
                got = next(
                    ((n, v) for e in entries for n, v in e.attributes.items() if n.startswith(f"{plain};range=")), None
                )
                if got is None or not got[1] or not got[0].startswith(f"{plain};range={len(held)}-"):
                    raise ProtocolFault(
                        f"{self.url} gave {len(held)} values of {plain} of {entry.dn} and not the rest", code="range"
                    )
                bounds = got[0].partition(";range=")[2]
                held += got[1]
            values[plain] = held
        return Entry(entry.dn, values)

    # -- connections -----------------------------------------------------------------------------------------------------

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        """A logged-on connection for one search alone; one that did not end well is not used again."""
        connection = self._taken() or self._opened()
        sound = False
        try:
            yield connection
            sound = True
        except ConnectorError as error:
            sound = isinstance(error, Invalid)
            raise
        finally:
            if sound:
                with self._lock:
                    self._idle.append((monotonic(), connection))
            else:
                _end(connection)

    def _taken(self) -> Connection | None:
        with self._lock:
            usable, self._idle = self._idle, []
            now = monotonic()
            fresh = [(since, one) for since, one in usable if now - since < IDLE and not one.closed]
            stale = [one for since, one in usable if (since, one) not in fresh]
            taken = fresh.pop()[1] if fresh else None
            self._idle = fresh
        for one in stale:
            _end(one)
        return taken

    def _opened(self) -> Connection:
        if self._refused is not None:
            raise AuthRefused(str(self._refused), code=self._refused.code, remedy=self._refused.remedy)
        connection = self._made()
        ready = False
        try:
            with metered(self._meter, self.plan.name, "bind", SUCCEEDED):
                self._begin(connection)
            ready = True
        except AuthRefused as error:
            self._refused = error
            raise
        finally:
            if not ready:
                _end(connection)
        return connection

    def _begin(self, connection: Connection) -> None:
        try:
            connection.open(read_server_info=False)
            if self.plan.start_tls:
                connection.start_tls(read_server_info=False)
            self._log_on(connection)
        except (LDAPException, OSError) as error:
            raise of_exception(error, self.url, opening=True) from None

    def _made(self) -> Connection:
        plan, split = self.plan, urlsplit(self.plan.url)
        try:
            tls = VerifiedTls(plan.ca_file)
        except (LDAPException, OSError) as error:
            raise UsageError(f"{plan.rule}: ca_file {plan.ca_file}: {error}", remedy="name a PEM file") from None
        server = Server(
            split.hostname or "",
            port=split.port or _PORTS[split.scheme],
            use_ssl=split.scheme == "ldaps",
            tls=tls,
            get_info=NONE,
            allowed_referral_hosts=[],
            connect_timeout=plan.connect_timeout.total_seconds(),
        )
        shared: dict[str, Any] = {
            "client_strategy": SYNC,
            "auto_referrals": False,
            "auto_range": False,
            "return_empty_attributes": False,
            "check_names": False,
            "read_only": True,
            "raise_exceptions": False,
            "receive_timeout": max(1, round(plan.timeout.total_seconds())),
        }
        if plan.auth.type == "kerberos":
            return Connection(server, authentication=SASL, sasl_mechanism=KERBEROS, **shared)
        return Connection(server, plan.auth.username, self._password, authentication=SIMPLE, **shared)

    def _log_on(self, connection: Connection) -> None:
        # The request of RFC draft-behera-ldap-password-policy: a server with such a policy then says that a password expired.
        controls = [(PASSWORD_POLICY, False, None)] if self.plan.auth.type == "simple" else None
        try:
            connection.bind(read_server_info=False, controls=controls)
        except ImportError:
            raise UsageError(
                f"{self.plan.rule}: Kerberos needs the Python package gssapi, which is not installed",
                remedy="install it with the Kerberos libraries (pip install gssapi), or use type: simple over TLS",
            ) from None
        result = connection.result
        if result["result"] != SUCCESS:
            policy = (result.get("controls") or {}).get(PASSWORD_POLICY)
            error = of_bind(result, self.plan, expired=_is_expired(policy))
            if isinstance(error, AuthRefused):
                resumed = resumption(self.plan.auth.password, self.plan.name)
                error.remedy = "; ".join(filter(None, (error.remedy, resumed)))
            raise error


class VerifiedTls(Tls):
    """TLS that demands a certificate of a known authority for the very name that was asked for."""

    def __init__(self, ca_file: str | None) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED, ca_certs_file=ca_file)
        self._context = ssl.create_default_context(cafile=ca_file)

    def wrap_socket(self, connection: Connection, do_handshake: bool = False) -> None:
        """Put TLS on a connection's socket; the handshake is part of it."""
        connection.socket = self._context.wrap_socket(connection.socket, server_hostname=connection.server.host)


def _is_expired(control: Mapping[str, Any] | None) -> bool:
    """Whether a password policy's answer names the error passwordExpired: ``[1] 0`` or changeAfterReset ``[1] 2``."""
    value = control.get("value") if control else None
    return isinstance(value, bytes) and (b"\x81\x01\x00" in value or b"\x81\x01\x02" in value)


def _entry(found: Mapping[str, Any]) -> Entry:
    raw: Attributes = {name.lower(): values for name, values in found["raw_attributes"].items()}
    return Entry(found["dn"], raw)


def _demand_sound(dn: str) -> None:
    if "\0" in dn:
        raise Invalid(f"a DN with a NUL character is never sent: {dn!r}", code="bad-dn")


def _end(connection: Connection) -> None:
    """Close a connection and its socket, which the library leaves open when opening fails half-way."""
    held = connection.socket
    with suppress(LDAPException, OSError):
        connection.unbind()
    if held is not None:
        with suppress(OSError):
            held.close()
