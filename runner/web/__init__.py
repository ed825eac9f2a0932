"""Floor 6: HTTP. The control API, over a Unix socket and optionally TCP.

What it is: routes that turn requests into calls of the operator's desk and its answers into JSON.

What it is not: it holds no state and decides nothing.

Invariant: over TCP nothing is told or done without the token, but for health and metrics, which name no user.
"""
