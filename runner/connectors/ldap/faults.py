"""ldap3's exceptions and the server's result codes → the product's errors, classed once, in an operator's words.

Result codes: RFC 4511, appendix A. Active Directory says in the diagnostic text of a refused bind why (``data 532``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ldap3.core.exceptions import (
    LDAPCertificateError,
    LDAPExceptionError,
    LDAPInvalidDnError,
    LDAPInvalidFilterError,
    LDAPSocketOpenError,
    LDAPStartTLSError,
)

from runner.config.plan import LdapPlan
from runner.model.errors import (
    AccessDenied,
    AuthRefused,
    ConnectorError,
    ContainerGone,
    ProtocolFault,
    Transient,
    Unreachable,
)

SUCCESS, SUCCEEDED = 0, "success"
"""The result code, and its name."""
NO_SUCH_OBJECT = 32
_LIMITS = {3: "time limit", 4: "size limit", 11: "administrative limit"}
_BUSY = {51, 52}
_REFUSED_BIND = {7, 34, 48, 49, 53, 14}
_NEEDS_TLS = {8, 13}
_AD_DATA = re.compile(r"\bdata ([0-9a-f]{3,4})\b")
_AD_REASONS = {
    "525": "there is no such account",
    "52e": "the password is wrong",
    "530": "the account may not log on at this time",
    "531": "the account may not log on from this machine",
    "532": "its password has expired",
    "533": "the account is disabled",
    "701": "the account has expired",
    "773": "its password must be changed before it can be used",
    "775": "the account is locked",
}
_STRONGER = {
    "simple": "TLS is on already, so name and password are not enough for this server, or a proxy before it takes the TLS "
    "off: name the server itself in url, or use type: kerberos",
    "kerberos": "the server wants log-ons by Kerberos signed or sealed although TLS protects them (sign or seal): let it "
    "take them over TLS (Samba: ldap server require strong auth = allow_sasl_over_tls), or use type: simple",
}
"""RFC 4513, 5.1.2 and 6.3: what a server may still want when the connection is encrypted."""


def of_bind(result: Mapping[str, Any], plan: LdapPlan, *, expired: bool = False) -> ConnectorError:
    """The error of a bind that did not succeed. ``expired``: the server's password policy says so in a control."""
    url, account = plan.url, plan.auth.username or "the Kerberos account"
    code, text = int(result["result"]), str(result.get("message") or "").strip("\0 \n")
    if code in _BUSY:
        return Transient(f"{url} is busy: {_said(result)}", code="busy")
    if code in _NEEDS_TLS and plan.encrypted:
        return AuthRefused(
            f"{url} wants a stronger log-on than {plan.auth.type} over TLS: {_said(result)}",
            code="stronger-auth-required",
            remedy=_STRONGER[plan.auth.type],
        )
    if code in _NEEDS_TLS:
        return AuthRefused(
            f"{url} takes no log-on without TLS: {_said(result)}",
            code="tls-required",
            remedy="write ldaps:// in url, or add start_tls: true",
        )
    if code not in _REFUSED_BIND:
        return ProtocolFault(f"{url} answered the log-on with {_said(result)}", code=str(result.get("description")))
    match = _AD_DATA.search(text)
    reason = _AD_REASONS.get(match[1]) if match else None
    expired = expired or (match is not None and match[1] in {"532", "773"})
    reason = reason or ("its password has expired" if expired else f"the server says {_said(result)}")
    return AuthRefused(
        f"{url} refuses the log-on of {account}: {reason}",
        code="password-expired" if expired else "auth-refused",
        remedy="give the account a new password in the directory and in the secret; no further log-on is tried meanwhile"
        if expired
        else "check auth.username and the secret; no further log-on is tried, so that the account is not locked",
    )


def of_result(result: Mapping[str, Any], url: str, what: str) -> ConnectorError:
    """The error of a search that did not succeed: nothing of what it gave counts."""
    code = int(result["result"])
    if code in _LIMITS:
        return AccessDenied(
            f"{url} stopped {what} at its {_LIMITS[code]}: what it had given by then is thrown away, since nobody can tell "
            "the rest from people who left",
            code=_LIMITS[code].replace(" ", "-"),
            remedy="give the account an unlimited total for paged searches (OpenLDAP: limits … size.prtotal=unlimited), "
            "or narrow base and filter",
        )
    if code in _BUSY:
        return Transient(f"{url} is busy with {what}: {_said(result)}", code="busy")
    if code == NO_SUCH_OBJECT:
        return ContainerGone(
            f"{url} has no entry for the base of {what}", code="base-missing", remedy="correct the base in YAML"
        )
    if code == 10:
        hosts = ", ".join(str(each) for each in result.get("referrals") or ()) or "another server"
        return ContainerGone(
            f"{url} refers {what} to {hosts}, which is not followed: the password would go there",
            code="referral",
            remedy="make a target of its own for that server, or name a base that this one holds (or the Global Catalog)",
        )
    if code == 50:
        return AccessDenied(
            f"{url} does not let the account read {what}",
            code="access-denied",
            remedy="give it the right to read there",
        )
    if code in {1, 2, 53}:  # what servers say to a paging cookie that they know no longer
        return Transient(
            f"{url} broke off {what}: {_said(result)}; what was read is thrown away, and the next pass begins anew",
            code=str(result.get("description") or "broken-off"),
        )
    if code in {18, 21, 34, 87}:
        return ContainerGone(
            f"{url} does not understand {what}: {_said(result)}",
            code=str(result.get("description") or "refused"),
            remedy="correct base and filter in YAML",
        )
    return ProtocolFault(f"{url} answered {what} with {_said(result)}", code=str(result.get("description")))


def of_exception(error: Exception, url: str, *, opening: bool) -> ConnectorError:
    """What ldap3 raised. ``opening``: while the connection was made."""
    text = str(error)
    if isinstance(error, LDAPInvalidFilterError):
        return ContainerGone(
            f"the filter is not one of RFC 4515: {text}", code="bad-filter", remedy="correct it in YAML"
        )
    if isinstance(error, LDAPInvalidDnError):
        return ContainerGone(f"not a DN: {text}", code="bad-dn", remedy="correct the base in YAML")
    if isinstance(error, LDAPCertificateError) or "mismatch" in text:
        return Unreachable(
            f"the certificate of {url} is for another name: what answers there is not proved to be this server",
            code="tls-name",
            remedy="write the name that stands in the certificate in url, or give the server a certificate for this one",
        )
    if "CERTIFICATE_VERIFY_FAILED" in text or "certificate verify failed" in text:
        why = text.partition("certificate verify failed:")[2].split("(")[0].strip() or "it cannot be verified"
        return Unreachable(
            f"the certificate of {url} is not trusted: {why}",
            code="tls-untrusted",
            remedy="name the authority that signed it as ca_file (a home-made authority needs the extension keyUsage)",
        )
    if isinstance(error, LDAPStartTLSError):
        return Unreachable(
            f"{url} does not begin TLS: {text}", code="start-tls", remedy="use ldaps://, or set TLS up there"
        )
    if "timed out" in text or isinstance(error, TimeoutError):
        return (Unreachable if opening else Transient)(f"{url} is silent: {text}", code="timeout")
    if opening or isinstance(error, LDAPSocketOpenError):
        return Unreachable(f"{url} cannot be reached: {text}", code="unreachable", remedy="check url and network")
    if isinstance(error, LDAPExceptionError | OSError):
        return Transient(f"the connection to {url} ended: {text}", code="connection-lost")
    return ProtocolFault(f"{url}: {text}")


def unpaged(url: str, what: str) -> ConnectorError:
    """A server that took the paging control and answered without it."""
    return ProtocolFault(
        f"{url} answered {what} without saying whether there is more: whether this is all of it, nobody can tell",
        code="paging-ignored",
    )


def _said(result: Mapping[str, Any]) -> str:
    text = str(result.get("message") or "").strip("\0 \n")
    name = str(result.get("description") or result["result"])
    return f"{name} ({text})" if text else name
