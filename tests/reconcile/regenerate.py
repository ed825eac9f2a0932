"""Write the golden table anew from the specification: ``python tests/reconcile/regenerate.py`` (then read its diff)."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    here = Path(__file__).parent
    sys.path.insert(0, str(here.parents[1]))
    from tests.reconcile.specification import table

    (here / "golden.csv").write_text(table(), encoding="utf-8")
