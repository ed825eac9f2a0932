"""``exsync sandbox`` as an operator runs it."""

from __future__ import annotations

import base64
import http.client
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from runner.cli.sandbox import sandbox
from tests.sandbox.raw import create, envelope, sync
from tests.sandbox.stock import ANN, BOB

EVENT = (
    "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:u1\r\nSUMMARY:x\r\nDTSTART:20260701T100000Z\r\nEND:VEVENT\r\n"
    "BEGIN:VEVENT\r\nUID:u2\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)
MEETING = (
    "<t:Subject>Plan</t:Subject><t:Start>2026-12-01T09:00:00Z</t:Start><t:End>2026-12-01T10:00:00Z</t:End>"
    "<t:RequiredAttendees>"
    "<t:Attendee><t:Mailbox><t:EmailAddress>zoe@customer.example</t:EmailAddress></t:Mailbox></t:Attendee>"
    f"<t:Attendee><t:Mailbox><t:EmailAddress>{BOB}</t:EmailAddress></t:Mailbox></t:Attendee>"
    "</t:RequiredAttendees>"
)


def test_it_loads_serves_and_ends_by_itself(tmp_path: Path) -> None:
    (tmp_path / "a.ics").write_text(EVENT, encoding="utf-8")
    arguments = [
        "--listen=127.0.0.1:0",
        f"--mailbox={ANN}",
        f"--load={tmp_path / 'a.ics'}={BOB}",
        "--fill=2",
        "--for=0s",
    ]
    done = CliRunner().invoke(sandbox, arguments)
    assert done.exit_code == 0, done.output
    assert f"1 events for {BOB}, 1 refused" in done.output
    assert "u2: has no DTSTART" in done.output
    assert f"{ANN}: 2 calendar items" in done.output
    assert f"{BOB}: 3 calendar items" in done.output


def test_it_answers_until_it_is_told_to_end() -> None:
    environment = os.environ | {"PASS": "from the environment"}
    command = [
        sys.executable,
        "-m",
        "runner",
        "sandbox",
        "--listen=127.0.0.1:0",
        f"--mailbox={ANN}",
        "--password-env=PASS",
    ]
    with subprocess.Popen(
        command,
        env=environment | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            url = re.search(r"http://(?P<address>[^/]+)/", process.stdout.readline())
            assert url is not None
            token = base64.b64encode(b"svc-exsync:from the environment").decode()
            connection = http.client.HTTPConnection(url["address"], timeout=10)
            connection.request("POST", "/EWS/Exchange.asmx", envelope(sync()), {"Authorization": f"Basic {token}"})
            assert b"NoError" in connection.getresponse().read()
            meeting = create(MEETING, "SendToAllAndSaveCopy")
            connection.request("POST", "/EWS/Exchange.asmx", envelope(meeting), {"Authorization": f"Basic {token}"})
            assert b"NoError" in connection.getresponse().read()
            connection.close()
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert f"mail: request from {ANN} to zoe@customer.example, {BOB}: Plan" in process.stdout.read()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--listen=0.0.0.0:8025"], "loopback only"),
        (["--listen=nonsense"], "ADDRESS:PORT"),
        (["--for=soon"], "a number and a unit"),
        (["--load=/nowhere.ics"], "cannot read /nowhere.ics"),
        (["--password-env=EXSYNC_NOT_SET"], "EXSYNC_NOT_SET is not set"),
        (["--page=513"], "--page"),
        (["--tls-cert=" + __file__], "belong together"),
    ],
)
def test_what_makes_no_sense_is_said_in_one_line(arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(sandbox, [*arguments, *(["--for=0s"] if "--for" not in arguments[0] else [])])
    assert done.exit_code == 2
    assert message in done.output


def test_a_port_that_is_taken_is_named() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = CliRunner().invoke(sandbox, [f"--listen=127.0.0.1:{port}", "--for=0s"])
    assert done.exit_code == 1
    assert f"cannot listen on 127.0.0.1:{port}" in done.output


def test_a_file_that_is_no_calendar_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.ics").write_bytes(b"\x00\x01")
    done = CliRunner().invoke(sandbox, ["--listen=127.0.0.1:0", f"--load={tmp_path / 'a.ics'}", "--for=0s"])
    assert done.exit_code == 2
    assert "not iCalendar" in done.output
