"""What an installation needs, judged: pure verdicts over what probes brought home (``exsync doctor``).

What it is: small functions from a probe's value to a ``Diagnosis`` with its remedy. What it is not: the probes, which are the
connectors' (``inspection``, ``grants``, ``certificates``), and their order, which is the command's.
Invariant: nothing here reads a file, a clock or the network, and no diagnosis holds a secret.
"""
