"""docs/reference/metrics.md: what the agent and the API count, from their registries."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

import agent.metrics
import health.page.metrics
from api.db import schema
from api.db.engine import Database
from api.http.metrics import Metrics
from clipping.clock import SystemClock
from tests.docs.tables import code, table

HEAD = """# Metrics

Generated from the programs by `scripts/reference`. Both pages are in Prometheus's text format, and also
hold the usual `process_…` and `python_…`. [Alerts](../how-to/operate.md#alerts) has expressions for the
ones that matter.
"""
AGENT = """## Agent

`GET /metrics` on the agent's health page (`health.host`, `health.port`). The label `check` names a root of
the NAS only to callers with the [health token](../how-to/operate.md#who-sees-paths-on-the-health-page).
"""
API = """## API

`GET /metrics` of the API. Under gunicorn every worker answers for all of them.
"""


@dataclass(frozen=True)
class Shown:
    """One metric."""

    name: str
    type: str
    labels: tuple[str, ...]
    meaning: str


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, AGENT, _table(of_agent()), API, _table(of_api())])


def of_agent() -> list[Shown]:
    """The agent's."""
    assert agent.metrics.CLIPS is not None  # imported for what it registers
    return sorted({*_of(REGISTRY), *_of(health.page.metrics._PUBLIC)}, key=lambda each: each.name)


def of_api() -> list[Shown]:
    """The API's."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'clipping.db'}", connections=1)
        schema.migrate(database)
        try:
            return sorted(_of(Metrics(database, SystemClock())._registry), key=lambda each: each.name)
        finally:
            database.close()


def _table(metrics: list[Shown]) -> str:
    rows = [(code(each.name), each.type, ", ".join(map(code, each.labels)), each.meaning) for each in metrics]
    return table(["metric", "type", "labels", "meaning"], rows)


def _of(registry: CollectorRegistry) -> Iterator[Shown]:
    for collector in list(registry._collector_to_names):
        if isinstance(collector, MetricWrapperBase):
            family = next(iter(collector.collect()))
            yield _shown(family.name, family.type, family.documentation, collector._labelnames)
        else:
            for family in collector.collect():
                labels = tuple(family.samples[0].labels) if family.samples else ()
                if family.name.startswith("clipping_"):
                    yield _shown(family.name, family.type, family.documentation, labels)


def _shown(name: str, kind: str, meaning: str, labels: tuple[str, ...]) -> Shown:
    return Shown(f"{name}_total" if kind == "counter" else name, kind, tuple(labels), meaning)
