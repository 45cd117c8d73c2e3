"""The images' entrypoint: who the command runs as, and whose files change their owner."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.deploy.container.dockerfile import ROOT

SCRIPT = ROOT / "deploy" / "container" / "as_user.py"
SHOW = ("sh", "-c", "id -u; id -g; id -G; umask; echo $HOME")
"""No Python: another user may not be able to read this one."""

SLOW = """\
    print(Path("/proc/self").readlink(), flush=True)
    __import__("time").sleep(30)
"""
_KEPT = "-all,+setuid,+setgid,+chown"
ONLY_WHAT_COMPOSE_ADDS = ("setpriv", "--bounding-set", _KEPT, "--inh-caps", "-all")
"""The capabilities of the compose files."""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("as_user", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["as_user"] = module
    spec.loader.exec_module(module)
    return module


as_user = load()


def started(
    *command: str, before: tuple[str, ...] = (), script: Path = SCRIPT, **environ: str
) -> subprocess.CompletedProcess[str]:
    python = sys.executable if script == SCRIPT else "/usr/bin/python3"
    words = [*before, python, "-IS", str(script), *(command or SHOW)]
    return subprocess.run(
        words,
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def volume() -> Iterator[Path]:
    """A new volume, as Docker makes it of the image's folder: root's, and any user may write to it."""
    # Not in pytest's folder, which only its own user may enter.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "volume"
        path.mkdir()
        path.chmod(0o1777)
        yield path


def shown(done: subprocess.CompletedProcess[str]) -> tuple[int, int, set[int], int, str]:
    """User, group, all groups, umask and home of the command."""
    assert done.returncode == 0, done.stderr
    uid, gid, groups, mask, home = done.stdout.splitlines()
    return int(uid), int(gid), {int(group) for group in groups.split()}, int(mask, 8), home


def ids(path: Path) -> tuple[int, int, int]:
    facts = path.lstat()
    return facts.st_uid, facts.st_gid, facts.st_mode & 0o7777


@needs_root
@pytest.mark.parametrize(("uid", "gid"), [(1026, 100), (568, 568), (99, 100)])
def test_root_becomes_the_user_of_puid_and_pgid(volume: Path, uid: int, gid: int) -> None:
    done = started(PUID=str(uid), PGID=str(gid), UMASK="027", CLIPPING_VOLUME=str(volume))
    assert shown(done) == (uid, gid, {gid}, 0o027, "/tmp")
    assert ids(volume) == (uid, gid, 0o755)


@needs_root
def test_without_puid_root_becomes_the_usual_first_user(volume: Path) -> None:
    done = started(CLIPPING_VOLUME=str(volume))
    assert shown(done)[:2] == (1000, 1000)


@needs_root
def test_root_stays_root_where_puid_says_so(volume: Path) -> None:
    done = started(PUID="0", PGID="0", CLIPPING_VOLUME=str(volume))
    assert shown(done)[:2] == (0, 0)


@needs_root
def test_groups_that_the_container_was_given_are_kept(volume: Path) -> None:
    done = started(
        PUID="1026", PGID="100", CLIPPING_VOLUME=str(volume), before=("setpriv", "--groups", "0,44,105")
    )
    assert shown(done)[2] == {44, 100, 105}


@needs_root
def test_a_started_user_runs_the_command_as_it_is(volume: Path) -> None:
    before = ("setpriv", "--reuid", "1026", "--regid", "100", "--clear-groups")
    if not Path("/usr/bin/python3").exists():
        pytest.skip("no Python that every user can run")
    script = volume.parent / "as_user.py"
    shutil.copy(SCRIPT, script)
    script.chmod(0o644)
    done = started(PUID="5", PGID="5", CLIPPING_VOLUME=str(volume), before=before, script=script)
    assert shown(done)[:3] == (1026, 100, {100})
    assert ids(volume) == (0, 0, 0o1777)


@needs_root
def test_root_without_capabilities_names_what_it_needs(volume: Path) -> None:
    before = ("setpriv", "--bounding-set", "-all", "--inh-caps", "-all")
    named = started(PUID="1026", PGID="100", CLIPPING_VOLUME=str(volume), before=before)
    assert named.returncode == 78
    assert "cap_add: [SETUID, SETGID, CHOWN]" in named.stderr
    assert 'user: "1026:100"' in named.stderr
    unnamed = started(CLIPPING_VOLUME=str(volume), before=before)
    assert shown(unnamed)[:2] == (0, 0)
    assert "lacks SETUID, SETGID, CHOWN" in unnamed.stderr


@needs_root
@pytest.mark.parametrize("before", [(), ONLY_WHAT_COMPOSE_ADDS])
def test_another_puid_takes_over_a_prepared_volume(volume: Path, before: tuple[str, ...]) -> None:
    made = f"umask 077; cd {volume}; mkdir spool && touch spool/clip && ln -s /etc/hostname link"
    first = started("sh", "-c", made, PUID="1026", PGID="100", CLIPPING_VOLUME=str(volume), before=before)
    assert first.returncode == 0, first.stderr
    outside = ids(Path("/etc/hostname"))
    done = started("true", PUID="568", PGID="568", CLIPPING_VOLUME=str(volume), before=before)
    assert done.returncode == 0, done.stderr
    for path in (volume, volume / "spool", volume / "spool" / "clip", volume / "link"):
        assert ids(path)[:2] == (568, 568)
    assert ids(volume / "spool")[2] == 0o700
    assert ids(Path("/etc/hostname")) == outside


@needs_root
@pytest.mark.parametrize("before", [(), ONLY_WHAT_COMPOSE_ADDS])
def test_another_puid_takes_over_the_volume_of_root(volume: Path, before: tuple[str, ...]) -> None:
    made = f"umask 077; cd {volume}; mkdir spool && touch spool/clip"
    first = started("sh", "-c", made, PUID="0", PGID="0", CLIPPING_VOLUME=str(volume), before=before)
    assert first.returncode == 0, first.stderr
    done = started("true", PUID="568", PGID="568", CLIPPING_VOLUME=str(volume), before=before)
    assert done.returncode == 0, done.stderr
    for path in (volume, volume / "spool", volume / "spool" / "clip"):
        assert ids(path)[:2] == (568, 568)


@needs_root
def test_a_folder_that_becomes_a_link_meanwhile_leads_nowhere(
    volume: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    spool = volume / "spool"
    spool.mkdir()
    stat = os.stat

    def stat_and_replace(*arguments: Any, **options: Any) -> os.stat_result:
        facts = stat(*arguments, **options)
        if arguments[0] == spool.name and not spool.is_symlink():
            spool.rmdir()
            spool.symlink_to(outside)
        return facts

    with monkeypatch.context() as patched:
        patched.setattr(as_user.os, "stat", stat_and_replace)
        patched.setattr(as_user, "_is_ours", lambda _: True)
        with pytest.raises(as_user.Refused, match="can't be prepared"):
            as_user.prepare(volume, as_user.User(1026, 100, True))
    assert ids(outside)[:2] == (0, 0)


@needs_root
def test_a_stop_during_the_preparation_ends_it(tmp_path: Path) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("no unshare to make it the first process")
    script = tmp_path / "as_user.py"
    # As slow as a weak NAS: the signal comes before the command does.
    text = SCRIPT.read_text().replace(
        "    try:\n        if not argv:", SLOW + "    try:\n        if not argv:"
    )
    script.write_text(text)
    words = ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-IS", str(script), "sleep", "60"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        inside = int(process.stdout.readline())
        os.kill(inside, signal.SIGTERM)
        assert process.wait(timeout=30) == 128 + signal.SIGTERM


@needs_root
def test_a_folder_with_files_of_others_is_left_alone(volume: Path) -> None:
    volume.chmod(0o770)
    share = volume / "share.mp4"
    share.write_bytes(b"x")
    before = ids(volume), ids(share)
    done = started(PUID="1026", PGID="100", CLIPPING_VOLUME=str(volume))
    assert done.returncode == 78
    assert f"{volume} can't be written by user 1026:100; it belongs to 0:0 with mode 0770" in done.stderr
    assert "an empty folder" in done.stderr
    assert (ids(volume), ids(share)) == before


@pytest.mark.parametrize(
    ("name", "value"),
    [("PUID", "bob"), ("PUID", "-1"), ("PGID", "4294967295"), ("UMASK", "888"), ("UMASK", "rwx")],
)
def test_a_wrong_value_is_named(name: str, value: str) -> None:
    if os.geteuid() != 0 and name != "UMASK":
        pytest.skip("a user who is not root is never changed")
    done = started(**{name: value})
    assert done.returncode == 78
    assert name in done.stderr
    assert repr(value) in done.stderr


def test_no_command_and_a_missing_one() -> None:
    assert subprocess.run([sys.executable, "-IS", SCRIPT], env={}, check=False).returncode == 78
    user = {"PUID": str(os.geteuid()), "PGID": str(os.getegid())}
    missing = started("no-such-program", **user)
    assert missing.returncode == 127
    assert "no-such-program" in missing.stderr


def node(path: Path, mode: int, *, gid: int = 0, own: bool = True) -> object:
    return as_user.Node(path, 0, gid, mode, own)


@given(
    given_groups=st.sets(st.integers(0, 2000)),
    nodes=st.lists(st.tuples(st.integers(0, 2000), st.sampled_from([0o600, 0o660, 0o666, 0o640]))),
)
def test_the_groups_are_the_given_ones_and_those_of_usable_nodes(
    given_groups: set[int], nodes: list[tuple[int, int]]
) -> None:
    user = as_user.User(1026, 100, True)
    made = [node(Path("/dev/dri/renderD128"), mode, gid=gid) for gid, mode in nodes]
    found = set(as_user.groups_of(user, given_groups, made))
    assert found >= {100} | (given_groups - {0})
    assert {gid for gid, mode in nodes if mode in (0o660, 0o666)} <= found
    assert found <= {100} | given_groups | {gid for gid, _ in nodes}


@needs_root
def test_a_node_that_only_root_may_use_is_opened_to_the_group(tmp_path: Path) -> None:
    (tmp_path / "dri").mkdir()
    path = tmp_path / "dri" / "renderD128"
    path.touch()
    path.chmod(0o600)
    (tmp_path / "dri" / "card0").touch()
    user = as_user.User(1026, 100, True)
    (found,) = as_user.render_nodes(tmp_path)
    assert found.own
    opened = as_user.opened(found, user)
    assert ids(path) == (0, 100, 0o660)
    assert as_user.groups_of(user, [0], [opened]) == [100]


def test_a_node_of_the_host_is_never_changed(tmp_path: Path) -> None:
    path = tmp_path / "renderD128"
    path.touch()
    path.chmod(0o600)
    for mode, own in ((0o600, False), (0o660, True), (0o666, True)):
        found = node(path, mode, own=own)
        assert as_user.opened(found, as_user.User(1026, 100, True)) is found
    assert ids(path)[2] == 0o600


def test_no_gpu_is_no_node(tmp_path: Path) -> None:
    assert as_user.render_nodes(tmp_path) == []
