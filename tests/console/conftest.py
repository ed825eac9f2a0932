from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.sandbox.exchange import Sandbox
from tests.console.browser import Browser, browser
from tests.console.stage import ANN, BOB, Stage

CUBE = (
    "olap:\n  cubes:\n  - {name: by_user, title: By user, of: changes, dimensions: [user, direction], grain: month}\n"
)


@pytest.fixture
def chromium() -> Iterator[Browser]:
    """A browser that has nothing to complain of."""
    with browser() as found:
        yield found
        assert found.complaints == []


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A console over two mailboxes, not yet started."""
    with Sandbox(password="right") as sandbox:
        for address in (ANN, BOB):
            sandbox.add_mailbox(address)
        yield Stage(tmp_path, sandbox, service=CUBE)
