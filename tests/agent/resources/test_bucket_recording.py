"""What is fetched first is enough for clips of an ordinary recording, wherever they begin."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from agent.cutting import CutSpec, Engine
from agent.resources.bucket_recording import BucketRecording
from clipping.contract.choices import Mode
from clipping.store.ranges import ObjectReader
from clipping.store.s3_client import Endpoint
from clipping.store.s3_ranges import S3Ranges
from tests.agent.work.bucket import LARGE
from tests.support.media import make
from tests.support.seaweed import Seaweed

STARTS = ("40", "40.001", "41.5", "41.96", "42", "0", "57.5")


@pytest.fixture
def recording(seaweed: Seaweed, s3_bucket: str, engine: Engine, tmp_path: Path) -> Iterator[BucketRecording]:
    seaweed.admin.put_object(Bucket=s3_bucket, Key="x.mp4", Body=make(LARGE).read_bytes())
    bucket = S3Ranges(s3_bucket, Endpoint(seaweed.url, credentials=seaweed.credentials), setting="sources")
    reader = ObjectReader(f"s3://{s3_bucket}/x.mp4", bucket, "x.mp4")
    opened = BucketRecording(reader, tmp_path / "parts", engine.cache, alive=lambda: None, min_free_bytes=0)
    yield opened
    opened.close()
    bucket.close()
    seaweed.empty(s3_bucket)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["copy", "smart"])
def test_the_first_parts_are_enough(
    recording: BucketRecording, engine: Engine, tmp_path: Path, mode: Mode
) -> None:
    for text in STARTS:
        start = Fraction(text)
        spec = CutSpec(make(LARGE), start, start + 1, mode, "high")
        with recording.open((start, start + 1)) as source:
            assert source.present is not None
            found = engine.cut(spec, tmp_path, progress=lambda *_: None, source=source)
        assert found.sha256 == engine.cut(spec, tmp_path, progress=lambda *_: None).sha256
        assert not found.report.warnings
