"""In-memory stores with the version schemes of the real ones, which verify each write of the lease."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from clipping.clock import Clock
from clipping.contract.cluster import Lease, lease_key
from clipping.store.memory import MemoryStore
from clipping.store.port import ObjectInfo


class WatchedStore(MemoryStore):
    """Versions are generations, as in Cloud Storage. Records every epoch."""

    def __init__(self, clock: Clock, cluster: str) -> None:
        super().__init__(clock)
        self._lease_key = lease_key(cluster)
        self.watches = True
        self.epochs: list[tuple[int, str]] = []
        """Each epoch with its first leader's instance."""
        self.violations: list[str] = []

    def _put(self, key: str, data: bytes, content_type: str, metadata: Mapping[str, str]) -> ObjectInfo:
        if key == self._lease_key and self.watches:
            self._watch(Lease.from_json(data))
        return super()._put(key, data, content_type, metadata)

    def _watch(self, lease: Lease) -> None:
        if lease.holder == "none" or (self.epochs and (lease.epoch, lease.instance) == self.epochs[-1]):
            return
        if self.epochs and lease.epoch <= self.epochs[-1][0]:
            self.violations.append(f"epoch {lease.epoch} of {lease.instance} after {self.epochs[-1]}")
        self.epochs.append((lease.epoch, lease.instance))


class EtagStore(WatchedStore):
    """Versions are content hashes, as in S3: equal contents have equal versions. Our adapter makes all
    contents different; the leases have to be safe without. Times are whole seconds, as S3 states them."""

    def _put(self, key: str, data: bytes, content_type: str, metadata: Mapping[str, str]) -> ObjectInfo:
        info = super()._put(key, data, content_type, metadata)
        written = info.created_at.replace(microsecond=0)
        info = replace(info, version=hashlib.md5(data).hexdigest(), created_at=written)
        self._objects[key] = data, info
        return info
