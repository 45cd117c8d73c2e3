"""Which failed checks close the streams, and which a start does not wait for."""

from __future__ import annotations

from agent.checks.checks import intake_trouble, needs_operator
from health.page.probe import NOT_CHECKED
from health.page.snapshot import Check

GOOD, BAD = Check(True, "fine", 0.0), Check(False, "gone", 0.0)


def test_a_full_disk_does() -> None:
    assert intake_trouble({"spool": BAD, "nas /a": GOOD}) == "spool: gone"


def test_links_that_can_not_be_signed_do() -> None:
    assert intake_trouble({"spool": GOOD, "signing": BAD, "nas /a": GOOD}) == "signing: gone"


def test_a_store_that_is_away_does() -> None:
    assert intake_trouble({"spool": GOOD, "store": BAD, "nas /a": GOOD}) == "store: gone"


def test_no_nas_at_all_does() -> None:
    assert intake_trouble({"spool": GOOD, "nas /a": BAD, "nas /b": BAD}) == "nas /a: gone; nas /b: gone"


def test_one_of_several_roots_does_not() -> None:
    assert intake_trouble({"spool": GOOD, "nas /a": BAD, "nas /b": GOOD}) is None


def test_checks_that_do_not_affect_the_work_do_not() -> None:
    assert intake_trouble({"spool": GOOD, "pubsub": BAD, "engine": BAD}) is None
    assert intake_trouble({}) is None


def test_a_start_does_not_wait_for_a_nas_and_a_disk_that_someone_has_to_fix() -> None:
    assert needs_operator({"nas /a": BAD})
    assert needs_operator({"nas /a": BAD, "spool": BAD})


def test_a_start_waits_for_what_may_come_by_itself() -> None:
    assert not needs_operator({})
    assert not needs_operator({"nas /a": BAD, "pubsub": BAD})
    assert not needs_operator({"nas /a": Check(False, NOT_CHECKED, 0.0)})
