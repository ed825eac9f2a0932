"""A process that commits until it is killed: ``python -m tests.store.committing STATE`` (or with ``hold``: only opens).

Each commit carries one mark, one pairing, one ledger entry and the CRM watermark, all with the commit's number, so that a
part of one would show. A number is printed when its commit was acknowledged.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from runner.model.state import Commit, Mark
from runner.model.terms import Side
from runner.store import open_store
from tests.store.samples import ANN, StillClock, entry, pairing


def numbered(number: int) -> Commit:
    """The commit of this number."""
    return Commit(
        crm_watermarks={"crm": str(number)},
        marks=(Mark(ANN, Side.CRM, f"c{number}"),),
        pairings=(pairing(number),),
        ledger=(entry(),),
    )


def main() -> None:
    """Open, say so, and commit for ever."""
    path, hold = Path(sys.argv[1]), sys.argv[2:] == ["hold"]
    if hold:
        with open_store(path, clock=StillClock()):
            print("open", flush=True)
            sys.stdin.read()
        return
    commit_for_ever(path, lambda number: print(number, flush=True))


def commit_for_ever(path: Path, told: Callable[[int], object]) -> None:
    """Commit one number after the other and tell each that was acknowledged, the last one of before first."""
    with open_store(path, clock=StillClock()) as store:
        number = int(store.crm_watermark("crm") or 0)
        told(number)
        while True:
            number += 1
            store.commit(numbered(number))
            if number % 20 == 0:
                store.checkpoint()
            told(number)


def commit_into(path: Path, pipe: Connection) -> None:
    """The same for a process that was forked: numbers go into a pipe."""
    commit_for_ever(path, pipe.send)


if __name__ == "__main__":
    main()
