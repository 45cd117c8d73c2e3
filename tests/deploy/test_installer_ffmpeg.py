"""Which ffmpeg is usable: the installers and the agent apply the same rule."""

from __future__ import annotations

from pathlib import Path

import pytest
from installer import ffmpeg as installer

from agent.cutting import find_ffmpeg
from agent.cutting.encode import ffmpeg as agent

VERSIONS = {
    "4.4.2-0ubuntu0.22.04.1": False,
    "n4.4": False,
    "5.0.1": False,
    "5.1": True,
    "5.1.9-0+deb12u1": True,
    "n6.1.1": True,
    "7.0.2-static": True,
    "10.0": True,
    "N-118448-g43be8d0728": True,
    "2024-05-13-git-37db0454e4-full_build-www.gyan.dev": True,
}


def fake(folder: Path, version: str) -> Path:
    path = folder / "ffmpeg"
    path.write_text(
        f"#!/bin/sh\necho 'ffmpeg version {version} Copyright (c) 2000-2026 the FFmpeg developers'\n"
    )
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(("version", "usable"), VERSIONS.items())
def test_the_version_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, usable: bool
) -> None:
    path = fake(tmp_path, version)
    assert installer.usable(str(tmp_path)) is usable
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert (find_ffmpeg(None) == path) is usable


def test_a_replaced_ffmpeg_is_probed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    old = fake(tmp_path, "4.4")
    assert find_ffmpeg(None) != old
    old.unlink()
    new = fake(tmp_path, "6.1")
    assert find_ffmpeg(None) == new


def test_a_configured_ffmpeg_is_used_whatever_its_version(tmp_path: Path) -> None:
    path = fake(tmp_path, "4.4")
    assert find_ffmpeg(path) == path


def test_a_missing_or_broken_ffmpeg_is_not_usable(tmp_path: Path) -> None:
    assert not installer.usable(str(tmp_path))
    (tmp_path / "ffmpeg").write_text("not a program")
    (tmp_path / "ffmpeg").chmod(0o755)
    assert not installer.usable(str(tmp_path))


def test_installer_and_agent_agree_on_the_oldest_version() -> None:
    assert installer.OLDEST == agent.OLDEST
