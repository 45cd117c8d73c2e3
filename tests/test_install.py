"""`scripts/install`: the packages that it installs, when it does nothing, and that it never removes any."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COPIED = ("scripts/install", "deploy/systemd/installer", "requirements", "setup.cfg", "pyproject.toml")
PYTHON = f"""#!/bin/sh
# Real Python, except for `-m venv`, which creates an environment whose pip only logs its arguments.
[ "$1 $2" = "-m venv" ] || exec {sys.executable} "$@"
mkdir -p "$3/bin"
printf '#!/bin/sh\\necho "$@" >>pip.log\\n' >"$3/bin/python"
chmod +x "$3/bin/python"
"""
OLD, RECENT = "4.4.2-0ubuntu0.22.04.1", "5.1.9-0+deb12u1"
Install = Callable[..., list[str]]


def program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    for name in COPIED:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    program(tmp_path / "bin" / "python3", PYTHON)
    for name in ("sh", "cat", "cksum", "dirname", "mkdir", "chmod"):
        (tmp_path / "bin" / name).symlink_to(str(shutil.which(name)))
    return folder


@pytest.fixture
def install(checkout: Path) -> Install:
    """Runs the script. Returns what it passed to pip: names of lock files, and `.`."""

    def install(*arguments: str, ffmpeg: str | None = RECENT) -> list[str]:
        beside = checkout.parent / "bin" / "ffmpeg"
        beside.unlink(missing_ok=True)
        if ffmpeg is not None:
            program(beside, f'#!/bin/sh\necho "ffmpeg version {ffmpeg} Copyright (c) 2000-2026"\n')
        (checkout / "pip.log").write_text("")
        subprocess.run(
            ["sh", "scripts/install", *arguments],
            cwd=checkout,
            env={**os.environ, "PATH": str(beside.parent)},
            timeout=60,
            check=True,
        )
        lines = (checkout / "pip.log").read_text().splitlines()
        assert all(line.startswith("-m pip install") for line in lines)
        assert all("--require-hashes" in line for line in lines[:-1])
        return [Path(line.split()[-1]).stem for line in lines]

    return install


def test_without_options_it_installs_the_services_packages_once(install: Install) -> None:
    assert install() == ["build", "runtime", ""]
    assert install() == []


def test_dev_packages_are_added_and_kept(install: Install, checkout: Path) -> None:
    install()
    assert install("--dev") == ["build", "dev", ""]
    assert install("--dev") == []
    assert install() == []
    with (checkout / "requirements" / "dev.txt").open("a") as file:
        file.write("# another version\n")
    assert install() == ["build", "dev", ""]


def test_packages_of_an_earlier_version_count_as_dev(install: Install, checkout: Path) -> None:
    install()
    (checkout / ".venv" / "installed-from").write_text("1234567 89\n")
    assert install() == ["build", "dev", ""]


@pytest.mark.parametrize("ffmpeg", [None, OLD])
def test_ffmpeg_is_installed_if_it_is_missing_or_too_old(install: Install, ffmpeg: str | None) -> None:
    assert install(ffmpeg=ffmpeg) == ["build", "runtime", "ffmpeg", ""]
    assert install(ffmpeg=ffmpeg) == []


def test_a_removed_ffmpeg_is_detected(install: Install) -> None:
    install()
    assert install(ffmpeg=None) == ["build", "runtime", "ffmpeg", ""]


def test_a_failed_upgrade_is_retried(install: Install, checkout: Path) -> None:
    install()
    python = checkout / ".venv" / "bin" / "python"
    works = python.read_text()
    program(python, "#!/bin/sh\nexit 1\n")
    with pytest.raises(subprocess.CalledProcessError):
        install("--dev")
    program(python, works)
    assert install("--dev") == ["build", "dev", ""]


def test_an_unknown_option_is_a_usage_error(install: Install) -> None:
    with pytest.raises(subprocess.CalledProcessError) as error:
        install("--devel")
    assert error.value.returncode == 2


def test_an_old_python_is_rejected(checkout: Path) -> None:
    program(
        checkout.parent / "bin" / "python3",
        '#!/bin/sh\n[ "$1" = --version ] && { echo Python 3.9.2; exit 0; }\nexit 1\n',
    )
    done = subprocess.run(
        ["sh", "scripts/install"],
        cwd=checkout,
        env={**os.environ, "PATH": str(checkout.parent / "bin")},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert "Python 3.9.2 is too old" in done.stderr
