"""Secrets by reference (``{env: NAME}``, ``{file: PATH}``): never in YAML, never in a repr, a log or a diagnostic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from runner.model.errors import UsageError


def resumption(secret: SecretRef | None, target: str) -> str:
    """What puts a refused log-on right: where the secret of a target is, and the command that tries it again."""
    where = f"its secret is {{{secret.kind}: {secret.name}}} ({secret.rule}); " if secret else ""
    return f"{where}once it is right, run the command again, or `exsync target resume {target}` where a service runs"


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret is. Its value exists only inside :meth:`reveal`'s result."""

    kind: str
    """``env`` or ``file``."""
    name: str
    rule: str
    """``file:line:column`` of the reference."""

    def __repr__(self) -> str:
        return f"SecretRef({self.kind}:{self.name})"

    def reveal(self, environ: Mapping[str, str], read_file: Callable[[str], str]) -> str:
        """The secret's text; one trailing newline of a file is dropped.

        Raises :class:`UsageError` saying where it was looked for, never what was found.
        """
        if self.kind == "env":
            value = environ.get(self.name)
            where = f"environment variable {self.name}"
        else:
            where = f"file {self.name}"
            try:
                value = read_file(self.name).removesuffix("\n")
            except (OSError, UnicodeDecodeError) as error:
                raise UsageError(
                    f"{self.rule}: the secret in {where} cannot be read: {type(error).__name__}",
                    remedy="mount the file readable for this user, or point the reference elsewhere",
                ) from None
        if not value:
            raise UsageError(f"{self.rule}: no secret in {where}", remedy=f"set the {where} before starting exsync")
        return value
