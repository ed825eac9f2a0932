"""CPU seconds for a root of ten thousand links: ``python -m tests.config.measure_links``. A figure, not a test."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from runner.config import load
from tests.config.conftest import HQ, VALID

LINKS = 10_000
FORMS = {
    "bare": "- user: user{n}@example.com\n",
    "with one override": "- {{user: user{n}@example.com, folders: {{calendar: {{direction: inbound}}}}}}\n",
    "with five overrides": (
        "- user: user{n}@example.com\n  conflict: manual\n  window: {{past: 9d}}\n  deny: [inbound-delete]\n"
        "  guards: {{max_deletes: {{count: 5}}}}\n  folders: {{calendar: {{direction: inbound}}}}\n"
    ),
}


def main() -> None:
    """Print one line per form of link."""
    for name, form in FORMS.items():
        with tempfile.TemporaryDirectory() as directory:
            root = Path(directory)
            texts = {**VALID, "targets.d/hq.yaml": HQ + "".join(form.format(n=n) for n in range(LINKS))}
            for path, text in texts.items():
                (root / path).parent.mkdir(exist_ok=True)
                (root / path).write_text(text)
            started = time.process_time()
            loaded = load(root)
            took = time.process_time() - started
        links = len(loaded.plan.links) if loaded.plan else 0
        print(f"{links} links {name}: {took:.2f} s CPU, {len(loaded.diagnostics)} findings")


if __name__ == "__main__":
    main()
