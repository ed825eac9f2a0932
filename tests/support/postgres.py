"""A real PostgreSQL on a free loopback port, in a private directory, for as long as somebody needs it."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

OLDEST = 15
PACKAGE = "postgresql"
START_SECONDS = 60
_TRIES = 5

_INITDB = ("-U", "test", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "deadlock_timeout": "100ms",
    "max_connections": "50",
    "shared_buffers": "32MB",
    "autovacuum": "off",
}


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server; its superuser ``test`` needs no password, any other role does."""

    port: int
    log: Path

    def url(self, database: str, user: str = "test", password: str | None = None) -> str:
        """The SQLAlchemy url of one of its databases."""
        secret = f":{password}" if password else ""
        return f"postgresql+psycopg://{user}{secret}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """A superuser's connection in autocommit mode."""
        return psycopg.connect(f"host=127.0.0.1 port={self.port} user=test dbname={database}", autocommit=True)

    def create(self, database: str) -> None:
        """A fresh, empty database."""
        with self.connect() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))

    def disconnect(self, database: str) -> None:
        """Close every connection that is still open to a database."""
        with self.connect() as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (database,))


def binaries() -> Path:
    """The newest installed server's programs. Fails with the name of the package when there is none."""
    found = {
        int(path.parent.parent.name): path.parent
        for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")
        if path.parent.parent.name.isdecimal()
    }
    fitting = [version for version in found if version >= OLDEST]
    if not fitting:
        raise RuntimeError(
            f"these tests need PostgreSQL {OLDEST} or newer under /usr/lib/postgresql and found "
            f"{sorted(found) or 'none'}: apt-get install {PACKAGE}"
        )
    return found[max(fitting)]


@contextmanager
def running() -> Iterator[Postgres]:
    """Start a server, yield it, stop it and remove its files."""
    programs = binaries()
    account = pwd.getpwnam("postgres") if os.getuid() == 0 else None
    who: dict[str, Any] = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
    base = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        if account:
            os.chown(base, account.pw_uid, account.pw_gid)
        made = subprocess.run(
            [
                programs / "initdb",
                "-D",
                base / "data",
                *["-U", "test", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
            ],
            cwd=base,
            capture_output=True,
            text=True,
            check=False,
            **who,
        )
        if made.returncode:
            raise RuntimeError(f"initdb failed: {made.stderr}")
        (base / "data" / "pg_hba.conf").write_text(
            "host all test 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        )
        with _started(programs, base, who) as server:
            yield server
    finally:
        shutil.rmtree(base, ignore_errors=True)


@contextmanager
def _started(programs: Path, base: Path, who: dict[str, Any]) -> Iterator[Postgres]:
    """A free port is only free until somebody else takes it, so starting is tried again with another one."""
    for attempt in range(_TRIES):
        server = Postgres(_free_port(), base / f"log{attempt}")
        settings = _SETTINGS | {"unix_socket_directories": str(base)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with server.log.open("wb") as log:
            process = subprocess.Popen(
                [programs / "postgres", "-D", base / "data", "-p", str(server.port), *options],
                cwd=base,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **who,
            )
        try:
            if _ready(server, process):
                yield server
                return
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGQUIT)  # at once: the data is thrown away
            process.wait(30)
        text = server.log.read_text(errors="replace")
        if not re.search("could not bind|address already in use", text, re.IGNORECASE):
            raise RuntimeError(f"PostgreSQL did not start:\n{text}")
    raise RuntimeError(f"no free port for PostgreSQL in {_TRIES} tries")


def _ready(server: Postgres, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            server.connect().close()
        except psycopg.OperationalError:
            time.sleep(0.02)
        else:
            return True
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
