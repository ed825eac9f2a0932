"""exsync: keeps a CRM's SQL database and Microsoft Exchange in step, driven by YAML kept in git.

Floors, from the ground up (imports point down only, checked by import-linter):
``model`` (values) → ``mapping``, ``reconcile`` (pure rules) → ``config`` (files to an immutable sync plan) →
``connectors``, ``store``, ``queue`` (the world) → ``engine`` (one pass of one link) → ``service`` → ``cli``, ``web``.
"""

__version__ = "0.1.0"
