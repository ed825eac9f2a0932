"""Floor 3: the state in DuckDB, behind the ``Store`` port.

What it is: watermarks, dirty marks, pairings with a base per side, intents, the ledgers, all in one file that one process
owns, and the reading helpers that the command line shows.

What it is not: it decides nothing about items, knows neither protocol, and offers no SQL to others.

Invariant: a commit is all there or not there at all, it is durable when ``commit`` returns, and a file that lost or
changed anything is refused with its name, never replaced by an empty state.
"""

from runner.store.duck import DuckStore, open_store
from runner.store.journal import Journal
from runner.store.ledger import LedgerProof
from runner.store.overview import LinkOverview
from runner.store.places import StoredPlaces

__all__ = ["DuckStore", "Journal", "LedgerProof", "LinkOverview", "StoredPlaces", "open_store"]
