"""Background tasks: writing leases to disk, and deleting expired and orphaned messages."""

from __future__ import annotations

import asyncio

from clipping.log import get_logger
from embedded.broker.delivery.registry import Registry
from embedded.broker.refusals import Refusal
from embedded.broker.storage.storage import Storage

log = get_logger(__name__)

FLUSH_SECONDS = 0.1
"""Interval between writes of leases. Most messages are acknowledged sooner, and their leases are never
written. A lease lost in a crash causes one redelivery, which at-least-once delivery allows."""

SWEEP_SECONDS = 60.0


async def flush_forever(registry: Registry) -> None:
    """Write changed leases to disk every FLUSH_SECONDS."""
    while True:
        await asyncio.sleep(FLUSH_SECONDS)
        await flush(registry)


async def flush(registry: Registry) -> None:
    """Write changed leases to disk."""
    for subscription in list(registry.subscriptions.values()):
        try:
            await subscription.delivery.flush()
        except Refusal as error:
            log.error("broker.leases_not_written", subscription=subscription.name, error=str(error))


async def sweep_forever(registry: Registry, storage: Storage) -> None:
    """Run `sweep` every SWEEP_SECONDS."""
    while True:
        try:
            await sweep(registry, storage)
        except Refusal as error:
            log.error("broker.sweep_failed", error=str(error))
        await asyncio.sleep(SWEEP_SECONDS)


async def sweep(registry: Registry, storage: Storage) -> None:
    """Delete messages after their retention, and messages without a subscription."""
    for subscription in list(registry.subscriptions.values()):
        before = subscription.delivery.oldest()
        while await storage.expire(subscription.id, before):
            pass
        subscription.delivery.drop_expired()
    dropped = await storage.drop_orphans()
    if dropped:
        log.debug("broker.swept", messages=dropped)
