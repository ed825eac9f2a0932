"""Floor 3: the queue, behind the ``Queue`` port.

What it is: messages that ask for passes, coalesced per link, one of a link at a time, with priorities, attempts and due
times; the embedded kind keeps them in memory and behind that in the state.

What it is not: it knows nothing of passes, connectors or threads, and no edit depends on it.

Invariant: while a worker holds a link's message no other message of that link is given out, and a wish that arrives
meanwhile becomes exactly one further message.
"""

from runner.queue.backoff import backoff
from runner.queue.embedded import EmbeddedQueue

__all__ = ["EmbeddedQueue", "backoff"]
