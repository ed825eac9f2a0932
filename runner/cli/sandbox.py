"""``exsync sandbox``: a simulated Exchange on loopback, to try things on without a server."""

from __future__ import annotations

import ipaddress
import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DEFAULT_MAILBOX = "ann.lee@example.com"


def _duration(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    if value is None:
        return None
    match = re.fullmatch(r"(\d+)([smhd]?)", value.strip())
    if match is None:
        raise click.BadParameter("write a number and a unit: 90s, 30m, 1h")
    return float(int(match[1]) * _UNITS[match[2] or "s"])


def _address(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[str, int]:
    host, _, port = value.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    host = "127.0.0.1" if host == "localhost" else host
    try:
        loopback = ipaddress.ip_address(host).is_loopback
        number = int(port)
    except ValueError as error:
        raise click.BadParameter("write ADDRESS:PORT, such as 127.0.0.1:8025") from error
    if not loopback:
        raise click.BadParameter("the sandbox listens on loopback only: its password and its data protect nothing")
    if not 0 <= number <= 65535:
        raise click.BadParameter("a port lies between 0 and 65535")
    return host, number


@click.command()
@click.option("--listen", default="127.0.0.1:8025", show_default=True, callback=_address, help="Where to listen.")
@click.option("--mailbox", "mailboxes", multiple=True, metavar="ADDRESS", help="A mailbox (repeat).")
@click.option(
    "--load", "loads", multiple=True, metavar="FILE.ics[=ADDRESS]", help="Fill a mailbox from iCalendar (repeat)."
)
@click.option("--fill", type=click.IntRange(min=0), default=0, help="Made-up appointments in each mailbox.")
@click.option(
    "--username", default="svc-exsync", show_default=True, help="The service account; it may impersonate everybody."
)
@click.option(
    "--password-env", metavar="NAME", help="Environment variable with its password. Default password: sandbox."
)
@click.option("--auth", type=click.Choice(["basic", "ntlm", "both"]), default="basic", show_default=True)
@click.option("--tls-cert", type=click.Path(exists=True, dir_okay=False), help="Certificate (PEM): serve HTTPS.")
@click.option("--tls-key", type=click.Path(exists=True, dir_okay=False), help="Its key (PEM).")
@click.option(
    "--page", type=click.IntRange(1, 512), default=512, show_default=True, help="Largest SyncFolderItems page."
)
@click.option("--for", "lifetime", callback=_duration, metavar="DURATION", help="End by itself after 90s, 30m, 1h.")
def sandbox(
    listen: tuple[str, int],
    mailboxes: tuple[str, ...],
    loads: tuple[str, ...],
    fill: int,
    username: str,
    password_env: str | None,
    auth: str,
    tls_cert: str | None,
    tls_key: str | None,
    page: int,
    lifetime: float | None,
) -> None:
    """Start the sandbox: a simulated Exchange on loopback. What is in it is gone when it ends."""
    from runner.sandbox.exchange import Sandbox
    from runner.sandbox.ntlm import available

    if bool(tls_cert) != bool(tls_key):
        raise click.UsageError("--tls-cert and --tls-key belong together.")
    if auth != "basic" and not available():
        raise click.UsageError("NTLM needs pyspnego: pip install pyspnego.")
    server = Sandbox(
        username=username,
        password=_password(password_env),
        auth=auth,
        page=page,
        tls=(tls_cert, tls_key) if tls_cert and tls_key else None,
        host=listen[0],
        port=listen[1],
        on_mail=lambda mail: click.echo(
            f"mail: {mail.kind} from {mail.mailbox} to {', '.join(mail.to)}: {mail.subject}"
        ),
    )
    for address in mailboxes or (() if loads else (_DEFAULT_MAILBOX,)):
        server.add_mailbox(address)
    for load in loads:
        _load(server, load)
    for user in server.mailboxes.values():
        user.fill(fill)
    with _told_to_end() as ended:
        try:
            server.start()
        except OSError as error:
            raise click.ClickException(
                f"cannot listen on {listen[0]}:{listen[1]}: {error.strerror or error}. Choose another port with --listen."
            ) from error
        try:
            click.echo(f"{server.url} ({auth}, {username})")
            for address, user in server.mailboxes.items():
                click.echo(f"  {address}: {len(user.items())} calendar items")
            click.echo("Ctrl-C ends it." if lifetime is None else f"Ends by itself after {lifetime:.0f} s.")
            ended.wait(lifetime)
        finally:
            server.stop()


def _password(variable: str | None) -> str:
    if variable is None:
        return "sandbox"
    if value := os.environ.get(variable):
        return value
    raise click.UsageError(f"--password-env: the environment variable {variable} is not set.")


def _load(server: object, load: str) -> None:
    from runner.sandbox.exchange import Sandbox
    from runner.sandbox.icsload import IcsInvalid, load_ics

    if not isinstance(server, Sandbox):
        raise TypeError("a sandbox is needed")
    name, _, address = load.rpartition("=") if "@" in load.rpartition("=")[2] else (load, "", "")
    address = address or next(iter(server.mailboxes), _DEFAULT_MAILBOX)
    if address.lower() not in server.mailboxes:
        server.add_mailbox(address)
    try:
        result = load_ics(Path(name).read_bytes())
    except OSError as error:
        raise click.UsageError(f"--load: cannot read {name}: {error.strerror}.") from error
    except IcsInvalid as error:
        raise click.UsageError(f"--load: {name}: {error}.") from error
    for item in result.items:
        server.mailbox(address).add(item.properties, exceptions=item.exceptions, deleted=item.deleted)
    click.echo(f"{name}: {len(result.items)} events for {address}, {len(result.refused)} refused")
    for uid, reason in result.refused:
        click.echo(f"  {uid}: {reason}")


@contextmanager
def _told_to_end() -> Iterator[threading.Event]:
    """Set on Ctrl-C and SIGTERM: from before it listens until it has stopped."""
    ended = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        ended.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
