"""Samba's domain controller, as a script for Debian's own Python, which has Samba's modules: ``provision`` or ``serve``.

It is run by ``active_directory.py``, in a network of its own where that can be had. Samba insists on its ports,
so ``serve`` passes on what comes in at two sockets that it inherits, and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

REALM, DOMAIN, HOST = "AD.TEST.INTERNAL", "ADTEST", "dc1"
_UP, _GET_FLAGS, _SET_FLAGS = 0x1, 0x8913, 0x8914  # IFF_UP, SIOCGIFFLAGS, SIOCSIFFLAGS
_CHUNK = 65_536
_CONFIGURATION = """\
[global]
netbios name = {host}
realm = {realm}
workgroup = {domain}
server role = active directory domain controller
server services = ldap
interfaces = {address}/8
bind interfaces only = yes
private dir = {base}/private
state directory = {base}/state
cache directory = {base}/cache
lock directory = {base}
pid directory = {base}/run
ncalrpc dir = {base}/ncalrpc
winbindd socket directory = {base}/winbindd
ntp signd socket directory = {base}/ntp
log file = {base}/log
tls keyfile = {base}/server.key
tls certfile = {base}/server.pem
tls cafile = {base}/ca.pem
ldb:nosync = true
"""


def provision(base: Path, password: str) -> None:
    """Found a domain below a directory; nothing is told to the kernel to write through, since nobody needs it tomorrow."""
    from samba.auth import system_session
    from samba.dsdb import DS_DOMAIN_FUNCTION_2008_R2
    from samba.param import LoadParm
    from samba.provision import provision as found

    settings = LoadParm()
    settings.set("ldb:nosync", "true")
    found(
        logging.getLogger("provision"),
        system_session(),
        smbconf=None,
        lp=settings,
        targetdir=str(base),
        realm=REALM,
        domain=DOMAIN,
        hostname=HOST,
        hostip="127.0.0.1",
        adminpass=password,
        serverrole="active directory domain controller",
        dns_backend="NONE",
        dom_for_fun_level=DS_DOMAIN_FUNCTION_2008_R2,
        skip_sysvolacl=True,
        batch_mode=True,
    )


def raise_loopback() -> None:
    """In a new network the loopback interface is down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(control, _GET_FLAGS, request))[1]
        if not flags & _UP:
            fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sh14x", b"lo", flags | _UP))


async def serve(base: Path, address: str, sockets: dict[int, int]) -> None:
    """Run the server; connections to the inherited sockets go to its ports. Says ``ready`` when the last port answers."""
    for name in ("run", "cache"):
        (base / name).mkdir(exist_ok=True)
    told = {"host": HOST, "realm": REALM, "domain": DOMAIN, "address": address, "base": base}
    (base / "smb.conf").write_text(_CONFIGURATION.format(**told))
    command = ["samba", "--foreground", "--model=single", f"--configfile={base}/smb.conf", "--debug-stdout"]
    with (base / "out").open("wb") as out:
        path = os.environ | {"PATH": "/usr/sbin:/usr/bin:/bin"}
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=path)
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    try:
        while process.poll() is None and not ended.done():
            with socket.socket() as probe:
                if probe.connect_ex((address, max(sockets))) == 0:
                    break
            await asyncio.sleep(0.05)
        if process.poll() is not None:
            raise SystemExit(f"samba ended with {process.returncode}")
        for port, descriptor in sockets.items():
            await asyncio.start_server(_relay(address, port), sock=socket.socket(fileno=descriptor))
        print("ready", flush=True)
        await ended
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait()


def _relay(address: str, port: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection(address, port)
            await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))

    return passed_on


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()


if __name__ == "__main__":
    verb, told = sys.argv[1], json.loads(sys.argv[2])
    raise_loopback()
    if verb == "provision":
        provision(Path(told["base"]), told["password"])
    else:
        asyncio.run(serve(Path(told["base"]), told["address"], {int(k): v for k, v in told["sockets"].items()}))
