"""The ports: what the engine asks of the world, kept as narrow as an HTTP transport."""

from runner.model.ports.clock import Clock, Rng
from runner.model.ports.connectors import (
    CommitWatch,
    Connector,
    CrmConnector,
    DirectoryConnector,
    HangingCall,
    Meter,
    Places,
    Subscribes,
    TargetConnector,
    WatchedCrm,
)
from runner.model.ports.queue import Queue, QueueJournal
from runner.model.ports.store import Store

__all__ = [
    "Clock",
    "CommitWatch",
    "Connector",
    "CrmConnector",
    "DirectoryConnector",
    "HangingCall",
    "Meter",
    "Places",
    "Queue",
    "QueueJournal",
    "Rng",
    "Store",
    "Subscribes",
    "TargetConnector",
    "WatchedCrm",
]
