"""Logs (and later metrics): constant event names, data in fields, secrets never."""
