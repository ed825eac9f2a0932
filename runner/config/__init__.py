"""Floor 2: YAML files in, one immutable sync plan out, or every finding at once with file, line and column.

What it is: reading with positions, schemas, references, secrets by reference, compilation.
What it is not: a connection to anything; one module (``files``) touches the disk.
Invariant: a plan either comes whole or not at all; equal files give equal digests.
"""

from runner.config.loading import Loaded, load, load_file, load_plan

__all__ = ["Loaded", "load", "load_file", "load_plan"]
