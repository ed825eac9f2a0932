"""What others see of a running process: the log and the metrics.

What it is: how log lines look, and the metrics by name. What it is not: it decides nothing and imports no floor above the
engine's reports. Invariant: no user's name, subject or address is a label of a metric.
"""
