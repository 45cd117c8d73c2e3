"""The terminal's warnings: each is shown once, without consequences, and once resolved."""

from __future__ import annotations

from embedded.child import last_message
from embedded.warnings import Warnings

EMPTY = "nas /nas: /nas is empty: mount the NAS there, or add a recording"


def full(megabytes: int) -> str:
    free = f"only {megabytes} MB are free in /data; agent.min_free_bytes is 1000 MB"
    return f"spool: {free}: make room on that disk"


def shown(reported: dict[str, list[str]]) -> list[str]:
    """The lines shown for a lasting problem."""
    warnings = Warnings()
    assert warnings.news(reported) == []
    return warnings.news(reported)


def test_one_line_for_all_agents_that_report_it() -> None:
    assert shown({"agent-1": [EMPTY], "agent-2": [EMPTY]}) == [f"warning: {EMPTY} (agent-1, agent-2)"]


def test_consequences_of_another_problem_are_omitted() -> None:
    follows = [f"no agent leads: the lease is released, but it is not eligible: {EMPTY}"]
    assert shown({"agent-1": [EMPTY, *follows]}) == [f"warning: {EMPTY} (agent-1)"]


def test_a_warning_is_shown_once_even_if_its_figures_change() -> None:
    warnings = Warnings()
    assert warnings.news({"agent-1": [full(901)]}) == []
    assert warnings.news({"agent-1": [full(900)]}) == [f"warning: {full(900)} (agent-1)"]
    assert warnings.news({"agent-1": [full(899)]}) == []
    assert warnings.news({"agent-1": [full(898)], "agent-2": [full(898)]}) == []
    assert warnings.news({"agent-1": []}) == [f"resolved: {full(900)} (agent-1)"]


def test_roots_that_differ_by_a_digit_are_two_warnings() -> None:
    reasons = [EMPTY.replace("/nas", f"/nas{number}") for number in (1, 2)]
    assert len(shown({"agent-1": reasons})) == 2


def test_a_transient_problem_is_not_shown() -> None:
    warnings = Warnings()
    assert warnings.news({"agent-1": []}) == []
    assert warnings.news({"agent-1": [EMPTY]}) == []
    assert warnings.news({"agent-1": []}) == []
    assert warnings.news({"agent-1": [EMPTY]}) == []
    assert warnings.news({"agent-1": [EMPTY]}) == [f"warning: {EMPTY} (agent-1)"]


def test_the_last_message_of_a_log_is_never_json() -> None:
    assert last_message("") == ""
    assert last_message('{"message": "api.ready"}\nCANNOT_LISTEN: port 80\n') == "CANNOT_LISTEN: port 80"
    assert (
        last_message('{"time": "…", "message": "start.failed", "error": "no disk"}\n')
        == "start.failed: no disk"
    )
    assert last_message("[1, 2]\n") == "[1, 2]"
