"""A request is planned through the API, as `clipping up` sets it up, and is then what was planned."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipping.cli import main
from clipping.client import Client, NewClip, Refused
from clipping.contract.plan import ClipPlan
from tests.support.stack import RunningStack


@pytest.mark.slow
def test_a_clip_of_the_service_is_what_was_planned(
    stack: RunningStack, nas: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url, key = stack.where["api_url"], stack.where["api_key"]
    with Client(url, key=key) as client:
        before = len(list(client.clips()))
        for name, mode in (("night.mp4", "smart"), ("night.ts", "copy")):
            clip = NewClip("hand-1", str(nas / name), "0:11.3", "0:14.5", pre_roll_seconds=1, mode=mode)
            plan = client.plan(clip)
            made = client.wait(client.request(clip).request_id, timeout=60)
            assert made.report is not None
            actual = made.report.actual
            assert (plan.in_, plan.out, plan.mode) == (actual.start, actual.end, made.report.mode)
            assert plan.estimated_bytes == pytest.approx(made.file_size_bytes, rel=0.05)
        with pytest.raises(Refused) as refused:
            client.plan(NewClip("hand-1", str(nas / "night.mp4"), 70, 75))
        assert (refused.value.status, refused.value.code) == (422, "RANGE_BEYOND_END")
        upload = client.upload(nas / "night.mp4")
        uploaded = NewClip("h", None, "0:11.3", "0:14.5", source_uri=upload.source_uri, pre_roll_seconds=1)
        assert client.plan(uploaded).in_ == 10.0
        assert len(list(client.clips())) == before + 2, "plans are not requests"

    connection = ["--url", url, "--key", key]
    capsys.readouterr()
    arguments = ["plan", str(nas / "night.mp4"), "0:11.3", "0:14.5", "--pre-roll", "1"]
    assert main([*arguments, *connection]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        "copy: 4.520 s, 113 frames",
        "from 0:00:10.000 (0.300 s before the in-point, at a keyframe) to 0:00:14.520",
    ]
    assert main([*arguments, "--mode", "smart", "--json", *connection]) == 0
    assert ClipPlan.model_validate_json(capsys.readouterr().out).mode == "smart"
