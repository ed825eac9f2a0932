"""The metrics of a running service, by their names; ``/metrics`` gives them out in Prometheus' text format.

Labels are a target, a folder, a side, an outcome: never a user, so that their number is that of the configuration.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest

from runner.config.plan import LinkPlan
from runner.engine.report import PassReport
from runner.engine.shadow import FAILED, LESS, MORE
from runner.model.errors import Throttled
from runner.model.queueing import Message, MessageState
from runner.model.terms import Operation, Side

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
WRITE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """One registry of its own: nothing of the process's global one is given out."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()

        def gauge(name: str, doc: str, *labels: str) -> Gauge:
            return Gauge(name, doc, labels, registry=registry)

        def counter(name: str, doc: str, *labels: str) -> Counter:
            return Counter(name, doc, labels, registry=registry)

        self.reload_successful = gauge(
            "exsync_config_last_reload_successful",
            "1 when the files as they are now are in use, 0 when they were rejected",
        )
        self.reload_success_time = gauge(
            "exsync_config_last_reload_success_timestamp_seconds", "When a configuration was last applied"
        )
        self.reloads = counter("exsync_config_reloads", "Looks at changed files by outcome", "outcome", "reason")
        self.config = Info("exsync_config", "The configuration in use", registry=registry)
        self.links = gauge("exsync_links", "Links by condition", "target", "folder", "condition")
        self.growing = gauge("exsync_links_growing", "Links whose first sync is still growing", "target")
        self.growing_items = gauge(
            "exsync_growing_items", "Items that wait for their turn in a first sync that grows", "target"
        )
        self.snapshots = gauge("exsync_snapshots_under_way", "Links with a snapshot under way", "target")
        self.snapshot_items = gauge(
            "exsync_snapshot_items_left", "Items that snapshots under way have still to look at", "target"
        )
        self.links_given_up = gauge(
            "exsync_links_given_up", "Links that were tried in vain and have not had their first sync", "target"
        )
        self.rows_unlinked = gauge("exsync_list_rows_unlinked", "Rows of lists of users that give no link", "target")
        self.lists_not_followed = gauge(
            "exsync_lists_not_followed", "Lists of users that could not be read, were empty or over their limit"
        )
        self.passes = counter("exsync_sync", "Passes by outcome", "target", "folder", "outcome")
        self.pass_seconds = Histogram(
            "exsync_sync_duration_seconds",
            "How long passes took",
            ("target", "folder"),
            buckets=SECONDS,
            registry=registry,
        )
        self.changes = counter("exsync_changes", "Writes by side and action", "target", "folder", "side", "action")
        self.conflicts = gauge("exsync_conflicts", "Conflicts that wait for a decision", "target", "folder")
        self.quarantined = gauge("exsync_quarantined_items", "Items set aside", "target", "folder")
        self.queue_messages = gauge("exsync_queue_messages", "Messages by state", "queue", "state")
        self.queue_oldest = gauge("exsync_queue_oldest_seconds", "Age of the oldest message that may run", "queue")
        self.watermark_age = gauge(
            "exsync_watermark_age_seconds",
            "Time since the link of the target that waits longest was last looked at",
            "target",
        )
        self.proof_age = gauge(
            "exsync_proof_age_seconds",
            "Time since the link of the target that waits longest was last proven equal on both sides",
            "target",
        )
        self.candidate = counter(
            "exsync_candidate_differences",
            "Changes that only the candidate (more) or only the live configuration (less) would make, or not comparable",
            "target",
            "kind",
        )
        self.candidate_stopped = gauge("exsync_candidate_stopped", "Whether the target's candidate stopped", "target")
        self.throttled = counter("exsync_throttled_seconds", "Patience that the server asked for", "target")
        self.soft_errors = gauge("exsync_consecutive_soft_errors", "Failed passes in a row", "target")
        self.target_up = gauge("exsync_target_up", "Whether the target's circuit is closed", "target")
        self.crm_up = gauge("exsync_crm_up", "Whether the CRM works")
        self.subscriptions = gauge("exsync_subscriptions", "Subscriptions by standing", "target", "state")
        self.streams = gauge("exsync_stream_connections", "Open streaming connections", "target")
        self.notifications = counter("exsync_notifications", "Changes of folders that were told of", "target")
        self.subscriptions_lost = counter(
            "exsync_subscriptions_lost", "Subscriptions that ended before their time", "target", "code"
        )
        self.posts = counter("exsync_push_posts", "Posts to the push endpoint", "outcome")
        self.requests = counter(
            "exsync_requests", "Requests to servers by the code of their answer", "target", "operation", "code"
        )
        self.request_seconds = Histogram(
            "exsync_request_duration_seconds",
            "How long servers took to answer",
            ("target", "operation"),
            buckets=SECONDS,
            registry=registry,
        )
        self.state_writes = Histogram(
            "exsync_state_write_seconds",
            "How long commits to the state took",
            buckets=WRITE_SECONDS,
            registry=registry,
        )
        self.diverged = gauge(
            "exsync_diverged_items", "What the newest audits found not to be equal on both sides", "target", "folder"
        )
        self._seen_links: set[tuple[str, str, str]] = set()
        self._seen_states: set[tuple[str, str]] = set()

    def passed(self, link: LinkPlan, report: PassReport, fate: str) -> None:
        """A pass has ended."""
        outcome = "skipped" if report.skipped else "failed" if report.error else "guarded" if report.trips else "done"
        self.passes.labels(link.target, link.folder, outcome).inc()
        self.pass_seconds.labels(link.target, link.folder).observe(report.seconds)
        for side in Side:
            for operation in Operation:
                if number := report.counts[f"{side}.{operation}"]:
                    self.changes.labels(link.target, link.folder, side, operation).inc(number)
        for name in (MORE, LESS, FAILED):
            if number := report.counts[name]:
                self.candidate.labels(link.target, name.partition(".")[2]).inc(number)
        if isinstance(report.error, Throttled):
            self.throttled.labels(link.target).inc(report.error.after)

    def asked(self, target: str, operation: str, code: str, seconds: float) -> None:
        """A request has ended (see the port ``Meter``)."""
        self.requests.labels(target, operation, code).inc()
        self.request_seconds.labels(target, operation).observe(seconds)

    def show_links(self, conditions: Mapping[tuple[str, str, str], int]) -> None:
        """Set the number of links by (target, folder, condition)."""
        for gone in self._seen_links - conditions.keys():
            self.links.labels(*gone).set(0)
        self._seen_links |= conditions.keys()
        for labels, number in conditions.items():
            self.links.labels(*labels).set(number)

    def show_queue(self, messages: Iterable[Message], ages: Mapping[str, float]) -> None:
        """Set the queue's gauges; ``ages`` is the age of the oldest message by target."""
        tally = Tally((message.target, message.state.value) for message in messages)
        for target in ages:
            for state in MessageState:
                tally.setdefault((target, state.value), 0)
        for gone in self._seen_states - tally.keys():
            self.queue_messages.labels(*gone).set(0)
        self._seen_states |= tally.keys()
        for labels, number in tally.items():
            self.queue_messages.labels(*labels).set(number)
        for target, age in ages.items():
            self.queue_oldest.labels(target).set(age)

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self._registry)
