"""Floor 4: one pass of one link: observe → gather → decide → guard → intend → write → read back → commit.

What it is not: it knows neither EWS nor SQL nor DuckDB, only the ports of ``model.ports``.
Invariant: nothing is written without its precondition and a durable intent; state commits after the writes.
"""
