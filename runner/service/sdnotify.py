"""What systemd is told (sd_notify(3)): one datagram to the socket that it names, nothing where it names none."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


def sd_notify(message: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Send for example ``READY=1``, ``STOPPING=1``, ``RELOADING=1`` or ``STATUS=…``; returns whether anybody was told."""
    address = environ.get("NOTIFY_SOCKET", "")
    if address[:1] not in ("/", "@"):
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as told:
            told.sendto(message.encode(), address)
    except OSError:
        return False  # a supervisor that has gone away must not take the service with it
    return True
