"""Floor 3: the state in DuckDB (behind the ``Store`` port). One process owns the file; every step commits once."""
