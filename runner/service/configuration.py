"""Files → plan in use, as a state machine with a visible outcome; the last good plan stays until a better one is found.

=============  ================================================  ====================================================
outcome        when                                              then
=============  ================================================  ====================================================
``unchanged``  the bytes are those that were looked at last      nothing, silently
``applied``    they make a plan                                  it is swapped in, kept on disk, and told
``rejected``   they make none (the reason is the first error's)  the plan in use stays; told until it is mended
``failed``     they could not be read                            the same, and looked at again without a change
=============  ================================================  ====================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from runner.config import files
from runner.config.loading import Loaded, load
from runner.config.origins import Described, describe
from runner.config.plan import SyncPlan
from runner.model.diagnostics import Diagnostic, Severity
from runner.model.errors import ConfigurationInvalid, ExsyncError
from runner.model.ports import Clock
from runner.service.lastgood import LastGood


class Outcome(StrEnum):
    """What became of a look at the files."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    REJECTED = "rejected"
    FAILED = "failed"


_UNREADABLE = frozenset({"unreadable", "files-moving"})


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the files. ``plan`` is set when it is to be swapped in; ``reason`` is a finding's code."""

    outcome: Outcome
    at: datetime
    digest: str
    reason: str = ""
    plan: SyncPlan | None = None
    generation: int = 0
    diagnostics: Sequence[Diagnostic] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    trouble: str = ""
    """What kept a good configuration from being put to use, as one sentence."""
    described: Described = field(default_factory=Described)
    """What is told of ``plan``."""


class Configuration:
    """The files below one root. Used by one thread at a time."""

    def __init__(
        self, root: Path, last_good: LastGood, clock: Clock, secrets: Callable[[SyncPlan], str] = lambda plan: ""
    ) -> None:
        self.root = root
        self._last_good = last_good
        self._clock = clock
        self._secrets = secrets
        """A digest of the secrets that a plan refers to, as they are now."""
        self._attempted = ""
        self._in_use: SyncPlan | None = None
        self._secret_print = ""
        self.generation = last_good.about()[0]
        self.standing: Look | None = None
        """The look that says how things stand: the last one that was not ``unchanged``."""
        self.described = Described()
        """What is told of the configuration in use."""
        self.keeping_failed: str | None = None
        """Why the last good configuration could not be kept on disk."""

    def start(self, *, strict: bool) -> Look:
        """The first look. When the files make no plan, the last good one is used, and the look says ``rejected``.

        Raises ``ConfigurationInvalid`` when there is no last good one, or with ``strict``.
        """
        loaded = load(self.root)
        self._attempted = loaded.digest
        if loaded.plan is not None:
            known, digest = self._last_good.about()
            self.generation = known - 1 if digest == loaded.digest and known else known
            return self._apply(loaded, loaded.plan)
        kept = None if strict else self._last_good.load(self.root)
        if kept is None or kept.plan is None:
            raise ConfigurationInvalid(loaded.diagnostics, loaded.texts)
        return replace(self._rejected(loaded), plan=kept.plan, described=describe(kept))

    def look(self) -> Look:
        """Look at the files. The caller puts the plan of an ``applied`` look to use, and says with :meth:`confirm` or
        :meth:`refuse` whether that went well."""
        digest = files.snapshot(self.root).digest
        if digest == self._attempted and not self._secrets_moved():
            return Look(Outcome.UNCHANGED, self._clock.now(), digest, generation=self.generation)
        loaded = load(self.root)
        self._attempted = loaded.digest
        if loaded.plan is None:
            self.standing = self._rejected(loaded)
            return self.standing
        return self._apply(loaded, loaded.plan)

    def confirm(self, look: Look) -> None:
        """The look's plan is in use now; a good one is kept on disk."""
        self._in_use = look.plan
        self.described = look.described
        self._secret_print = self._secrets(look.plan) if look.plan is not None else ""
        self.generation = look.generation
        self.standing = look
        if look.outcome is Outcome.APPLIED:
            self._keep(look.digest)

    def refuse(self, look: Look, error: ExsyncError) -> Look:
        """The look's plan could not be put to use (a secret is missing): what was in use stays, and it is tried again."""
        self._attempted = ""
        self.standing = replace(
            look, outcome=Outcome.FAILED, reason=error.code, plan=None, generation=self.generation, trouble=str(error)
        )
        return self.standing

    def _secrets_moved(self) -> bool:
        return self._in_use is not None and self._secrets(self._in_use) != self._secret_print

    def _apply(self, loaded: Loaded, plan: SyncPlan) -> Look:
        return Look(
            Outcome.APPLIED,
            self._clock.now(),
            loaded.digest,
            "",
            plan,
            self.generation + 1,
            loaded.diagnostics,
            loaded.texts,
            described=describe(loaded),
        )

    def _keep(self, digest: str) -> None:
        taken = files.snapshot(self.root)
        if taken.digest != digest:
            return  # they moved on already: the next look keeps what it applies
        try:
            self._last_good.keep(taken, self.generation)
            self.keeping_failed = None
        except OSError as error:
            self.keeping_failed = error.strerror or type(error).__name__

    def _rejected(self, loaded: Loaded) -> Look:
        errors = [each.code for each in loaded.diagnostics if each.severity is Severity.ERROR]
        failed = bool(_UNREADABLE.intersection(errors))
        if failed:
            self._attempted = ""
        return Look(
            Outcome.FAILED if failed else Outcome.REJECTED,
            self._clock.now(),
            loaded.digest,
            errors[0] if errors else "no-plan",
            generation=self.generation,
            diagnostics=loaded.diagnostics,
            texts=loaded.texts,
        )
