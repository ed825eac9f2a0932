"""Floor 0: values every other floor speaks in.

What it is: enums, the neutral record, items, writes, pairings, commits, diagnostics, the error tree and the ports.
What it is not: rules (``reconcile``), configuration (``config``) or anything that does I/O, reads a clock or rolls dice.
Invariant: everything here is immutable once made and means the same on every floor.
"""
