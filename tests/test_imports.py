"""What the processes load when they start: each library costs a tenth of a second or more."""

from __future__ import annotations

import pytest

from tests.support.imports import libraries_after, sources_read_by


def test_the_api_loads_alembic_for_a_migration_only() -> None:
    assert "alembic" not in libraries_after("import api.process.serve")


@pytest.mark.parametrize("module", ["agent.daemon", "api.process.serve", "clipping.client", "embedded.stack"])
def test_no_model_reads_its_source(module: str) -> None:
    assert sources_read_by(module) == set()


def test_the_stack_starts_its_first_process_before_it_loads_pubsub() -> None:
    assert libraries_after("import embedded.up_run") == {"pydantic", "yaml"}


def test_the_launcher_of_a_process_loads_no_libraries() -> None:
    assert libraries_after("import embedded.tied") == set()
