"""An Exchange server: where it is, certificate, clock, log-on, version, whose mailboxes it opens, limits, push."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from urllib.parse import urlsplit

from runner.cli.context import reveal
from runner.cli.examination.asked import SAMPLE, Examined
from runner.config.plan import ExchangePlan, LinkPlan
from runner.connectors.certificates import presented
from runner.connectors.exchange.inspection import Inspection, answer_at
from runner.engine.checkup import exchange, push
from runner.engine.checkup.certificates import certificate
from runner.engine.checkup.clocks import clock
from runner.model.checkup import Diagnosis, Level, MailboxSeen, doubtful, refused, sound
from runner.model.errors import AuthRefused, ExsyncError, ProtocolFault, Transient, Unreachable
from runner.model.terms import Folder


def examine_exchange(examined: Examined, plan: ExchangePlan) -> Iterator[Diagnosis]:
    """Raises what cannot be told of one check alone."""
    password = reveal(plan.auth.password) if plan.auth.password else ""
    with closing(Inspection(plan, password, examined.clock.now)) as inspection:
        yield from _examined(examined, plan, inspection)


def _examined(examined: Examined, plan: ExchangePlan, inspection: Inspection) -> Iterator[Diagnosis]:
    links = examined.links(plan.name)
    users = sorted({link.user for link in links})
    endpoint = inspection.endpoint(users[0] if users else None)
    if not endpoint:
        yield doubtful(plan.name, "endpoint", "no link names a mailbox to look up", "add links, then run this again")
        return
    if plan.autodiscover:
        yield sound(plan.name, "autodiscover", f"{users[0]} is at {endpoint}")
    connection = list(_connection(examined, plan, inspection, endpoint))
    yield from connection
    if any(one.level is Level.FAILURE and one.exit_code == Unreachable.exit_code for one in connection):
        return
    online = exchange.is_online(endpoint, None)
    tried: list[MailboxSeen] = []
    if users:
        try:
            build = inspection.build(users[0])
        except (AuthRefused, Unreachable, Transient, ProtocolFault) as error:
            yield refused(plan.name, "log-on", error)
            return
        except ExsyncError:
            build = None  # the mailbox is refused, not the log-on: what is tried of mailboxes says so
        yield sound(plan.name, "log-on", f"{plan.auth.type}, as {plan.auth.username or 'the ticket says'}")
        if build is not None:
            online = exchange.is_online(endpoint, build)
            yield from exchange.version(plan, endpoint, build, examined.clock.now().date())
        tried = list(_mailboxes(examined, plan, inspection, links))
    yield from exchange.linked(plan, tried, len(users))
    yield exchange.outside(plan, _outside(examined, plan, inspection))
    yield exchange.throttling(plan, links, tried, online=online)
    yield from _push(examined, plan)


def _connection(examined: Examined, plan: ExchangePlan, inspection: Inspection, endpoint: str) -> Iterator[Diagnosis]:
    url, now = urlsplit(endpoint), examined.clock.now
    if url.scheme == "https":
        shown = presented(url.hostname or "", url.port or 443, ca_file=plan.ca_file)
        verdict = certificate(plan.name, shown, now())
        yield verdict
        if verdict.level is Level.FAILURE:
            return
    else:
        yield sound(plan.name, "certificate", f"{endpoint} is plain HTTP, within this machine")
    tokens = urlsplit(plan.auth.token_url)
    if tokens.scheme == "https":
        shown = presented(tokens.hostname or "", tokens.port or 443, ca_file=plan.ca_file)
        verdict = certificate(plan.name, shown, now(), check="token_url")
        yield verdict
        if verdict.level is Level.FAILURE:
            return
    try:
        reading = inspection.clock(endpoint)
    except ExsyncError as error:
        yield refused(plan.name, "connection", error)
        return
    if reading is not None:
        yield clock(plan.name, reading)


def _mailboxes(
    examined: Examined, plan: ExchangePlan, inspection: Inspection, links: Sequence[LinkPlan]
) -> Iterator[MailboxSeen]:
    folders: dict[str, list[Folder]] = {}
    for link in links:
        folders.setdefault(link.user, []).append(link.folder)
    users = sorted(folders) if examined.asked.every else sorted(folders)[:SAMPLE]
    for number, user in enumerate(users, start=1):
        yield inspection.mailbox(user, folders[user])
        if examined.bar is not None:
            examined.bar(plan.name, number, len(users))


def _outside(examined: Examined, plan: ExchangePlan, inspection: Inspection) -> MailboxSeen | None:
    named = examined.asked.outside
    address = named.get(plan.name) or named.get("")
    return inspection.mailbox(address, [Folder.CALENDAR]) if address else None


def _push(examined: Examined, plan: ExchangePlan) -> Iterator[Diagnosis]:
    if plan.notifications.mode != "push":
        return
    url = urlsplit(plan.notifications.url)
    if url.scheme == "https":
        shown = presented(url.hostname or "", url.port or 443, ca_file=plan.ca_file)
        if shown.until is not None:
            yield certificate(f"{plan.name} push", shown, examined.clock.now())
    try:
        answer: str | ExsyncError = answer_at(plan.notifications.url, plan.ca_file)
    except ExsyncError as error:
        answer = error
    yield push.reachable(plan, answer, serving=examined.serving)
