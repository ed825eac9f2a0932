"""Floor 1: CRM fields ↔ record fields, declared in YAML and compiled once.

What it is: sandboxed Jinja2 expressions, codecs, value maps, type checks, the fields each direction needs.
What it is not: it neither reads files (``config`` does) nor knows tables or EWS.
Invariant: both-way entries have an inverse; a compiled mapping is immutable and its result depends on its input only.
"""

from runner.mapping.compiler import compile_mapping

__all__ = ["compile_mapping"]
