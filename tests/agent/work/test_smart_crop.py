"""A smart crop's keyframes reach the caller, and come back as a request."""

from __future__ import annotations

from math import sin

import numpy as np
import pytest

from agent.work.job import Job
from tests.agent.bench import Bench
from tests.agent.cutting.effects.moving import Scene, video


@pytest.mark.slow
def test_the_completion_has_the_keyframes_and_a_request_can_send_them(bench: Bench) -> None:
    recording = bench.recording.with_name("match.mp4")
    video([(Scene(lambda t: 0.5 + 0.35 * sin(2 * t)), 3)], (320, 180), 25, recording)
    asked = {"nas_video_path": str(recording), "start_seconds": 0, "end_seconds": 2.8}
    smart = bench.message(**asked, output={"aspect": "9:16", "fit": "smart_crop", "width": 90})
    completion = bench.runner.run(smart, Job(smart.request_id, 0.0), attempt=1)
    assert completion.report is not None
    framing = completion.report.framing
    assert framing is not None
    assert np.ptp([key.x for key in framing.keyframes]) > 100
    (published,) = bench.published()
    assert published.report == completion.report
    again = bench.message(**asked, effects={"framing": framing.model_dump(mode="json")})
    report = bench.runner.run(again, Job(again.request_id, 0.0), attempt=1).report
    assert report is not None
    assert (report.framing, report.video) == (None, completion.report.video)
