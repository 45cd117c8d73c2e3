"""The installer's source: found, named by its content, or rejected with a reason."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from installer.console import InstallError
from installer.source import BUILD_FILES, LOCKS, PACKAGES, find_source

WHEEL = "clipping_service-0.1.0-py3-none-any.whl"


def locks(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name in LOCKS:
        (folder / name).write_text("")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A minimal checkout."""
    folder = tmp_path / "checkout"
    for name in PACKAGES:
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("")
    for name in BUILD_FILES:
        (folder / name).write_text("")
    locks(folder / "requirements")
    (folder / "setup.cfg").write_text("[metadata]\nversion = 0.1.0\n")
    return folder


def test_the_checkout_around_the_installer_is_the_default() -> None:
    assert find_source(None, None).path == Path(__file__).parents[2]


def test_the_installed_files_name_a_checkout(checkout: Path) -> None:
    before = find_source(checkout, None).name
    assert before.startswith("0.1.0-")
    (checkout / "docs").mkdir()
    (checkout / "docs" / "page.md").write_text("a page")
    (checkout / "agent" / "__pycache__").mkdir()
    (checkout / "agent" / "__pycache__" / "x.pyc").write_bytes(b"x")
    assert find_source(checkout, None).name == before
    (checkout / "agent" / "__init__.py").write_text("changed = True\n")
    assert find_source(checkout, None).name != before


def test_different_requirements_name_a_different_version(checkout: Path, tmp_path: Path) -> None:
    before = find_source(checkout, None)
    assert before.locks == checkout / "requirements"
    (checkout / "requirements" / "agent.txt").write_text("flask==3.1.3 --hash=sha256:00\n")
    assert find_source(checkout, None).name != before.name
    (tmp_path / WHEEL).write_bytes(b"first")
    locks(tmp_path)
    wheel = find_source(None, tmp_path)
    assert wheel.locks == tmp_path
    (tmp_path / "build.txt").write_text("setuptools==84.2.1 --hash=sha256:00\n")
    assert find_source(None, tmp_path).name != wheel.name


def test_the_ffmpeg_package_is_omitted_when_the_machine_has_ffmpeg(checkout: Path, tmp_path: Path) -> None:
    full = find_source(checkout, None)
    without = find_source(checkout, None, with_ffmpeg=False)
    assert full.requirements == ("build.txt", "agent.txt", "ffmpeg.txt")
    assert without.requirements == ("build.txt", "agent.txt")
    assert without.name != full.name, "a machine that loses its ffmpeg gets a different version"
    (tmp_path / WHEEL).write_bytes(b"first")
    locks(tmp_path)
    assert find_source(None, tmp_path).name != find_source(None, tmp_path, with_ffmpeg=False).name


def test_building_a_checkout_does_not_change_it(checkout: Path, tmp_path: Path) -> None:
    source = find_source(checkout, None)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    assert source.project(scratch) == scratch / "source"
    assert (scratch / "source" / "agent" / "__init__.py").exists()


def test_the_service_wheel_in_the_folder_is_used(tmp_path: Path) -> None:
    (tmp_path / WHEEL).write_bytes(b"first")
    (tmp_path / "flask-3.1.3-py3-none-any.whl").write_bytes(b"")
    locks(tmp_path)
    source = find_source(None, tmp_path)
    assert (source.path.name, source.wheels) == (WHEEL, tmp_path)
    (tmp_path / WHEEL).write_bytes(b"second")
    assert find_source(None, tmp_path).name != source.name


def test_an_invalid_source_is_rejected(checkout: Path, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for given, folder, reason in (
        (None, tmp_path / "nowhere", "is not a folder of wheels"),
        (None, wheels, "found: none"),
        (tmp_path, None, "neither a checkout nor a wheel"),
        (checkout, wheels, "can't be built without the index"),
    ):
        with pytest.raises(InstallError, match=reason):
            find_source(given, folder)
    (wheels / WHEEL).touch()
    with pytest.raises(InstallError, match=r"build\.txt is missing: .*scripts/wheels DIR"):
        find_source(None, wheels)
    for version in ("0.1.0", "0.2.0"):
        (wheels / WHEEL.replace("0.1.0", version)).touch()
    with pytest.raises(InstallError, match=r"0\.1\.0.*0\.2\.0"):
        find_source(None, wheels)
    shutil.rmtree(wheels)
