"""What the queue did, per target, between two samples (B-22)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime

from runner.model.queueing import HELD, Message, MessageState, Sample


class Figures:
    """Counts wishes, leases and the time that messages were held. Not safe to share between threads."""

    def __init__(self) -> None:
        self._sent: Counter[str] = Counter()
        self._received: Counter[str] = Counter()
        self._held: defaultdict[str, float] = defaultdict(float)
        self._ended: Counter[str] = Counter()

    def put(self, target: str) -> None:
        """A wish was put."""
        self._sent[target] += 1

    def leased(self, target: str) -> None:
        """A message was taken."""
        self._received[target] += 1

    def ended(self, message: Message, now: datetime) -> None:
        """A held message was given back or done with."""
        if message.held_since is not None:
            self._held[message.target] += max(0.0, (now - message.held_since).total_seconds())
            self._ended[message.target] += 1

    def sample(self, messages: Iterable[Message], now: datetime) -> tuple[Sample, ...]:
        """One sample for each target that did anything or has messages; counting starts again."""
        by_target: defaultdict[str, list[Message]] = defaultdict(list)
        for message in messages:
            by_target[message.target].append(message)
        samples = tuple(
            Sample(
                target=target,
                at=now,
                sent=self._sent[target],
                received=self._received[target],
                backlog=sum(each.state not in HELD and each.state is not MessageState.BLOCKED for each in waiting),
                blocked=sum(each.state is MessageState.BLOCKED for each in waiting),
                oldest=oldest(waiting, now),
                mean=self._held[target] / self._ended[target] if self._ended[target] else 0.0,
            )
            for target in sorted({*by_target, *self._sent, *self._received, *self._ended})
            for waiting in (by_target[target],)
        )
        for counted in (self._sent, self._received, self._held, self._ended):
            counted.clear()
        return samples


def oldest(messages: Iterable[Message], now: datetime) -> float:
    """The age in seconds of the oldest message that could run: neither held, nor blocked, nor waiting for its time."""
    ages = [
        (now - each.put_at).total_seconds()
        for each in messages
        if each.state not in HELD and each.state is not MessageState.BLOCKED and (each.due is None or each.due <= now)
    ]
    return max(0.0, *ages) if ages else 0.0
