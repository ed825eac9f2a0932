"""A look at the certificate that a server presents: one TLS handshake, verified as a connection of ours would verify it;
and at one that lies in a file.

Nothing is sent over the connection. What went wrong is told in OpenSSL's own words.
"""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from runner.model.checkup import Presented, Stored

PATIENCE = 10.0
"""Seconds for the connection and the handshake."""


def presented(
    host: str, port: int, *, ca_file: str | None = None, bundle: bool = True, pinned: bool = False
) -> Presented:
    """The certificate of whoever listens at ``host:port``. Raises nothing: silence and distrust are parts of the answer.

    ``ca_file`` names the authorities in PEM; without it ``bundle`` decides between those that HTTP requests use here and the
    system's. ``pinned``: the file holds the server's own certificate, and by which name it is asked does not matter.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file or (DEFAULT_CA_BUNDLE_PATH if bundle else None))
    except OSError as error:
        return Presented(host, port, trouble=f"ca_file {ca_file} cannot be used: {error}")
    if pinned:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        with (
            socket.create_connection((host, port), PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname=_name_in(ca_file) or host if pinned else host) as secured,
        ):
            return described(host, port, secured.getpeercert() or {})
    except ssl.SSLCertVerificationError as error:
        return Presented(host, port, trouble=error.verify_message)
    except ssl.SSLError as error:
        return Presented(host, port, silence=f"no TLS is spoken there ({error.reason or type(error).__name__})")
    except OSError as error:
        return Presented(host, port, silence=error.strerror or str(error) or type(error).__name__)


def stored(path: str, key: str | None) -> Stored:
    """The certificate in a PEM file, with its key there or in a file of its own. Raises nothing."""
    try:
        content = Path(path).read_bytes()
        # A key that only a password opens could not be used at a service's start: nobody is asked for one.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path, key, password=lambda: "")
        certificate = x509.load_pem_x509_certificate(content)
    except ssl.SSLError as error:
        return Stored(path, trouble=f"certificate and key cannot be used: {error.reason or error}")
    except OSError as error:
        return Stored(
            path, trouble=f"it cannot be read: {error.strerror or type(error).__name__} ({error.filename or path})"
        )
    except ValueError as error:
        return Stored(path, trouble=f"it holds no certificate: {error}")
    names = certificate.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    return Stored(path, certificate.not_valid_after_utc, str(names[0].value) if names else "")


def _name_in(file: str | None) -> str | None:
    """A name that a certificate in a PEM file is made out to; None when there is none."""
    try:
        certificate = x509.load_pem_x509_certificate(Path(file or "").read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return None
    made_out_to = (*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress)))
    return next((name for name in made_out_to if "*" not in name), None)


def described(host: str, port: int, certificate: Any) -> Presented:
    """A verified certificate, as ``ssl.SSLSocket.getpeercert`` gives it."""
    ends = certificate.get("notAfter")
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC) if ends else None
    names = {key: value for part in certificate.get("issuer", ()) for key, value in part}
    issuer = names.get("commonName") or names.get("organizationName") or ""
    return Presented(host, port, until, str(issuer))
