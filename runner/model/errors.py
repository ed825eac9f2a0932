"""Every fault that the product expects, drawn as one tree. Each says what happened and knows its consequence.

::

    ExsyncError                      has exit_code and remedy; shown to operators without a traceback
    ├── UsageError                   64  the command line asks for something that does not exist
    ├── ConfigurationInvalid         78  carries diagnostics
    ├── StateError
    │   ├── StateLocked              75  another runner owns the state file
    │   ├── StateDamaged             74  never answered with an empty state
    │   └── StateTooNew              74  written by a newer version
    ├── PlanStale                    4   what was approved is not what would happen now; nothing was written
    ├── GuardTripped                 4   a limit stopped a change set (B-101)
    └── ConnectorError                   classed once, at the connector's edge
        ├── Transient                75  try again later; nothing was written
        │   └── Throttled            75  the same, not before ``after`` seconds
        ├── Unreachable              69  nobody answers there: no connection, no TLS, no server
        ├── AuthRefused              77  stops the target at once: no retry, so that no account is locked out
        ├── AccessDenied             77  stops the link
        ├── ContainerGone            1   the folder or table is missing: stops the link, is never "all deleted"
        ├── WatermarkInvalid             the cursor is dead: exactly the gap is read again (B-74)
        ├── Gone                         this item is not there (a positive answer, never an absence from a list)
        ├── VersionMoved                 the precondition failed: re-read and re-merge, never force (B-64)
        ├── Invalid                      this item can never be carried as it is: quarantine it (B-23)
        ├── OutcomeUnknown           75  the write may or may not have happened: settle by stamp before anything else
        └── ProtocolFault            70  an answer that the protocol does not allow: a bug here or there
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runner.model.diagnostics import Diagnostic

NOT_OWNED = "not-owned"
"""Code of an ``Invalid``: the CRM record is there, but the link's user holds it in no way."""
STILL_OWNED = "still-owned"
"""Code of an ``Invalid``: a delete in the CRM would take its user out of a record that others hold too, and cannot."""
OUT_OF_SCOPE = "out-of-scope"
"""Code of an ``Invalid``: the directory has the entry, and the link does not ask for it (base, filter, groups). It is no
delete: the pair ends as ``on_leave`` says."""
OTHER_CLASS = "other-class"
"""Code of an ``Invalid`` for what lies in a folder and is no record of the link's entity, such as a distribution list
among contacts: it takes no part, and nobody has to hear of it."""


class ExsyncError(Exception):
    """Root of all expected faults. ``str()`` is one sentence for operators; ``remedy`` says what to do."""

    exit_code = 1
    code = "error"

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.remedy = remedy


class UsageError(ExsyncError):
    """The command line names something that is not there."""

    exit_code = 64
    code = "usage"


class PlanStale(ExsyncError):
    """The plan is not what would happen now; nothing was written."""

    exit_code = 4
    code = "plan-stale"


class ConfigurationInvalid(ExsyncError):
    """The files do not make a sync plan. Carries every finding, and the files' texts (secrets hidden) to show them in."""

    exit_code = 78
    code = "configuration-invalid"

    def __init__(self, diagnostics: Sequence[Diagnostic], texts: Mapping[str, str] | None = None) -> None:
        super().__init__(f"the configuration has {len(diagnostics)} finding(s)")
        self.diagnostics = tuple(diagnostics)
        self.texts: Mapping[str, str] = texts or {}


class StateError(ExsyncError):
    """The state file cannot be used."""

    exit_code = 74
    code = "state"


class StateLocked(StateError):
    """Another process owns the state file (one runner per state, invariant 9)."""

    exit_code = 75
    code = "state-locked"


class StateDamaged(StateError):
    """The state file is damaged; it is kept as it is and never replaced by an empty one."""

    code = "state-damaged"


class StateBehind(StateDamaged):
    """The state lacks its newest commits, or they do not read; what was committed before them is whole."""


class StateTooNew(StateError):
    """The state file was written by a newer version."""

    code = "state-too-new"


class GuardTripped(ExsyncError):
    """A guard stopped a change set (B-101)."""

    exit_code = 4
    code = "guard"


class ConnectorError(ExsyncError):
    """A fault of the world, classed at the connector's edge. ``code`` keeps the server's own word when it has one."""

    code = "connector"

    def __init__(self, message: str, *, code: str | None = None, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        if code:
            self.code = code


class Transient(ConnectorError):
    """Nothing was written; trying again later may work."""

    exit_code = 75
    code = "transient"


class Throttled(Transient):
    """The server asks for patience: not before ``after`` seconds."""

    code = "throttled"

    def __init__(self, message: str, *, after: float, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.after = after


class Unreachable(ConnectorError):
    """Nobody answers there (connection refused, name unknown, TLS not trusted). Nothing was written."""

    exit_code = 69
    code = "unreachable"


class AuthRefused(ConnectorError):
    """The credentials were refused: the target stops at once."""

    exit_code = 77
    code = "auth-refused"


class AccessDenied(ConnectorError):
    """The account may not touch this mailbox or table: the link stops."""

    exit_code = 77
    code = "access-denied"


class ContainerGone(ConnectorError):
    """The folder or table is not there. Never a mass delete: the link stops."""

    code = "container-gone"


class WatermarkInvalid(ConnectorError):
    """The server no longer takes this watermark."""

    code = "watermark-invalid"


class Moved(Transient):
    """The mailbox is on another server now: it has to be looked for again (B-75)."""

    code = "mailbox-moved"


class SubscriptionLost(ConnectorError):
    """The server does not know a subscription any more, or has not told everything: subscribe anew, then look (B-13)."""

    code = "subscription-lost"


class Gone(ConnectorError):
    """The item asked for by its id does not exist."""

    code = "gone"


class VersionMoved(ConnectorError):
    """The item changed since it was read; nothing was written."""

    code = "version-moved"


class Invalid(ConnectorError):
    """This item cannot be carried as it is; the rest of its folder can."""

    code = "invalid"


class OutcomeUnknown(ConnectorError):
    """The answer to a write never came: it may have happened."""

    exit_code = 75
    code = "outcome-unknown"


class ProtocolFault(ConnectorError):
    """An answer outside the protocol."""

    exit_code = 70
    code = "protocol"
