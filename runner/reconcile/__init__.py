"""Floor 1: the rules, as pure functions over values. (bases, both sides' records, rules) in, decisions out.

What it is: three-way merge, presence matrix, conflict policies, first-sync matching, guards, ordering of a change set.
What it is not: it never reads a clock, a row or a file, and knows neither protocol.
Invariant: same input, same output; applying a decision and deciding again decides nothing.
"""
