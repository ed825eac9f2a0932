from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.sandbox.exchange import Sandbox
from tests.e2e.operator import ANN, BOB, Operator


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    with Sandbox(password="right") as sandbox:
        for address in (ANN, BOB):
            sandbox.add_mailbox(address)
        made = Operator(tmp_path, sandbox)
        yield made
        made.check_mail()
