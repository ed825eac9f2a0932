"""Peak memory of an initial sync of a folder of ``COUNT`` items, in a process of its own. Prints JSON."""

from __future__ import annotations

import json
import resource
import sys
import tempfile
from pathlib import Path

from tests.bench.server import served
from tests.bench.world import one_pass, opened


def main(count: int) -> None:
    """Sync everything, then say what it took at the most."""
    with served(count) as url, tempfile.TemporaryDirectory() as home, opened(Path(home), url) as session:
        report = one_pass(session)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"items": report.counts["crm.create"], "peak_mb": round(peak, 1)}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
