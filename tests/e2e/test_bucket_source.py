"""From a request by `source_uri` to the downloaded file, with real processes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.agent.work.bucket import KEY, LARGE
from tests.e2e.test_clip import download
from tests.support.media import make, numbers
from tests.support.seaweed import Seaweed
from tests.support.stack import RunningStack

RATE = 25


@pytest.mark.slow
def test_a_recording_in_a_bucket_is_cut(seaweed: Seaweed, nas: Path, tmp_path: Path) -> None:
    name = seaweed.bucket()
    seaweed.admin.put_object(Bucket=name, Key=KEY, Body=make(LARGE).read_bytes())
    source = {"endpoint": seaweed.url, "credentials": str(seaweed.credentials)}
    with RunningStack(tmp_path / "data", nas, sources=[{"prefix": f"s3://{name}/2026/", **source}]) as stack:
        asked = {"hand_id": "goal", "start_seconds": 40.2, "end_seconds": 43, "mode": "smart"}
        request_id = stack.ask(**asked, source_uri=f"s3://{name}/{KEY}")
        status = stack.wait(request_id)
        assert status["status"] == "completed", status
        assert status["report"]["source"]["size"] == make(LARGE).stat().st_size
        clip = tmp_path / "clip.mp4"
        clip.write_bytes(download(stack, request_id).content)
        assert hashlib.sha256(clip.read_bytes()).hexdigest() == status["sha256"]
        assert numbers(clip) == list(range(40 * RATE + 5, 43 * RATE))
        refused = stack.session.post(
            f"{stack.where['api_url']}/v1/clip/request",
            json={**asked, "source_uri": f"s3://{name}/elsewhere.mp4"},
            timeout=10,
        )
        assert refused.status_code == 400
        assert refused.json()["error"]["field"] == "source_uri"
