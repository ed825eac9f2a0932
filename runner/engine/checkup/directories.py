"""Whether a directory server is spoken to in TLS and gives whole lists."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from runner.config.plan import LdapPlan
from runner.config.serving import is_loopback
from runner.model.checkup import Diagnosis, doubtful, failed, sound

PAGED_RESULTS = "1.2.840.113556.1.4.319"
"""The control by which a list is read in pages (RFC 2696)."""


def encryption(plan: LdapPlan) -> Diagnosis:
    """Whether the log-on and what is read travel encrypted."""
    url = urlsplit(plan.url)
    if url.scheme == "ldaps" or plan.start_tls:
        return sound(plan.name, "TLS", "ldaps" if url.scheme == "ldaps" else "StartTLS, before the log-on")
    told = "everything travels in clear"
    remedy = f"{plan.rule}: write ldaps:// in url, or add start_tls: true"
    if is_loopback(url.hostname or ""):
        return doubtful(plan.name, "TLS", f"{told}, though only within this machine", remedy)
    return failed(plan.name, "TLS", told, remedy)


def paging(plan: LdapPlan, controls: Collection[str]) -> Diagnosis:
    """Whether the server says that it reads lists in pages; ``controls`` are the OIDs that it names."""
    if PAGED_RESULTS in controls:
        return sound(plan.name, "paging", f"the server reads lists in pages, {plan.page} entries each")
    return failed(
        plan.name,
        "paging",
        "the server does not name the paging control: nobody could tell a short list from people who left",
        "let the server, or the proxy before it, offer paged results (RFC 2696)",
        exit_code=70,
    )
