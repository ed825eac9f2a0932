"""Floor 5: the long-running process: leases from the queue, runs passes of the engine, follows the CRM and the files.

What it is: threads around the engine's passes, each with one task; the state, the queue and the connectors are shared.

What it is not: it decides nothing about items, and it is no way in: the control API and the console stand above it.

Invariant: a pass runs on the plan with which it began; of one link there is one at a time; whatever wakes it is a hint, and
a hint that is lost costs time, never an edit.
"""
