"""A drop-in names only groups that the machine has: with another one, systemd would not start the service."""

from __future__ import annotations

import grp

import pytest
from installer.groups import existing_only, exists
from installer.layout import drop_in

IGPU = drop_in("igpu").read_text()
GROUPS = "SupplementaryGroups=render video\n"


@pytest.mark.parametrize(
    ("known", "line"),
    [
        ({"render", "video"}, GROUPS),
        ({"video"}, "SupplementaryGroups=video\n"),
        (set(), "# This machine has none of them: render video\n"),
    ],
)
def test_groups_that_do_not_exist_are_left_out(known: set[str], line: str) -> None:
    assert GROUPS in IGPU
    assert existing_only(IGPU, known.__contains__) == IGPU.replace(GROUPS, line)


@pytest.mark.parametrize("name", ["nas", "gpu", "limits", "credentials"])
def test_other_drop_ins_are_copied_as_they_are(name: str) -> None:
    text = drop_in(name).read_text()
    assert existing_only(text, lambda _: False) == text


def test_a_group_is_looked_up_on_this_machine() -> None:
    assert exists(grp.getgrgid(0).gr_name)
    assert not exists("no-such-group")
