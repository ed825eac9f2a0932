"""A directory server: TLS, log-on, paging, its clock, bases and groups."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

from runner.cli.context import reveal
from runner.cli.examination.asked import Examined
from runner.cli.opening import open_target
from runner.config.plan import LdapPlan
from runner.connectors.certificates import presented
from runner.connectors.ldap.inspection import inspect
from runner.engine.checkup import directories
from runner.engine.checkup.certificates import certificate
from runner.engine.checkup.clocks import clock
from runner.engine.parts import ref_of
from runner.model.checkup import Diagnosis, Level, refused, sound
from runner.model.errors import ExsyncError


def examine_directory(examined: Examined, plan: LdapPlan) -> Iterator[Diagnosis]:
    """Raises what connecting and the log-on raise."""
    yield directories.encryption(plan)
    url, now = urlsplit(plan.url), examined.clock.now
    if url.scheme == "ldaps":
        shown = presented(url.hostname or "", url.port or 636, ca_file=plan.ca_file, bundle=False)
        verdict = certificate(plan.name, shown, now())
        yield verdict
        if verdict.level is Level.FAILURE:
            return
    password = reveal(plan.auth.password) if plan.auth.password else None
    try:
        server = inspect(plan, password, now)
    except ExsyncError as error:
        yield refused(plan.name, "log-on", error)
        return
    if plan.start_tls and server.certificate is not None:
        yield certificate(plan.name, server.certificate, now())
    yield sound(plan.name, "log-on", f"as {plan.auth.username or 'the Kerberos ticket says'}")
    yield directories.paging(plan, server.controls)
    if server.clock is not None:
        yield clock(plan.name, server.clock)
    with closing(open_target(plan, reveal, examined.clock)) as connector:
        for link in examined.links(plan.name):
            try:
                connector.check(ref_of(link, None))
            except ExsyncError as error:
                yield refused(plan.name, str(link.folder), error)
            else:
                yield sound(plan.name, str(link.folder), "bases and ticked groups are there")
