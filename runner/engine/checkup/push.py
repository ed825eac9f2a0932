"""Whether our listener answers at the address that push servers are given (B-11)."""

from __future__ import annotations

from runner.config.plan import ExchangePlan
from runner.model.checkup import Diagnosis, doubtful, failed, sound
from runner.model.errors import ExsyncError

CHECK = "push"


def reachable(plan: ExchangePlan, answer: str | ExsyncError, *, serving: bool) -> Diagnosis:
    """``answer`` is what a post to an address that nobody has was answered with; ``serving``: a service runs here."""
    url = plan.notifications.url
    if isinstance(answer, ExsyncError):
        told = f"nobody of ours answers at {url}: {answer}"
        remedy = (
            "start the service with --push-listen, let url: lead to it, and let the servers through the firewall"
            if serving
            else "start the service (`exsync serve --push-listen ADDRESS:PORT`), then run this again"
        )
        if answer.code == "tls-not-trusted":
            remedy = "this machine does not trust the certificate; make sure that the Exchange servers do"
        level = doubtful if not serving or answer.code == "tls-not-trusted" else failed
        return level(plan.name, CHECK, told, remedy)
    if "Unsubscribe" not in answer:
        return failed(
            plan.name,
            CHECK,
            f"something else than exsync answers at {url}",
            "let the proxy pass every path below url: to the service's --push-listen",
        )
    return sound(plan.name, CHECK, f"our listener answers at {url} from here; the Exchange servers must reach it too")
