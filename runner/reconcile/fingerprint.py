"""What tells whether two changes are the same: the item, the operation and every value that is written. Pure.

An approved plan is a set of fingerprints, so that it holds no personal data and yet is exact to the value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256

from runner.model.record import Value
from runner.reconcile.ordering import Planned

LENGTH = 24
"""Hex digits: enough that no two changes of one plan ever share them."""


def fingerprint(link: str, planned: Planned) -> str:
    """The fingerprint of one change of one link."""
    change, label = planned.change, planned.label
    values = {name: _plain(change.values.get(name)) for name in sorted(change.fields)}
    said = [link, change.side.value, change.operation.value, label.crm_key, label.target_key, values]
    text = json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:LENGTH]


def _plain(value: Value) -> object:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return list(value) if isinstance(value, tuple) else value
