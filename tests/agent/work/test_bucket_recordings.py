"""Clips and reels of recordings in buckets: as of a file, of one state of the object, or an error."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
import requests

from agent.cutting import Engine
from agent.resources.checkpoint_uploads import CheckpointUploads
from agent.resources.checkpoints import Checkpoints
from agent.resources.stored_checkpoints import look
from agent.work.encode_checkpoints import EncodeCheckpoints
from agent.work.job import Job
from agent.work.job_runner import JobRunner
from clipping.clock import SystemClock
from clipping.contract.messages import CompletionMessage
from clipping.contract.reel import ReelMessage
from clipping.errors import GivenBack, NoSpace, SourceChanged, SourceUnavailable
from clipping.store import ranges as reading
from clipping.store.layout import upload_folder
from health.lease.guard import NoLease
from tests.agent.bench import Bench
from tests.agent.work.bucket import KEY, LARGE, NEXT, BucketBench
from tests.support.broker import BrokerProcess
from tests.support.gcs import FakeGcs
from tests.support.held import hold_cut
from tests.support.http_proxy import Exchange, HttpProxy, Instead, s3_error
from tests.support.media import Recording, make, numbers
from tests.support.seaweed import Seaweed
from tests.support.waiting import eventually

RATE = 25


@pytest.fixture
def bucket(
    tmp_path: Path,
    engine: Engine,
    broker: BrokerProcess,
    seaweed: Seaweed,
    s3_bucket: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[BucketBench]:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", broker.host_port)
    with HttpProxy(seaweed.host_port) as proxy:
        bucket = BucketBench(tmp_path, engine, seaweed, s3_bucket, proxy)
        yield bucket
        bucket.bench.close()
    seaweed.empty(s3_bucket)


@pytest.mark.parametrize("mode", ["copy", "smart", "encode"])
def test_a_clip_is_that_of_the_file(bucket: BucketBench, mode: str) -> None:
    path = bucket.put()
    message = bucket.message(mode=mode, start_seconds=40.3)
    completion = bucket.run(message)
    assert completion.sha256 == bucket.local(path, message)
    assert completion.report is not None
    source = completion.report.source
    assert source is not None
    assert (source.size, source.growing) == (path.stat().st_size, False)
    assert source.etag
    assert '"' not in source.etag
    assert bucket.read_bytes < path.stat().st_size / 2, "it is not fetched whole"


def test_the_next_clip_reads_only_what_lies_around_it(bucket: BucketBench) -> None:
    path = bucket.put()
    bucket.run(bucket.message())
    before = bucket.read_bytes
    message = bucket.message(start_seconds=50, end_seconds=51)
    assert bucket.run(message).sha256 == bucket.local(path, message)
    assert bucket.read_bytes - before < path.stat().st_size * 9 / 60


@pytest.mark.slow
def test_a_clip_with_effects_is_that_of_the_file(bucket: BucketBench) -> None:
    path = bucket.put()
    output = {"aspect": "9:16", "fit": "smart_crop", "width": 180, "height": 320}
    message = bucket.message(mode="encode", output=output)
    assert bucket.run(message).sha256 == bucket.local(path, message)
    assert bucket.read_bytes < path.stat().st_size / 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "recording",
    [
        Recording(extension="mkv", seconds=20),
        replace(LARGE, video=(*(LARGE.video or ()), "-movflags", "frag_keyframe+empty_moov")),
        replace(LARGE, extension="mov", audio=("pcm_s24le",)),
    ],
    ids=["small", "fragmented", "pcm"],
)
def test_what_has_no_usable_index_is_fetched_whole(bucket: BucketBench, recording: Recording) -> None:
    path = bucket.put(recording)
    message = bucket.message(start_seconds=11, end_seconds=12)
    assert bucket.run(message).sha256 == bucket.local(path, message)
    assert bucket.read_bytes >= path.stat().st_size


@pytest.mark.slow
def test_more_is_fetched_when_the_first_part_is_not_enough(
    bucket: BucketBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.resources.bucket_recording.SMALL_BYTES", 0)
    path = bucket.put(replace(LARGE, video=None, open_gop=True, seconds=120))
    message = bucket.message(start_seconds=100, end_seconds=100.4)
    assert bucket.run(message).sha256 == bucket.local(path, message)


@pytest.mark.parametrize("truncated", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_recording_that_is_replaced_while_it_is_fetched_is_cut_again(
    bucket: BucketBench, *, truncated: bool
) -> None:
    bucket.put()
    path = make(NEXT)
    data = path.read_bytes()
    bucket.on_part(3, lambda: bucket.put_bytes(make(LARGE).read_bytes()[:20_000] if truncated else data))
    message = bucket.message()
    with pytest.raises(SourceChanged):
        bucket.run(message)
    bucket.put_bytes(data)
    assert bucket.run(message, attempt=2).sha256 == bucket.local(path, message)


def test_a_recording_that_is_deleted_while_it_is_fetched_is_not_found(bucket: BucketBench) -> None:
    bucket.put()
    bucket.on_part(3, bucket.delete)
    completion = bucket.run(bucket.message())
    assert completion.error is not None
    assert completion.error.code == "SOURCE_NOT_FOUND"


def test_a_recording_that_is_replaced_while_it_is_cut_makes_no_mixture(bucket: BucketBench) -> None:
    path = bucket.put()
    message = bucket.message(mode="encode", start_seconds=20, end_seconds=26)
    job = Job(message.request_id, 0.0)

    def replaced() -> None:
        held = hold_cut(os.getpid(), bucket.bench.spool_of(message))
        bucket.put(NEXT)
        held.release()

    end = bucket.bench.attempt(message, job, replaced)
    assert isinstance(end, CompletionMessage)
    assert end.sha256 == bucket.local(path, message)


@pytest.mark.slow
def test_more_is_not_fetched_of_a_recording_that_was_replaced(
    bucket: BucketBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.resources.bucket_recording.SMALL_BYTES", 0)
    recording = replace(LARGE, video=None, open_gop=True, seconds=120)
    bucket.put(recording)
    bucket.on_part(4, lambda: bucket.put_bytes(make(NEXT).read_bytes()))
    with pytest.raises(SourceChanged):
        bucket.run(bucket.message(start_seconds=100, end_seconds=101))


@pytest.mark.slow
def test_a_store_that_fails_every_tenth_request_is_good_enough(bucket: BucketBench) -> None:
    path = bucket.put()
    before, numbers = bucket.proxy.before, count(1)

    def failing(exchange: Exchange) -> Instead | None:
        instead = before(exchange)
        return s3_error(503, "SlowDown") if next(numbers) % 10 == 0 else instead

    bucket.proxy.before = failing
    for start in range(2, 50, 4):
        message = bucket.message(start_seconds=start, end_seconds=start + 3)
        assert bucket.run(message).sha256 == bucket.local(path, message)
    assert next(numbers) > 20


def test_a_store_that_is_away_is_unavailable(bucket: BucketBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_WAIT_SECONDS", 0.001)
    bucket.put()
    bucket.proxy.before = lambda _: s3_error(503, "SlowDown")
    with pytest.raises(SourceUnavailable):
        bucket.run(bucket.message())


def test_only_what_the_caller_may_read_is_read(bucket: BucketBench) -> None:
    bucket.put(key="eve/x.mp4")
    uploads = bucket.bench.store.uri("x").removesuffix("x") + upload_folder("eve")
    for uri in (bucket.other, f"s3://{bucket.name}/x.mp4", "gs://elsewhere/x.mp4", f"{uploads}u/x.mp4"):
        completion = bucket.run(bucket.message(source_uri=uri))
        assert completion.error is not None
        assert completion.error.code == "SOURCE_NOT_ALLOWED"
    assert bucket.proxy.seen == []
    eves = bucket.message(source_uri=bucket.other).model_copy(update={"owner": "eve"})
    assert bucket.run(eves).status == "completed"


def test_a_full_disk_stops_the_fetch(bucket: BucketBench) -> None:
    bucket.put()
    bucket.bench.keep_free(shutil.disk_usage("/").total * 2)
    with pytest.raises(NoSpace, match=r"are to be fetched, .* agent\.min_free_bytes"):
        bucket.run(bucket.message())


@pytest.mark.parametrize("part", [0, 3])
def test_a_cancellation_ends_a_fetch_that_hangs(bucket: BucketBench, part: int) -> None:
    bucket.put()
    reached, released = threading.Event(), threading.Event()

    def hang(_: object = None) -> None:
        reached.set()
        released.wait(60)

    if part:
        bucket.on_part(part, hang)
    else:
        bucket.proxy.before = hang  # the first request
    message = bucket.message()
    job = Job(message.request_id, 0.0)

    def cancel() -> None:
        assert reached.wait(60)
        job.cancel()

    end = bucket.bench.attempt(message, job, cancel)
    released.set()
    assert isinstance(end, CompletionMessage)
    assert end.status == "cancelled"
    assert not bucket.bench.spool_of(message).exists()


def test_a_long_fetch_is_reported_to_the_api(bucket: BucketBench) -> None:
    bucket.put()
    message, released = bucket.message(), threading.Event()
    job = Job(message.request_id, 0.0)
    bucket.on_part(3, lambda: (released.wait(60), None)[1])

    def watch() -> None:
        eventually(lambda: job.stage == "probing" and job.seq > 5, "reports")
        released.set()

    end = bucket.bench.attempt(message, job, watch)
    assert isinstance(end, CompletionMessage)
    assert end.status == "completed"


def test_parts_of_a_reel_share_what_is_fetched(bucket: BucketBench) -> None:
    path = bucket.put()
    parts = [{"start_seconds": 10, "end_seconds": 12}, {"start_seconds": 50, "end_seconds": 51}]
    there = [{**part, "source_uri": bucket.uri, "nas_video_path": None} for part in parts]
    shutil.copy(path, bucket.bench.recording)
    found = [_run_reel(bucket.bench, bucket.bench.reel(*clips, mode="copy")) for clips in (parts, there)]
    assert found[0].sha256 == found[1].sha256
    assert bucket.read_bytes < path.stat().st_size / 2
    assert sum(1 for begin, _ in bucket.ranges if begin == 0) == 1


def _run_reel(bench: Bench, message: ReelMessage) -> CompletionMessage:
    return bench.runner.run(message, Job(message.request_id, 0.0), attempt=1)


def test_a_recording_in_cloud_storage_is_cut_alike(
    tmp_path: Path,
    engine: Engine,
    broker: BrokerProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", broker.host_port)
    with FakeGcs() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
        name, path = server.bucket(), make(LARGE)
        url = f"{server.url}/upload/storage/v1/b/{name}/o"
        query = {"uploadType": "media", "name": KEY}
        requests.post(url, params=query, data=path.read_bytes(), timeout=60).raise_for_status()
        bench = Bench(tmp_path, engine, sources=[{"prefix": f"gs://{name}/"}])
        there = bench.message(nas_video_path=None, source_uri=f"gs://{name}/{KEY}")
        shutil.copy(path, bench.recording)
        found = [
            bench.runner.run(one, Job(one.request_id, 0.0), attempt=1) for one in (there, bench.message())
        ]
        bench.close()
    assert found[0].sha256 == found[1].sha256
    assert found[0].report is not None
    assert found[0].report.source is not None
    assert (found[0].report.source.etag or "").isdigit()


def _with_remote_checkpoints(bucket: BucketBench, uploads: CheckpointUploads, state: Path) -> JobRunner:
    """Another agent with the same store."""
    runner, settings = bucket.bench.runner, bucket.bench.settings
    local = Checkpoints(state, most_bytes=settings.current.checkpoints.max_bytes)
    kept = EncodeCheckpoints(settings, local, NoLease(), SystemClock(), uploads)
    return replace(runner, maker=replace(runner.maker, checkpoints=kept))


@pytest.mark.slow
def test_another_agent_resumes_a_long_encode(bucket: BucketBench, tmp_path: Path) -> None:
    bucket.put()
    message = bucket.message(mode="encode", start_seconds=20, end_seconds=36)
    job = Job(message.request_id, 0.0)
    ends: list[BaseException] = []
    with closing_all(CheckpointUploads(bucket.bench.store, tmp_path / f"up-{n}") for n in (1, 2)) as uploads:
        one, two = (
            _with_remote_checkpoints(bucket, each, tmp_path / f"agent-{n}") for n, each in enumerate(uploads)
        )

        def first() -> None:
            try:
                one.run(message, job, attempt=1)
            except GivenBack as error:
                ends.append(error)

        thread = threading.Thread(target=first)
        thread.start()
        eventually(lambda: _stored_segments(bucket, message.request_id) >= 2, "segments", within=60)
        job.give_back()
        thread.join(60)
        assert len(ends) == 1
        resumed = Job(message.request_id, 0.0)
        completion = two.run(message, resumed, attempt=2)
    assert completion.status == "completed"
    assert resumed.checkpoint is not None
    assert resumed.checkpoint.resumed_count == 1
    target = tmp_path / "clip.mp4"
    assert bucket.bench.store.download(bucket.bench.clips()[0], target) is not None
    assert numbers(target) == list(range(20 * RATE, 36 * RATE))


@contextmanager
def closing_all(opened: Iterable[CheckpointUploads]) -> Iterator[list[CheckpointUploads]]:
    uploads = list(opened)
    for one in uploads:
        one.start()
    yield uploads
    for one in uploads:
        one.close(20)


def _stored_segments(bucket: BucketBench, request_id: str) -> int:
    found = look(bucket.bench.store, request_id)
    return 0 if found is None or found.checkpoint is None else found.checkpoint.segment


class TestUploads:
    """Of a local store: files that are read where they are."""

    @pytest.fixture
    def upload(self, bench: Bench) -> Path:
        path = Path(bench.store.uri(f"{upload_folder('t')}u/night.mp4").removeprefix("file://"))
        path.parent.mkdir(parents=True)
        shutil.copy(bench.recording, path)
        return path

    def code(self, bench: Bench, uri: str) -> str | None:
        message = bench.message(nas_video_path=None, source_uri=uri)
        completion = bench.runner.run(message, Job(message.request_id, 0.0), attempt=1)
        return completion.error.code if completion.error else None

    def test_a_callers_own_upload_is_cut(self, bench: Bench, upload: Path) -> None:
        assert self.code(bench, upload.as_uri()) is None
        assert self.code(bench, upload.with_name("missing.mp4").as_uri()) == "SOURCE_NOT_FOUND"

    def test_links_are_not_followed(self, bench: Bench, upload: Path) -> None:
        link = upload.with_name("link.mp4")
        link.symlink_to(bench.recording)
        assert self.code(bench, link.as_uri()) == "SOURCE_NOT_FOUND"
        folder = upload.parent.with_name("v")
        folder.symlink_to(bench.recording.parent)
        assert self.code(bench, (folder / bench.recording.name).as_uri()) == "SOURCE_NOT_FOUND"

    def test_nothing_else_is_read(self, bench: Bench, upload: Path) -> None:
        assert self.code(bench, bench.recording.as_uri()) == "SOURCE_NOT_ALLOWED"
        folder = upload.parent.parent.as_uri()
        assert self.code(bench, f"{folder}/u/night.mp4@/1") == "SOURCE_NOT_FOUND"
        assert self.code(bench, f"{folder}/u") == "SOURCE_NOT_ALLOWED"
        assert self.code(bench, folder) == "SOURCE_NOT_ALLOWED"
