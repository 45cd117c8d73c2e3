"""The API benchmark's ratios and table."""

from __future__ import annotations

from bench.api import Figures, ratios, table


def figures(milliseconds: float, rate: float) -> Figures:
    found: Figures = {}
    for name in ("POST", "status"):
        found[f"{name}, p50 ms"] = found[f"{name}, CPU ms each: API"] = milliseconds
        found[f"{name} at full speed, requests/s"] = rate
    return found


def test_ratios_say_how_many_times_as_much_a_request_costs() -> None:
    found = ratios(figures(9.0, 100.0) | {"bare commits/s": 450.0}, figures(3.0, 1000.0))
    assert found["POST / bare route: p50"] == "3.0x"
    assert found["POST / bare route: CPU of the API"] == "3.0x"
    assert found["status / bare route: time at full speed"] == "10.0x"
    assert found["POST / bare commit: time at full speed"] == "4.5x"


def test_the_table_has_a_dash_where_a_column_has_no_figure() -> None:
    lines = table({"route": {"p50": 1.234}, "SQLite": {"p50": 123.4, "streams": "9 of 9"}}).splitlines()
    assert [line.split() for line in lines] == [
        ["route", "SQLite"],
        ["p50", "1.23", "123"],
        ["streams", "-", "9", "of", "9"],
    ]
