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
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from runner.config import files
from runner.config.loading import Loaded, load
from runner.config.plan import SyncPlan
from runner.model.diagnostics import Diagnostic, Severity
from runner.model.errors import ConfigurationInvalid
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
        self._plan: SyncPlan | None = None
        self._secret_print = ""
        self.generation = last_good.about()[0]
        self.standing: Look | None = None
        """The look that says how things stand: the last one that was not ``unchanged``."""
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
        self._use(kept.plan)
        look = self._rejected(loaded)
        self.standing = Look(
            look.outcome, look.at, look.digest, look.reason, kept.plan, self.generation, look.diagnostics, look.texts
        )
        return self.standing

    def look(self) -> Look:
        """Look at the files; the caller swaps in the plan of an ``applied`` look."""
        digest = files.snapshot(self.root).digest
        if digest == self._attempted and not self._secrets_moved():
            return Look(Outcome.UNCHANGED, self._clock.now(), digest, generation=self.generation)
        loaded = load(self.root)
        self._attempted = loaded.digest
        if loaded.plan is None:
            self.standing = self._rejected(loaded)
            return self.standing
        return self._apply(loaded, loaded.plan)

    def _secrets_moved(self) -> bool:
        return self._plan is not None and self._secrets(self._plan) != self._secret_print

    def _use(self, plan: SyncPlan) -> None:
        self._plan = plan
        self._secret_print = self._secrets(plan)

    def _apply(self, loaded: Loaded, plan: SyncPlan) -> Look:
        self.generation += 1
        self._use(plan)
        self.standing = Look(
            Outcome.APPLIED,
            self._clock.now(),
            loaded.digest,
            "",
            plan,
            self.generation,
            loaded.diagnostics,
            loaded.texts,
        )
        self._keep(loaded.digest)
        return self.standing

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
