"""Previews run in processes that can be killed, that end by themselves, and that are limited in number."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import pytest

from agent.cutting.preview import Previews, PreviewSettings, proxy_name
from agent.cutting.process.client import ForkServer
from agent.cutting.reading.source import open_path
from clipping.errors import ClippingError, EncoderFailed, Overloaded, SourceUnavailable
from tests.agent.cutting.preview.recordings import HEVC, LONG_GOP, MKV, TS
from tests.support.media import make
from tests.support.waiting import eventually

Made = Callable[[PreviewSettings], Previews]


@pytest.fixture
def made(server: ForkServer) -> Iterator[Made]:
    """Makes previews that are closed when the test ends."""
    all_of_them: list[Previews] = []

    def make(settings: PreviewSettings) -> Previews:
        all_of_them.append(Previews(server, settings))
        return all_of_them[-1]

    yield make
    for previews in all_of_them:
        previews.close()


def workers(*paths: Path) -> list[int]:
    """The processes that have one of the files open."""
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        try:
            targets = [os.readlink(entry) for entry in (process / "fd").iterdir()]
            state = (process / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if {str(path) for path in paths} & set(targets) and state != "Z":
            found.append(int(process.name))
    return found


def test_cuts_go_before_previews(made: Made) -> None:
    previews = made(PreviewSettings())
    with open_path(make(MKV)) as source:
        previews.describe(source)
        (worker,) = workers(make(MKV))
    assert os.getpriority(os.PRIO_PROCESS, worker) >= 5
    assert Path(f"/proc/{worker}/comm").read_text() == "preview\n"


def test_a_worker_is_used_again(made: Made) -> None:
    previews = made(PreviewSettings())
    with open_path(make(MKV)) as source:
        previews.describe(source)
        before = workers(make(MKV))
        previews.still(source, Fraction(3), 100)
        assert workers(make(MKV)) == before
    assert len(before) == 1


def test_the_call_after_a_kill_works(made: Made) -> None:
    previews = made(PreviewSettings())
    with open_path(make(MKV)) as source:
        previews.describe(source)
        (worker,) = workers(make(MKV))
        os.kill(worker, signal.SIGKILL)
        assert previews.still(source, Fraction(3), 100).time == 3
        assert workers(make(MKV)) != [worker]


def test_a_worker_that_hangs_is_ended(made: Made) -> None:
    previews = made(PreviewSettings(call_seconds=1))
    with open_path(make(MKV)) as source:
        previews.describe(source)
        (worker,) = workers(make(MKV))
        os.kill(worker, signal.SIGSTOP)
        with pytest.raises(SourceUnavailable, match="could not be read"):
            previews.still(source, Fraction(3), 100)
        assert eventually(lambda: worker not in workers(make(MKV)), "the worker ends")
        assert previews.still(source, Fraction(3), 100).time == 3


def test_idle_workers_end(made: Made) -> None:
    previews = made(PreviewSettings(idle_seconds=0.2))
    with open_path(make(MKV)) as source:
        previews.describe(source)
        assert eventually(lambda: not workers(make(MKV)), "the worker ends")
        assert previews.still(source, Fraction(3), 100).time == 3


def test_a_new_recording_takes_the_place_of_the_one_used_longest_ago(made: Made) -> None:
    previews = made(PreviewSettings(workers=2))
    recordings = [make(LONG_GOP), make(MKV), make(TS)]
    for path in recordings:
        with open_path(path) as source:
            previews.describe(source)
    assert [len(workers(path)) for path in recordings] == [0, 1, 1]


def test_no_more_workers_than_allowed(made: Made) -> None:
    previews = made(PreviewSettings(workers=1, call_seconds=3))
    path, other_path = make(MKV), make(TS)
    with open_path(path) as source, open_path(other_path) as other:
        previews.describe(source)
        (worker,) = workers(path)
        os.kill(worker, signal.SIGSTOP)
        calls = [
            threading.Thread(target=_ignoring, args=(previews.still, source, Fraction(1), 100)),
            threading.Thread(target=_ignoring, args=(previews.describe, other)),
        ]
        for call in calls:
            call.start()
        while any(call.is_alive() for call in calls):
            both = set(workers(path, other_path)) & set(workers(path, other_path))
            assert len(both) <= 1
        assert worker not in workers(path)


def _ignoring(call: Callable[..., object], *arguments: object) -> None:
    """Call; which of two calls is first, and what the second one ends with, depends on the machine."""
    with suppress(ClippingError):
        call(*arguments)


def test_calls_of_one_recording_run_beside_each_other(made: Made) -> None:
    previews = made(PreviewSettings(workers=2))
    with open_path(make(HEVC)) as source:
        previews.describe(source)
        thread = threading.Thread(target=previews.window, args=(source, Fraction(1), Fraction(2)))
        thread.start()
        while thread.is_alive():
            previews.keyframes(source, Fraction(0), Fraction(5))
        thread.join()
        assert 1 <= len(workers(make(HEVC))) <= 2


def test_memory_is_limited(made: Made) -> None:
    previews = made(PreviewSettings(memory_bytes=1 << 20))
    # Without memory, a process may be unable to say so.
    refused = pytest.raises(EncoderFailed, match=r"memory|ended without a result")
    with open_path(make(HEVC)) as source, refused:
        previews.window(source, Fraction(1), Fraction(2))


def test_closed_previews_take_no_calls(made: Made) -> None:
    previews = made(PreviewSettings())
    with open_path(make(MKV)) as source:
        previews.describe(source)
        previews.close()
        assert eventually(lambda: not workers(make(MKV)), "the worker ends")
        with pytest.raises(Overloaded):
            previews.describe(source)


def test_a_proxy_beside_the_recording_is_used(previews: Previews, tmp_path: Path) -> None:
    recording = tmp_path / "match.mxf"
    recording.write_bytes(make(HEVC).read_bytes())
    beside = proxy_name(recording)
    assert beside == tmp_path / "match.proxy.mp4"
    beside.write_bytes(make(LONG_GOP).read_bytes())
    with open_path(recording) as source, open_path(beside) as proxy:
        assert previews.window(source, Fraction(5), Fraction(2), proxy=proxy).kind == "copy"
        assert previews.window(source, Fraction(5), Fraction(2)).kind == "proxy"


def test_a_proxy_of_another_length_is_not_used(previews: Previews) -> None:
    other = make(type(LONG_GOP)(seconds=4))
    with open_path(make(HEVC)) as source, open_path(other) as proxy:
        assert previews.window(source, Fraction(1), Fraction(2), proxy=proxy).kind == "proxy"


def test_only_the_opened_file_is_read(made: Made, tmp_path: Path) -> None:
    previews = made(PreviewSettings())
    path = tmp_path / "recording.mkv"
    path.write_bytes(make(MKV).read_bytes())
    with open_path(path) as source:
        path.unlink()
        path.symlink_to("/etc/passwd")
        assert previews.describe(source).playable == "copy"
        assert previews.window(source, Fraction(5), Fraction(2)).kind == "copy"
        assert len(previews.keyframes(source, Fraction(0), Fraction(12)).times) == 3
