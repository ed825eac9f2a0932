"""``exsync serve``: the long-running process. The composition root: it joins the service with its ways in."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import click
import structlog

from runner.cli.context import Context, SystemClock, SystemRng, pass_context, reveal
from runner.cli.durations import duration_asked
from runner.cli.opening import open_target
from runner.config.plan import CrmPlan, TargetPlan
from runner.config.secrets import SecretRef
from runner.config.serving import ConsolePlan
from runner.model.errors import ExsyncError, UsageError
from runner.model.ports import CrmConnector, Meter, Places, TargetConnector
from runner.observe import log as logging
from runner.service.desk import Desk
from runner.service.sdnotify import sd_notify
from runner.service.service import Service, Settings
from runner.web.api import control_app
from runner.web.console.app import console_app
from runner.web.listening import Listener, tcp_socket, unix_socket
from runner.web.push import MOST, push_app

log = structlog.get_logger("exsync.service")


class SystemOpening:
    """Connectors of the real world; secrets are read when a connector is made."""

    def crm(self, plan: CrmPlan) -> CrmConnector:
        """The CRM's connector."""
        from runner.connectors.crm import connect

        return connect(plan, reveal(plan.url), clock=SystemClock())

    def target(self, plan: TargetPlan, places: Places | None, meter: Meter | None) -> TargetConnector:
        """A target's connector."""
        return open_target(plan, reveal, SystemClock(), places, meter)

    def secret_print(self, plan: CrmPlan | TargetPlan) -> str:
        """A digest of the plan's secret; of the refusal when it cannot be read."""
        secret: str | SecretRef | None = plan.url if isinstance(plan, CrmPlan) else plan.auth.password
        try:
            text = "" if secret is None else reveal(secret)
        except ExsyncError as error:
            text = f"unreadable: {error}"
        return hashlib.sha256(text.encode()).hexdigest()


@click.command()
@click.option("--workers", type=click.IntRange(1, 256), default=8, show_default=True, help="Passes at a time.")
@click.option(
    "--grace",
    type=click.IntRange(0, 3600),
    default=30,
    show_default=True,
    help="Seconds for running passes at the end.",
)
@click.option(
    "--attempts", type=click.IntRange(1, 1000), default=8, show_default=True, help="Failed passes that block a message."
)
@click.option(
    "--listen", metavar="ADDRESS:PORT", help="Also listen on TCP: health and metrics, and the API with a token."
)
@click.option(
    "--token-file", type=click.Path(path_type=Path, dir_okay=False), help="File with the token for the API on TCP."
)
@click.option(
    "--push-listen",
    metavar="ADDRESS:PORT",
    help="Listen for the posts of servers whose targets say `notifications: {mode: push}`.",
)
@click.option(
    "--push-tls-cert", type=click.Path(path_type=Path, dir_okay=False), help="Its certificate (PEM): listen with TLS."
)
@click.option("--push-tls-key", type=click.Path(path_type=Path, dir_okay=False), help="The certificate's key (PEM).")
@click.option(
    "--strict-start", is_flag=True, help="Do not start from the last good configuration when the files are bad."
)
@click.option(
    "--audit-within",
    default="7d",
    show_default=True,
    metavar="DURATION",
    help="Prove each link equal on both sides within this time, by and by; 0s: only by command.",
)
@click.option("--log-format", type=click.Choice(logging.FORMATS), default="auto", show_default=True)
@click.option("--log-level", type=click.Choice(logging.LEVELS), default="info", show_default=True)
@pass_context
def serve(
    context: Context,
    workers: int,
    grace: int,
    attempts: int,
    listen: str | None,
    token_file: Path | None,
    push_listen: str | None,
    push_tls_cert: Path | None,
    push_tls_key: Path | None,
    strict_start: bool,
    audit_within: str,
    log_format: str,
    log_level: str,
) -> int:
    """Keep both sides in step until stopped: passes as soon as something changes, and new YAML as soon as it is there."""
    logging.configure(log_format, log_level)
    with ExitStack() as stack:
        sockets: list[tuple[socket.socket, str | None]] = [(unix_socket(context.socket), None)]
        stack.callback(context.socket.unlink, missing_ok=True)
        if listen is not None:
            sockets.append((tcp_socket(*_address(listen)), _token(token_file)))
        elif token_file is not None:
            raise click.UsageError("--token-file goes with --listen")
        if push_tls_key is not None and push_tls_cert is None:
            raise click.UsageError("--push-tls-key goes with --push-tls-cert")
        if push_tls_cert is not None and push_listen is None:
            raise click.UsageError("--push-tls-cert goes with --push-listen")
        pushed = tcp_socket(*_address(push_listen, "--push-listen")) if push_listen is not None else None
        settings = Settings(
            context.root,
            context.state,
            workers,
            float(grace),
            attempts,
            strict_start,
            pushed=pushed is not None,
            audit_within=duration_asked(audit_within),
        )
        service = Service(settings, SystemOpening(), SystemClock(), SystemRng())
        stack.callback(service.store.close)
        desk = Desk(service)
        unix, *tcp = sockets
        listeners = [Listener(control_app(desk), unix[0], "control")]
        listeners += [Listener(control_app(desk, token, api=bool(token)), bound, "tcp") for bound, token in tcp]
        console = service.generations.current.plan.service.console
        if console is not None:
            listeners.append(_console(desk, console))
        if pushed is not None:
            pair = (str(push_tls_cert), str(push_tls_key or push_tls_cert)) if push_tls_cert is not None else None
            listeners.append(Listener(push_app(service.notifications), pushed, "push", certificate=pair, most=MOST))
        return _run(service, listeners)


def _console(desk: Desk, plan: ConsolePlan) -> Listener:
    """The web console on its own address. Its address and certificate stay for the life of the process."""
    bound = tcp_socket(plan.host, plan.port)
    scheme = "https" if plan.certificate else "http"
    log.info("console.listening", address=f"{scheme}://{plan.host}:{plan.port}", login=not plan.open)
    return Listener(console_app(desk, plan), bound, "console", certificate=plan.certificate)


def _run(service: Service, listeners: list[Listener]) -> int:
    _handle_signals(service)
    try:
        service.start()
        for listener in listeners:
            listener.start()
        sd_notify("READY=1")
        while not service.supervisor.ended.wait(1.0):
            if not all(listener.alive for listener in listeners):
                service.supervisor.fail(ExsyncError("a listener has ended"))
    except ExsyncError as error:
        service.supervisor.fail(error)
    sd_notify("STOPPING=1")
    left = service.stop()
    for listener in listeners:
        listener.stop()
    if service.supervisor.failure is not None:
        click.echo(f"error: {service.supervisor.failure}", err=True)
    code = getattr(service.supervisor.failure, "exit_code", 1) if service.supervisor.failure is not None else 0
    if left:
        # Abandoned passes sit in network calls; leaving without them is safe, and waiting for them is not asked for.
        os._exit(code)
    return code


def _handle_signals(service: Service) -> None:
    def end(number: int, frame: FrameType | None) -> None:
        service.supervisor.ended.set()

    def reload(number: int, frame: FrameType | None) -> None:
        service.reloader.hint()

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)
        signal.signal(signal.SIGHUP, reload)


def _address(text: str, option: str = "--listen") -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"{option} {text}: write ADDRESS:PORT", remedy=f"for example {option} 127.0.0.1:9464")
    return host.strip("[]") or "127.0.0.1", int(port)


def _token(file: Path | None, environ: Mapping[str, str] = os.environ) -> str | None:
    if file is None:
        return environ.get("EXSYNC_API_TOKEN") or None
    try:
        token = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--token-file {file} cannot be read: {error}") from None
    if len(token) < 16:
        raise UsageError(
            f"the token in {file} has fewer than 16 characters", remedy="openssl rand -hex 32 makes a good one"
        )
    return token
