"""Paths in what the health page shows without the token."""

from __future__ import annotations

import pytest

from health.page.redaction import without_paths

PATHS = {
    "/mnt/nas": "root 1",
    "/mnt/nas 2/My Videos": "root 2",
    "/mnt/nas/deep": "root 3",
    "/var/lib/a": "state_dir",
}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nas /mnt/nas", "nas root 1"),
        ("/mnt/nas is empty: is the NAS mounted there?", "root 1 is empty: is the NAS mounted there?"),
        ("nas /mnt/nas 2/My Videos", "nas root 2"),
        ("nas /mnt/nas/deep: gone", "nas root 3: gone"),
        ("/mnt/nas/night/a.mp4 can't be read", "root 1 can't be read"),
        ("'/mnt/nas' and (/mnt/nas), /mnt/nas; /mnt/nas: x", "'root 1' and (root 1), root 1; root 1: x"),
        ("/mnt/nas2 is another", "(path) is another"),
        ("/mnt/nas.old is another", "(path) is another"),
        ("the disk of /var/lib/a can't be written", "the disk of state_dir can't be written"),
        ("/usr/bin/ffmpeg", "(path)"),
        ("file:///srv/clips/x.mp4 is gone", "(path) is gone"),
        ("http://nas-1.lan:8005/health answers 503", "http://nas-1.lan:8005/health answers 503"),
        ("12 MB free, 3/4 of it, and/or more", "12 MB free, 3/4 of it, and/or more"),
        ("mounted", "mounted"),
    ],
)
def test_paths_are_replaced(text: str, shown: str) -> None:
    assert without_paths(text, PATHS) == shown
