"""Selects the fast cases of large test matrices."""

from __future__ import annotations

from collections import Counter

import pytest


@pytest.hookimpl(tryfirst=True)  # before pytest deselects slow tests
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`@pytest.mark.sampled(7)`: only every seventh case of the test is fast.

    A number that divides no axis of the matrix selects cases from all over it.
    """
    seen: Counter[str] = Counter()
    for item in items:
        marker = item.get_closest_marker("sampled")
        if marker is None:
            continue
        name = item.nodeid.partition("[")[0]
        if seen[name] % marker.args[0]:
            item.add_marker(pytest.mark.slow)
        seen[name] += 1
