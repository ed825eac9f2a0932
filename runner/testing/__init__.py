"""Fakes and contract suites that ship with the product: a seeded world without I/O for tests of the engine."""
