"""A plan that was looked at and approved: written by ``exsync plan --out``, carried out by ``exsync apply --plan``.

It holds no item's content, only fingerprints of the changes; a checksum over all of it tells when it was edited by hand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from runner.model.errors import PlanStale, UsageError

FORMAT = "exsync-plan/1"
LOOKED = (0, 4)
"""Exit codes of a rehearsal that has looked at every link: nothing is wrong, or a guard would stop something."""
NAMED = 5
"""Differences that a refusal names."""


@dataclass(frozen=True, slots=True)
class PlanFile:
    """An approved plan: the configuration's digest, and by link the watermarks' digest and the changes' fingerprints."""

    configuration: str
    made_at: str
    watermarks: Mapping[str, str]
    changes: Mapping[str, Sequence[str]]

    @property
    def links(self) -> list[str]:
        """The links that were looked at."""
        return sorted(self.watermarks)

    @property
    def prints(self) -> frozenset[str]:
        """All changes' fingerprints."""
        return frozenset(one for prints in self.changes.values() for one in prints)

    def demand(self, configuration: str, prints: Mapping[str, Mapping[str, str]]) -> None:
        """Raise :class:`PlanStale` unless this is exactly what would happen now."""
        again = "make a new plan with `exsync plan --out`, look at it, and apply that one"
        if configuration != self.configuration:
            raise PlanStale("the plan was made for another configuration: the YAML has changed since", remedy=again)
        now = {one: word for found in prints.values() for one, word in found.items()}
        fresh = [now[one] for one in sorted(now.keys() - self.prints)]
        gone = len(self.prints - now.keys())
        if fresh or gone:
            named = "; ".join(fresh[:NAMED]) + ("; …" if len(fresh) > NAMED else "")
            told = [f"{len(fresh)} change(s) are new or have other values ({named})"] if fresh else []
            told += [f"{gone} change(s) are no longer to be made"] if gone else []
            raise PlanStale(
                f"the plan of {self.made_at} is stale: {', and '.join(told)}. Nothing was written", remedy=again
            )

    def write(self, path: Path) -> None:
        """Write the plan. Raises ``UsageError`` when that is not possible."""
        body = self._body()
        text = json.dumps({**body, "checksum": _checksum(body)}, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror}", remedy="name another file") from None

    def _body(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "made_at": self.made_at,
            "configuration": self.configuration,
            "watermarks": dict(self.watermarks),
            "changes": {link: sorted(prints) for link, prints in self.changes.items()},
        }


def plan_file(
    configuration: str, watermarks: Mapping[str, str], prints: Mapping[str, Mapping[str, str]], now: datetime
) -> PlanFile:
    """A plan to be approved. ``watermarks`` are the texts behind which each link has been read."""
    digests = {link: sha256(text.encode()).hexdigest()[:16] for link, text in watermarks.items()}
    return PlanFile(
        configuration, f"{now:%Y-%m-%d %H:%M:%S} UTC", digests, {link: list(p) for link, p in prints.items()}
    )


def read_plan(path: Path) -> PlanFile:
    """The plan in a file. Raises ``UsageError`` for what is none, and for one that was edited."""
    again = "make it anew with `exsync plan --out`"
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", remedy=again) from None
    except ValueError:
        raise UsageError(f"{path} is not a plan: it is not JSON", remedy=again) from None
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        raise UsageError(f"{path} is not a plan that this version wrote", remedy=again)
    checksum = body.pop("checksum", None)
    if checksum != _checksum(body):
        raise UsageError(f"{path} was changed after it was made: its checksum is not that of its content", remedy=again)
    return PlanFile(body["configuration"], body["made_at"], body["watermarks"], body["changes"])


def _checksum(body: Mapping[str, Any]) -> str:
    return sha256(json.dumps(body, ensure_ascii=False, sort_keys=True).encode()).hexdigest()
