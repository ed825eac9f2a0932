"""Floor 3: the world. Each connector translates its protocol to items and classes its faults once, at its edge.

What it is not: it never decides; neither connector knows the other or the mapping.
Invariant: a write is sent at most once, conditionally, and its result is done, a classed error or unknown.
"""
