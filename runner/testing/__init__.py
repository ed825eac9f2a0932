"""Fakes and contract suites that ship with the product: a seeded world without I/O, and what every connector must do.

What it is: a clock and a source of tokens that a test owns, an in-memory Exchange and CRM that behave as the real ones do
where it matters (ids that change on a move, versions, cursors, tombstones), one boundary where faults, user events and
process deaths strike, and contract checks that run alike against the fakes and the real connectors.
What it is not: mocks. Nothing here knows what the engine will ask; it only answers as the real systems answer.
Invariant: same seed and same script, same world, same trace.
"""
