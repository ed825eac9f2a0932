"""A small valid configuration, to be spoilt in one place per test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

CRM = """\
version: 1
kind: crm
name: crm
url: {env: CRM_URL}
feed: outbox
users: {table: crm_user, key: id, email: email}
entities:
  schedule_item:
    table: appointment
    key: id
    version: row_version
    owner: owner_id
    fields:
      subject: {type: text, max_length: 255}
      notes: text
"""
HQ = """\
version: 1
kind: exchange
name: hq
endpoint: https://mail.example.com/EWS/Exchange.asmx
auth: {type: ntlm, username: 'EX\\svc', password: {env: HQ_PASSWORD}}
access: impersonation
defaults:
  folders:
    calendar: {mapping: appointments, direction: both}
links:
- user: ann@example.com
- user: bob@example.com
"""
APPOINTMENTS = """\
version: 1
kind: mapping
name: appointments
entity: schedule_item
fields:
- {crm: subject, record: title}
- {crm: notes, record: description}
"""
VALID = {"targets.d/crm.yaml": CRM, "targets.d/hq.yaml": HQ, "mappings/appointments.yaml": APPOINTMENTS}

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write the valid configuration with some files replaced (None: left out); answers its root."""

    def _write(**changes: str | bytes | None) -> Path:
        named = {
            "crm": "targets.d/crm.yaml",
            "hq": "targets.d/hq.yaml",
            "mapping": "mappings/appointments.yaml",
            "service": "service.yaml",
        }
        files: dict[str, str | bytes | None] = {
            **VALID,
            **{
                named.get(name, name if "/" in name else f"targets.d/{name}.yaml"): text
                for name, text in changes.items()
            },
        }
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            if text is not None:
                path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path

    return _write
