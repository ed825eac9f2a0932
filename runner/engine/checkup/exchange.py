"""What an Exchange server must be and allow: version, end of life, scope of impersonation, throttling."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from urllib.parse import urlsplit

from runner.config.online import END_OF_EWS
from runner.config.online import is_online as is_online_host
from runner.config.plan import ExchangePlan, LinkPlan
from runner.model.checkup import Diagnosis, MailboxSeen, doubtful, failed, refused, sound
from runner.model.errors import AccessDenied, ContainerGone, Throttled

END_OF_2019 = date(2025, 10, 14)
"""Of the support for Exchange 2016 and 2019 (Microsoft product lifecycle)."""
FIRST_SE = 2562
"""Build of Exchange Server Subscription Edition, which calls itself 15.2 as 2019 does."""
STREAMS, SUBSCRIPTIONS, SUBSCRIPTIONS_ONLINE, CONCURRENCY = 10, 5000, 20, 27
"""HangingConnectionLimit, EWSMaxSubscriptions and EWSMaxConcurrency by default (page EWS throttling in Exchange)."""
PER_STREAM = 200
"""Subscriptions that one connection serves (page Maintain affinity between a group of subscriptions)."""
SHOWN = 3

_PRODUCTS = {(8, 0): "2007", (8, 1): "2007 SP1", (8, 2): "2007 SP2", (8, 3): "2007 SP3", (14, 0): "2010"}
_PRODUCTS |= {(14, 1): "2010 SP1", (14, 2): "2010 SP2", (14, 3): "2010 SP3", (15, 0): "2013", (15, 1): "2016"}
_SPOKEN = {"Exchange2010": (14, 0), "Exchange2010_SP1": (14, 1), "Exchange2010_SP2": (14, 2), "Exchange2013": (15, 0)}
_SPOKEN |= {"Exchange2013_SP1": (15, 0), "Exchange2015": (15, 1), "Exchange2016": (15, 1), "Exchange2019": (15, 2)}
_NO_MAILBOX = frozenset({"ErrorNonExistentMailbox", "ErrorInvalidSmtpAddress", "ErrorNonPrimarySmtpAddress"})

Build = tuple[int, int, int]
"""Major and minor version and build, as in the SOAP header ServerVersionInfo."""


def product(build: Build) -> str:
    """What people call the version."""
    major, minor, number = build
    if major == 15 and minor >= 20:
        return "Exchange Online"
    if (major, minor) == (15, 2):
        return "Exchange Server SE" if number >= FIRST_SE else "Exchange 2019"
    return f"Exchange {_PRODUCTS.get((major, minor), f'{major}.{minor}')}"


def is_online(endpoint: str, build: Build | None) -> bool:
    """Whether a target is Exchange Online."""
    host = (urlsplit(endpoint).hostname or "").lower()
    return is_online_host(host) or (build is not None and build[0] == 15 and build[1] >= 20)


def version(plan: ExchangePlan, endpoint: str, build: Build, today: date) -> list[Diagnosis]:
    """Whether the server speaks what the target asks for, can tell of changes as it shall, and has a future."""
    told = f"{product(build)} ({'.'.join(map(str, build))})"
    found = []
    wanted = _SPOKEN.get(plan.version)
    if wanted is not None and build[:2] < wanted:
        found.append(
            failed(
                plan.name,
                "version",
                f"{told} does not speak {plan.version}",
                f"{plan.rule}: set server_version to what the server is",
                exit_code=70,
            )
        )
    if plan.notifications.mode == "streaming" and build[:2] < (14, 1):
        found.append(
            failed(
                plan.name,
                "capabilities",
                f"{told} has no streaming notifications, which came with Exchange 2010 SP1",
                f"{plan.rule}: write notifications: {{mode: poll}}",
            )
        )
    return [*found, _future(plan, endpoint, build, told, today)]


def _future(plan: ExchangePlan, endpoint: str, build: Build, told: str, today: date) -> Diagnosis:
    if is_online(endpoint, build):
        return end_of_online(plan.name, today)
    if product(build) not in ("Exchange Server SE",) and build[:2] <= (15, 2) and today > END_OF_2019:
        return doubtful(
            plan.name,
            "version",
            f"{told} gets no security updates any more (support ended {END_OF_2019} for 2016 and 2019, earlier before)",
            "move to Exchange Server SE; nothing changes for exsync",
        )
    return sound(plan.name, "version", told)


def end_of_online(subject: str, today: date) -> Diagnosis:
    """The end of EWS in Exchange Online."""
    if today >= END_OF_EWS:
        return failed(
            subject,
            "end of EWS",
            f"Exchange Online has no EWS since {END_OF_EWS}",
            "keep these mailboxes on an Exchange server of your own, or take the target out of the YAML",
            exit_code=69,
        )
    return doubtful(
        subject,
        "end of EWS",
        f"Exchange Online switches EWS off for good on {END_OF_EWS}, in {(END_OF_EWS - today).days} days",
        'until then the tenant must allow it: Set-OrganizationConfig -EwsEnabled $true -EwsAllowedAppIDs "APP"; '
        "plan where these mailboxes go",
    )


# -- whose mailboxes the account reaches ---------------------------------------------------------------------------------


def linked(plan: ExchangePlan, seen: Sequence[MailboxSeen], known: int) -> list[Diagnosis]:
    """Whether the account reaches mailboxes that have links; ``known`` is how many there are."""
    check = plan.access
    bad = [one for one in seen if one.error is not None and not isinstance(one.error, Throttled)]
    if not seen:
        told = "no enabled link names a mailbox: whether the account reaches one was not tried"
        return [doubtful(plan.name, check, told, "add links, then run this again")]
    found = [refused(plan.name, check, one.error) for one in bad[:SHOWN] if one.error is not None]
    if len(bad) > SHOWN:
        found.append(failed(plan.name, check, f"and {len(bad) - SHOWN} more mailboxes", "see above", exit_code=77))
    if not bad:
        found.append(sound(plan.name, check, f"reaches {len(seen)} of {known} linked mailboxes that were tried"))
    return found


def outside(plan: ExchangePlan, seen: MailboxSeen | None) -> Diagnosis:
    """Whether the account is refused a mailbox that it has no business with: without a scope it may open every one."""
    check, error = "scope", None if seen is None else seen.error
    if seen is None:
        return doubtful(
            plan.name,
            check,
            "not proven that the account is refused other mailboxes: none was named",
            f"name one that is not synchronised: exsync doctor --outside {plan.name}=ADDRESS",
        )
    if error is None:
        return failed(
            plan.name,
            check,
            f"the account opens {seen.address}, which is outside the scope: it may read and write everybody's mail",
            "limit it: New-ManagementScope -Name exsync -RecipientRestrictionFilter …; Set-ManagementRoleAssignment … "
            "-CustomRecipientWriteScope exsync"
            if plan.access == "impersonation"
            else "take away its access to mailboxes that are not synchronised",
            exit_code=77,
        )
    denied = isinstance(error, AccessDenied) or (plan.access == "delegate" and isinstance(error, ContainerGone))
    if denied and error.code not in _NO_MAILBOX:
        return sound(plan.name, check, f"the account is refused {seen.address} ({error.code})")
    why = f"there is no mailbox {seen.address}" if denied else f"{seen.address} could not be tried: {error}"
    return doubtful(plan.name, check, f"not proven that the account is refused other mailboxes: {why}", "name another")


# -- how much it may ask --------------------------------------------------------------------------------------------------


def throttling(
    plan: ExchangePlan, links: Iterable[LinkPlan], seen: Sequence[MailboxSeen], *, online: bool
) -> Diagnosis:
    """What the links want of the server's throttling policy, against the defaults of one."""
    per_mailbox = Counter(link.user for link in links)
    total = sum(per_mailbox.values())
    streams = -(-total // PER_STREAM) if plan.notifications.mode == "streaming" else 0
    most = max(per_mailbox.values(), default=0)
    subscriptions = SUBSCRIPTIONS_ONLINE if online else SUBSCRIPTIONS
    policy = "give the account a policy of its own: New-ThrottlingPolicy …; Set-ThrottlingPolicyAssociation …"
    if throttled := [one for one in seen if isinstance(one.error, Throttled)]:
        told = f"the server throttles the account now: {throttled[0].error}"
        return doubtful(plan.name, "throttling", told, f"lower connections, or {policy}")
    if plan.access == "impersonation":
        wanted = {"EWSMaxSubscriptions": (most, subscriptions)}  # each mailbox is charged on its own
    else:
        wanted = {"EWSMaxSubscriptions": (total, subscriptions), "HangingConnectionLimit": (streams, STREAMS)}
    wanted["EWSMaxConcurrency"] = (plan.connections, CONCURRENCY)
    over = [f"{name} {limit} by default, wanted {want}" for name, (want, limit) in wanted.items() if want > limit]
    if over:
        return doubtful(plan.name, "throttling", f"more than a default policy allows: {', '.join(over)}", policy)
    told = f"links {total}, streams {streams}, connections {plan.connections}: within a default policy"
    return sound(plan.name, "throttling", told)
