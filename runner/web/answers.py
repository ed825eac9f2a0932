"""What the API answers and takes, path by path: the one table behind the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from runner.web.records import LINK, TARGET, Kinds, Schema, named, or_null, record, ref, some, with_optional

_SETTING = record(setting="text", value="any", origin="text")
_VALUE = record(value="any", origin="text")
_PROGRESS = record(
    what="text",
    stage="text",
    done="whole",
    of="whole",
    started="text?",
    rate="whole?",
    per_minute="number",
    go_on="text?",
    reason="text?",
    run="text?",
    told="text",
)
_STATUS_LINK = with_optional(
    record(name="text", condition="text", configured="flag"),
    reason="text?",
    active="whole",
    detached="whole",
    marks="whole",
    open_conflicts="whole",
    quarantined="whole",
    open_intents="whole",
    last_pass="text?",  # noqa: S106 - a time, no password
    quiet_passes="whole",
    proven="text?",
    step="whole",
    growing="text?",
    snapshot_at="text?",
    progress=or_null(_PROGRESS),
    subscription=or_null(ref("Subscription")),
)
_STATUS_TARGET = record(
    name="text",
    enabled="flag",
    paused="flag",
    notifications="text",
    circuit="text",
    since="text?",
    probed_at="text?",
    reason="text?",
)
_STATUS_RUN = record(
    run="text",
    link="text",
    started="text",
    finished="text",
    outcome="text",
    counts=named("whole"),
    message="text?",
    code="text?",
    waited="number?",
)
_STANDING = with_optional(
    {"type": "object", "properties": {}, "additionalProperties": False},
    outcome="text",
    reason="text",
    at="text",
    trouble="text?",
    findings=some(ref("Finding")),
)
_SERVICE = record(
    started_at="text",
    uptime_seconds="whole",
    generation="whole",
    digest="text",
    configuration=_STANDING,
    passes_running="whole",
    crm="text",
    healthy="flag",
)
_DESCRIBED = record(
    name="text",
    target="text",
    user="text?",
    folder="text",
    enabled="flag",
    rule="text",
    digest="text",
    settings=named(_VALUE),
    units=some(record(name="text", fields=some("text"), direction="text", conflict="text", origin="text")),
)
_CUBE = record(
    name="text",
    label="text",
    of="text",
    measures=some(record(name="text", doc="text", unit="text")),
    dimensions=some("text"),
    grain="text",
    where=named(some("text")),
    rule="text?",
)
_PROOF: Kinds = {
    "started": "text",
    "finished": "text?",
    "proven": "text?",
    "phase": "text",
}
_AUDIT: Kinds = {
    "link": "text",
    "counts": named("whole"),
    "found": some(record(finding="text", crm_key="text?", target_key="text?", detail="text")),
}
_AUDITED = with_optional(record(**_AUDIT, error="text?", skipped="text?", marked="whole"), **_PROOF)
_RUN: Kinds = {
    "run": "text",
    "changes": "object",
    "json": "text",
    "text": "text",
    "markdown": "text",
    "prints": named("any"),
    "different": "flag",
    "exit_code": "whole",
}

_CANDIDATE = record(
    target="text",
    rule="text",
    ring="whole",
    rings=some(record(links="whole", live="flag")),
    links="whole",
    by_it="whole",
    stopped="text?",
    since="text?",
    compared=named("whole"),
)

ANSWERS: Mapping[tuple[str, str], Schema] = MappingProxyType(
    {
        ("get", "/api/v1/status"): record(
            service=_SERVICE,
            targets=some(_STATUS_TARGET),
            failed=some(record(link="text", message="whole", attempts="whole", reason="text?")),
            unlinked=some(record(rule="text", target="text", row="text", reason="text")),
            lists=some("text"),
            links=some(_STATUS_LINK),
            runs=some(_STATUS_RUN),
            suspensions=some(ref("Suspension")),
        ),
        ("get", "/api/v1/targets"): record(targets=some(ref("Target"))),
        ("get", "/api/v1/targets/{name}"): record(**TARGET, settings=some(_SETTING)),
        ("get", "/api/v1/links"): record(
            links=some(ref("Link")),
            total="whole",
            page="whole",
            pages="whole",
            size="whole",
            standings=named("whole"),
        ),
        ("get", "/api/v1/link"): record(
            **LINK,
            watermark="flag",
            read_to_the_end="flag",
            due="whole",
            growing="text?",
            snapshot_at="text?",
            progress=or_null(_PROGRESS),
            subscription=or_null(ref("Subscription")),
            passes=some(ref("Pass")),
            passes_in_all="whole",
            message=or_null(ref("Message")),
            open_held=some("text"),
            proof=or_null(record(**_AUDIT, **_PROOF)),
            described=or_null(_DESCRIBED),
        ),
        ("get", "/api/v1/directories/{name}"): record(
            directory="text",
            ruled="flag",
            takes_part="whole",
            groups=some(ref("Group")),
            users=some(ref("Member")),
            unknown=some("text"),
        ),
        ("get", "/api/v1/queue"): record(messages=some(ref("Message"))),
        ("get", "/api/v1/queue/stats"): record(samples=some(ref("Sample"))),
        ("get", "/api/v1/queue/{number}"): ref("Message"),
        ("post", "/api/v1/queue/{number}/retry"): ref("Message"),
        ("post", "/api/v1/queue/{number}/discard"): ref("Message"),
        ("get", "/api/v1/conflicts"): record(conflicts=some(ref("Conflict"))),
        ("get", "/api/v1/conflicts/{id}"): ref("Conflict"),
        ("post", "/api/v1/conflicts/{id}/resolve"): ref("Conflict"),
        ("get", "/api/v1/quarantine"): record(items=some(ref("Quarantined"))),
        ("post", "/api/v1/quarantine/retry"): ref("Quarantined"),
        ("post", "/api/v1/quarantine/drop"): ref("Quarantined"),
        ("get", "/api/v1/mail"): record(mails=some(ref("Mail"))),
        ("post", "/api/v1/mail/{id}/release"): ref("Mail"),
        ("post", "/api/v1/mail/{id}/drop"): ref("Mail"),
        ("get", "/api/v1/ledger"): record(entries=some(ref("Write"))),
        ("get", "/api/v1/ledger/proof"): record(
            whole="flag",
            head="text",
            entries="whole",
            forgotten="whole",
            older="whole",
            pruned="whole",
            unfound="flag",
            breaks=some(record(id="whole", what="text")),
        ),
        ("post", "/api/v1/ledger/prune"): record(dropped="whole"),
        ("get", "/api/v1/runs"): record(passes=some(ref("Pass")), total="whole", page="whole"),
        ("get", "/api/v1/runs/{run}"): record(
            run="text", passes=some(ref("Pass")), changes=some(ref("Write")), total="whole", page="whole"
        ),
        ("get", "/api/v1/cubes"): record(cubes=some(_CUBE)),
        ("get", "/api/v1/cubes/{cube}"): record(
            cube="text",
            measure="text",
            unit="text",
            by=some("text"),
            grain="text",
            since="text",
            until="text",
            slices=named("text"),
            rows=some("text"),
            columns=some("text"),
            cells=some(record(row="text", column="text", value="number")),
            more="flag",
            seconds="number",
        ),
        ("get", "/api/v1/acts"): record(acts=some(ref("Act"))),
        ("post", "/api/v1/sync"): record(asked=some("text")),
        ("post", "/api/v1/reset"): record(reset=some("text")),
        ("post", "/api/v1/suspend"): record(suspended=some(ref("Suspension"))),
        ("post", "/api/v1/resume"): record(resumed=some("text")),
        ("post", "/api/v1/apply"): record(**_RUN),
        ("post", "/api/v1/plan"): record(**_RUN, configuration="text", watermarks=named("text"), html="text"),
        ("post", "/api/v1/state/copy"): record(path="text"),
        ("get", "/api/v1/candidates"): record(candidates=some(_CANDIDATE)),
        ("post", "/api/v1/candidates/plan"): record(text="text", markdown="text", json="text", exit_code="whole"),
        ("post", "/api/v1/audit"): record(links=some(_AUDITED), exit_code="whole"),
        ("post", "/api/v1/forget"): record(pairs="whole"),
        ("post", "/api/v1/snapshot"): record(**_RUN, plan="text"),
        ("post", "/api/v1/snapshot/stop"): record(stopped=some("text")),
        ("get", "/api/v1/asked/{question}"): record(work=some(record(what="text", done="whole", of="whole"))),
        ("post", "/api/v1/undo"): record(**_RUN, before="text?"),
        ("post", "/api/v1/explain"): record(items=some("object"), links=some("object"), unasked="whole", more="whole"),
        ("get", "/api/v1/openapi.json"): {"type": "object", "required": ["openapi", "paths"]},
    }
)
"""What each path answers with 200."""


def _taken(needed: Kinds, **optional: str | Schema) -> Schema:
    return with_optional({**record(**needed), "additionalProperties": True}, **optional)


BODIES: Mapping[str, Schema] = MappingProxyType(
    {
        "/api/v1/conflicts/{id}/resolve": _taken({"take": "text"}, values=some("text")),
        "/api/v1/quarantine/retry": _taken({"item": "text"}),
        "/api/v1/quarantine/drop": _taken({"item": "text"}),
        "/api/v1/ledger/prune": _taken({"days": "whole"}),
        "/api/v1/sync": _taken({"links": some("text")}),
        "/api/v1/reset": _taken({"link": "text"}),
        "/api/v1/suspend": _taken({"scope": "text"}, name="text", reason="text?"),
        "/api/v1/resume": _taken({"scope": "text"}, name="text"),
        "/api/v1/apply": _taken({}, links=some("text"), allow=some("text"), only=some("text")),
        "/api/v1/plan": _taken({}, links=some("text"), personal="flag"),
        "/api/v1/state/copy": _taken({}),
        "/api/v1/candidates/plan": _taken({}, links=some("text")),
        "/api/v1/audit": _taken({}, links=some("text"), anew="flag", repair="flag", most="whole"),
        "/api/v1/forget": _taken({"link": "text"}),
        "/api/v1/snapshot": _taken(
            {"way": "text", "links": some("text")},
            modified_since="text?",
            modified_until="text?",
            start_since="text?",
            start_until="text?",
            items="text",
            deletes="flag",
            rate="whole?",
            allow=some("text"),
            approved="text?",
        ),
        "/api/v1/snapshot/stop": _taken({"links": some("text")}),
        "/api/v1/undo": _taken(
            {}, run="text", since="text", links=some("text"), both="flag", apply="flag", allow=some("text")
        ),
        "/api/v1/explain": _taken({"word": "text"}, links=some("text")),
    }
)
"""What each path takes with POST; those that are not here take nothing."""

QUERIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "/api/v1/links": ("target", "q", "folder", "standing", "sort", "desc", "page", "size"),
        "/api/v1/link": ("name",),
        "/api/v1/queue/stats": ("minutes",),
        "/api/v1/conflicts": ("open",),
        "/api/v1/mail": ("all",),
        "/api/v1/ledger": ("link", "run", "key", "before", "limit"),
        "/api/v1/ledger/proof": ("head",),
        "/api/v1/runs": ("link", "outcome", "page"),
        "/api/v1/runs/{run}": ("link", "page"),
        "/api/v1/cubes/{cube}": ("measure", "rows", "columns", "grain", "last", "at", "of"),
    }
)
"""What each path takes in its address, all of it optional but for the link's ``name``."""
