"""Whether a server's certificate is trusted, bears the right name and lasts."""

from __future__ import annotations

from datetime import datetime, timedelta

from runner.model.checkup import Diagnosis, Presented, Stored, doubtful, failed, sound

SOON = timedelta(days=21)
"""Automatic renewal takes place thirty days before the end at the latest: three weeks before it, something is wrong."""
CHECK = "certificate"


def certificate(
    subject: str, seen: Presented, now: datetime, *, authority: str = "ca_file", check: str = CHECK
) -> Diagnosis:
    """``authority`` is the YAML key that names the authority; ``check`` what the server is to the subject."""
    where = f"{seen.host}:{seen.port}"
    if seen.silence is not None:
        return failed(
            subject,
            check,
            f"no certificate seen: {where}: {seen.silence}",
            "check the address, name resolution and the firewall between, and that TLS is spoken there",
            exit_code=69,
        )
    if seen.trouble is not None or seen.until is None:
        trouble = seen.trouble or "it cannot be verified"
        return failed(subject, check, f"{where}: {trouble}", _remedy(trouble, authority), exit_code=69)
    left = seen.until - now
    told = f"{where}: trusted, issued by {seen.issuer or 'an unnamed authority'}, until {seen.until:%Y-%m-%d}"
    if left < SOON:
        return doubtful(
            subject,
            check,
            f"{told}: {max(left.days, 0)} days are left",
            "renew it; on the day after, every connection is refused",
        )
    return sound(subject, check, told)


def certificate_in_file(subject: str, seen: Stored, now: datetime) -> Diagnosis:
    """Whether the certificate that a listener of ours is given serves it, and lasts."""
    if seen.trouble is not None or seen.until is None:
        trouble = seen.trouble or "it holds no certificate"
        remedy = "name a PEM file with the certificate, those between it and the authority, and its key"
        return failed(subject, CHECK, f"{seen.path}: {trouble}", remedy)
    left, told = seen.until - now, f"{seen.path}: issued by {seen.issuer or 'an unnamed authority'}"
    if left <= timedelta(0):
        return failed(
            subject, CHECK, f"{told}, ended on {seen.until:%Y-%m-%d}", "renew it, and start the service again"
        )
    if left < SOON:
        remedy = "renew it, and start the service again: it reads the file when it starts"
        return doubtful(subject, CHECK, f"{told}, until {seen.until:%Y-%m-%d}: {left.days} days are left", remedy)
    return sound(subject, CHECK, f"{told}, until {seen.until:%Y-%m-%d}, and the key fits")


def _remedy(trouble: str, authority: str) -> str:
    if "expired" in trouble:
        return "renew the server's certificate, or set this machine's clock"
    if "not yet valid" in trouble:
        return "set this machine's clock"
    if "mismatch" in trouble:
        return "write the name that stands in the certificate in YAML, or give the server a certificate for this one"
    return f"name the authority that signed it as {authority}, with the certificates between"
