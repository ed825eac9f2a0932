"""The simulated Exchange as one object: start it, give it mailboxes, act as their users, look at what was asked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Self

from runner.sandbox.accounts import Accounts, Principal
from runner.sandbox.autodiscover import PATH as AUTODISCOVER_PATH
from runner.sandbox.autodiscover import Directory
from runner.sandbox.faults import Effect, Fault
from runner.sandbox.ids import IdMint
from runner.sandbox.limits import Limits
from runner.sandbox.mailboxes import Clock, Mail, Mailbox
from runner.sandbox.notices import Notices
from runner.sandbox.outlook import OutlookUser
from runner.sandbox.requests import RequestLog
from runner.sandbox.server import PATH, EwsHttpServer
from runner.sandbox.soap import Service, Validator
from runner.sandbox.tokens import PATH as TOKEN_PATH
from runner.sandbox.tokens import TokenOffice

USERNAME = "svc-exsync"


def wall_clock() -> datetime:
    """The real time, UTC."""
    return datetime.now(UTC)


class Sandbox:
    """An EWS server on a loopback port. Use it as a context manager, or with :meth:`start` and :meth:`stop`.

    ``auth`` is ``basic``, ``ntlm``, ``both`` of these, or ``oauth2``; ``page`` caps the pages of SyncFolderItems;
    ``scope`` limits whom the service account may impersonate (None: everybody); ``tls`` is a certificate and a key file;
    ``validator`` sees the body of every request and returns what is wrong with it (such requests are refused as a schema
    fault and recorded in :attr:`schema_violations`); ``response_validator`` sees the sandbox's own answers; ``site``
    makes ids other than those of other sandboxes; ``keep_bodies`` keeps request bodies and headers in the log.
    """

    def __init__(
        self,
        *,
        username: str = USERNAME,
        password: str = "sandbox",  # noqa: S107 - a default for tests, on loopback
        auth: str = "basic",
        page: int = 512,
        scope: Collection[str] | None = None,
        clock: Clock = wall_clock,
        validator: Validator | None = None,
        response_validator: Validator | None = None,
        tls: tuple[str, str] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        keep_bodies: bool = False,
        limits: Limits | None = None,
        site: str = "",
        on_mail: Callable[[Mail], None] | None = None,
    ) -> None:
        self.username = username
        self.password = password
        self._clock = clock
        self._mint = IdMint(site)
        self._auth = frozenset(["basic", "ntlm"] if auth == "both" else [auth])
        self._tls = tls
        self._address = (host, port)
        self._keep_bodies = keep_bodies
        self._accounts = Accounts()
        self.tokens = TokenOffice(self._accounts, clock)
        """Gives tokens out when ``auth`` is ``oauth2``: accounts are its clients, passwords their secrets."""
        self.directory = Directory()
        """What Autodiscover tells; mailboxes that were added are in it once the sandbox has started."""
        self._users: dict[str, OutlookUser] = {}
        allowed = limits or Limits(page=page)
        self._service = Service(
            Notices(allowed, clock),
            limits=allowed,
            validator=validator,
            response_validator=response_validator,
            on_mail=on_mail,
        )
        self._server: EwsHttpServer | None = None
        self._past = RequestLog()
        self.add_account(username, password, impersonates=True, scope=scope)

    # --- life

    def start(self) -> Self:
        """Listen and serve in threads; a stopped sandbox can be started again and keeps its mailboxes and its port."""
        schemes = self._auth
        self._server = EwsHttpServer(
            self._address,
            self._service,
            self._accounts,
            schemes,
            self._clock,
            self.tokens,
            self.directory,
            tls=self._tls,
            keep_bodies=self._keep_bodies,
        )
        self._server.requests = self._past
        self._address = (self._address[0], self._server.server_address[1])
        for address in self._users:
            self.directory.endpoints.setdefault(address, self.url)
        self._server.start()
        return self

    def stop(self) -> None:
        """End every connection and stop listening; subscriptions are forgotten, as a restarted server forgets them."""
        if self._server is not None:
            self.notices.stop()
            self._server.stop()
            self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The port, once started."""
        return self._address[1]

    @property
    def url(self) -> str:
        """The endpoint's address."""
        scheme = "https" if self._tls else "http"
        host = "localhost" if self._tls else self._address[0]
        return f"{scheme}://{host}:{self._address[1]}{PATH}"

    @property
    def token_url(self) -> str:
        """Where tokens are given out."""
        return self.url.removesuffix(PATH) + TOKEN_PATH

    @property
    def autodiscover_url(self) -> str:
        """Where mailboxes are looked up."""
        return self.url.removesuffix(PATH) + AUTODISCOVER_PATH

    # --- world

    def add_mailbox(self, address: str, *, name: str | None = None, password: str | None = None) -> OutlookUser:
        """A new mailbox; with ``password`` its owner can log on as himself."""
        with self._service.lock:
            mailbox = Mailbox(address, name or _spoken(address), self._mint, self._clock)
            mailbox.tell = partial(self._service.notices.happened, address.lower())
            self._service.mailboxes[address.lower()] = mailbox
            user = self._users[address.lower()] = OutlookUser(mailbox, self._service.lock, self._service.post)
        if password is not None:
            self.add_account(address, password, mailbox=address)
        if self._server is not None:
            self.directory.endpoints.setdefault(address.lower(), self.url)
        return user

    def remove_mailbox(self, address: str) -> None:
        """The mailbox is gone: impersonating it is ``ErrorNonExistentMailbox``."""
        with self._service.lock:
            del self._service.mailboxes[address.lower()]
            del self._users[address.lower()]

    def move_mailbox(self, address: str, to: Sandbox) -> OutlookUser:
        """A mailbox moves to another server: everything in it is there under new ids, and asked for here it is
        ``ErrorProxyRequestNotAllowed``; Autodiscover, here and there, tells the new endpoint."""
        with self._service.lock:
            before = self._service.mailboxes.pop(address.lower())
            del self._users[address.lower()]
            self._service.moved.add(address.lower())
            for each in [one for one in self.notices.subscriptions if one.mailbox == address.lower()]:
                self.notices.subscriptions.lose(each)
        user = to.add_mailbox(address)
        user.take_in(before)
        for known in (self.directory, to.directory):
            known.endpoints[address.lower()] = to.url
        return user

    def rename_mailbox(self, address: str, new: str) -> OutlookUser:
        """Its owner has another primary address from now on. Everything in it keeps its id; impersonating the old address is
        ``ErrorNonExistentMailbox``, for what is named is the primary one."""
        with self._service.lock:
            mailbox = self._service.mailboxes.pop(address.lower())
            user = self._users.pop(address.lower())
            mailbox.readdress(new)
            mailbox.tell = partial(self._service.notices.happened, new.lower())
            self._service.mailboxes[new.lower()], self._users[new.lower()] = mailbox, user
            for each in [one for one in self.notices.subscriptions if one.mailbox == address.lower()]:
                self.notices.subscriptions.lose(each)
            self.directory.endpoints.pop(address.lower(), None)
            self.directory.endpoints[new.lower()] = self.url
        return user

    def mailbox(self, address: str) -> OutlookUser:
        """The mailbox as its user works with it."""
        return self._users[address.lower()]

    def add_account(
        self,
        username: str,
        password: str,
        *,
        mailbox: str | None = None,
        impersonates: bool = False,
        scope: Collection[str] | None = None,
        opens: Collection[str] = (),
    ) -> None:
        """An account that can log on. Adding it again changes its password and rights."""
        limited = None if scope is None else frozenset(address.lower() for address in scope)
        opened = frozenset(address.lower() for address in opens)
        self._accounts.add(Principal(username, password, mailbox, impersonates, limited, opened))

    def inject(self, fault: Fault | Effect, operation: str | None = None, **where: object) -> Fault:
        """Arm a fault. A bare effect is wrapped: ``sandbox.inject(busy_fault(), "GetItem", nth=2, after=True)``."""
        whole = fault if isinstance(fault, Fault) else Fault(fault, operation, **where)  # type: ignore[arg-type]
        return self._service.faults.add(whole)

    def clear_faults(self) -> None:
        """Disarm all faults."""
        self._service.faults.clear()

    # --- notifications

    @property
    def notices(self) -> Notices:
        """Subscriptions, open streams and posts."""
        return self._service.notices

    def lose_subscriptions(self, code: str = "ErrorSubscriptionNotFound", mailbox: str | None = None) -> int:
        """The server loses subscriptions, all or one mailbox's; who asks is answered with this code. How many it were."""
        with self._service.lock:
            lost = [each for each in self.notices.subscriptions if mailbox in (None, each.mailbox)]
            for each in lost:
                self.notices.subscriptions.lose(each, code)
            return len(lost)

    def drop_streams(self) -> int:
        """Every open stream's line is cut; how many it were."""
        with self._service.lock:
            streams = list(self.notices.streams)
            for stream in streams:
                stream.cut()
            return len(streams)

    def hush_streams(self) -> int:
        """Every open stream dies without a word: its line stays, and nothing comes over it any more."""
        with self._service.lock:
            streams = list(self.notices.streams)
            for stream in streams:
                stream.hush()
            return len(streams)

    # --- what was seen

    @property
    def requests(self) -> RequestLog:
        """Every SOAP request that passed authentication."""
        return self._past

    @property
    def refused(self) -> int:
        """Requests whose credentials were refused since the last start."""
        return self._server.refused if self._server else 0

    @property
    def connections_opened(self) -> int:
        """Connections since the last start."""
        return self._server.connections_opened if self._server else 0

    @property
    def connections_open(self) -> int:
        """Connections that are open now."""
        return self._server.connections_open if self._server else 0

    @property
    def mails_sent(self) -> list[Mail]:
        """Every mail that the server would have sent."""
        return self._service.mails

    @property
    def addressees(self) -> list[tuple[str, str]]:
        """Every mail once for each address that it went to: ``(kind, address)`` in the order of sending."""
        return [(mail.kind, address) for mail in self._service.mails for address in mail.to]

    @property
    def schema_violations(self) -> list[str]:
        """What the validator found wrong with requests."""
        return self._service.schema_violations

    @property
    def response_violations(self) -> list[str]:
        """What the response validator found wrong with the sandbox's own answers."""
        return self._service.response_violations

    @property
    def mailboxes(self) -> Mapping[str, OutlookUser]:
        """All users by lower-case address."""
        return dict(self._users)


def _spoken(address: str) -> str:
    return address.partition("@")[0].replace(".", " ").title()
