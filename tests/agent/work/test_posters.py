"""A finished clip gets a poster and a contact sheet beside it; one that can't be made is left out."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image
from prometheus_client import REGISTRY

from agent.cutting import Engine, EngineSettings
from agent.specs import cut_spec
from agent.work.job import Job
from agent.work.posters import waits
from clipping.contract.messages import CompletionMessage
from clipping.contract.reel import WorkMessage
from tests.agent.bench import Bench
from tests.support.broker import BrokerProcess
from tests.support.waiting import eventually

TILE = (240, 150)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = Engine(EngineSettings(posters=True))
    engine.start()
    yield engine
    engine.close()


@pytest.fixture
def posters(
    tmp_path: Path, engine: Engine, broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    """A bench with the default of `cutting.poster`, which waits for posters on a busy machine, too."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", broker.host_port)
    monkeypatch.setattr("agent.work.posters.LEAST_SECONDS", 60.0)
    bench = Bench(tmp_path, engine, cutting={})
    yield bench
    bench.close()


def run(bench: Bench, message: WorkMessage, *, attempt: int = 1) -> CompletionMessage:
    completion = bench.runner.run(message, Job(message.request_id, 0.0), attempt=attempt)
    assert completion.status == "completed"
    return completion


def keys(bench: Bench, folder: str = "clips") -> list[str]:
    return [info.key for info in bench.store.list(f"{folder}/", limit=100).objects]


def image(bench: Bench, key: str, folder: Path) -> Image.Image:
    assert bench.store.download(key, folder / "image") is not None
    return Image.open(io.BytesIO((folder / "image").read_bytes()))


def left_out() -> float:
    return REGISTRY.get_sample_value("clipping_posters_total", {"result": "left_out"}) or 0.0


def test_a_clip_has_its_posters_beside_it(posters: Bench, tmp_path: Path) -> None:
    message = posters.message(end_seconds=21)
    completion = run(posters, message)
    stem = f"clips/h/{message.request_id}"
    assert sorted(keys(posters)) == sorted([f"{stem}.mp4", f"{stem}.jpg", f"{stem}-sheet.jpg"])
    assert image(posters, f"{stem}.jpg", tmp_path).size == (320, 200)
    sheet = image(posters, f"{stem}-sheet.jpg", tmp_path)
    assert (sheet.format, sheet.size) == ("JPEG", (4 * TILE[0], 4 * TILE[1]))
    for link, key in (
        (completion.poster_url, f"{stem}.jpg"),
        (completion.contact_sheet_url, f"{stem}-sheet.jpg"),
    ):
        assert link is not None
        assert urlsplit(link).path.endswith(key)
        assert (
            parse_qs(urlsplit(link).query)["expires"]
            == parse_qs(urlsplit(completion.download_url or "").query)["expires"]
        )
    info = posters.store.stat(f"{stem}.jpg")
    assert info is not None
    assert info.content_type == "image/jpeg"
    assert info.metadata["request_id"] == message.request_id
    assert not posters.spool_of(message).exists()


def test_a_reel_and_an_upright_clip_have_theirs(posters: Bench, tmp_path: Path) -> None:
    reel = posters.reel(
        {"start_seconds": 1, "end_seconds": 3}, {"start_seconds": 9, "end_seconds": 12}, tsv=True
    )
    completion = run(posters, reel)
    stem = f"reels/best/{reel.request_id}"
    expected = [f"{stem}{end}" for end in ("-sheet.jpg", ".jpg", ".mp4", ".tsv")]
    assert sorted(keys(posters, "reels")) == expected
    assert completion.poster_url is not None
    short = posters.message(output={"aspect": "9:16", "height": 160}, mode="encode")
    run(posters, short)
    assert image(posters, f"shorts/h/{short.request_id}.jpg", tmp_path).size == (90, 160)


def test_an_adopted_clip_has_the_posters_that_are_there(posters: Bench) -> None:
    """Those that an agent had stored before it was killed: the clip is not fetched to make others."""
    message = posters.message()
    first = run(posters, message)
    posters.recording.unlink()
    again = run(posters, message, attempt=2)
    assert (again.sha256, again.poster_url is None) == (first.sha256, False)
    assert again.contact_sheet_url is not None
    posters.store.delete(f"clips/h/{message.request_id}-sheet.jpg")
    third = run(posters, message, attempt=3)
    assert (third.poster_url is None, third.contact_sheet_url) == (False, None)
    posters.store.delete(f"clips/h/{message.request_id}.jpg")
    fourth = run(posters, message, attempt=4)
    assert (fourth.poster_url, fourth.contact_sheet_url, fourth.sha256) == (None, None, first.sha256)


def test_the_posters_of_an_earlier_attempt_are_adopted(posters: Bench) -> None:
    message = posters.message()
    run(posters, message)
    posters.store.delete(f"clips/h/{message.request_id}.mp4")
    before = posters.store.stat(f"clips/h/{message.request_id}.jpg")
    assert run(posters, message, attempt=2).poster_url is not None
    assert posters.store.stat(f"clips/h/{message.request_id}.jpg") == before


def test_a_poster_that_cannot_be_stored_is_left_out(posters: Bench, tmp_path: Path) -> None:
    message, before = posters.message(), left_out()
    (tmp_path / "foreign").write_bytes(b"of another")
    key = f"clips/h/{message.request_id}.jpg"
    posters.store.create(key, tmp_path / "foreign", content_type="image/jpeg", metadata={})
    completion = run(posters, message)
    assert completion.poster_url is None
    assert completion.contact_sheet_url is not None
    assert left_out() == before + 1


def test_a_clip_that_is_renamed_before_its_posters_begin_has_them(
    posters: Bench, engine: Engine, tmp_path: Path
) -> None:
    """As on a busy machine, where the agent reads that the file is complete when it is verified already."""
    folder, message, before = tmp_path / "cut", posters.message(), left_out()
    folder.mkdir()

    def late(stage: str, _: float) -> None:
        if stage == "cutting":
            eventually(lambda: list(folder.glob("clip-*.mp4")), "the verified clip")

    with posters.runner.posters.of(message, folder) as work:
        clip = engine.cut(cut_spec(message), folder, progress=late, written=work.begin)
        assert not work.begun
        work.begin(clip.path)
        stored = work.deliver(posters.runner.courier.upload(clip, message, epoch=7), epoch=7)
    assert (sorted(stored.beside), left_out()) == (["contact_sheet", "poster"], before)


@pytest.mark.parametrize(("took", "seconds"), [(0.1, 2), (40, 2), (100, 5), (400, 20), (7200, 20)])
def test_how_long_a_link_waits(took: float, seconds: float) -> None:
    assert waits(took) == seconds


def test_agents_of_a_version_without_posters_find_the_clip(posters: Bench) -> None:
    """They take the first object that is no table and has these two, whose key begins so."""
    message = posters.message()
    run(posters, message)
    stem = f"clips/h/{message.request_id}"
    mine = {"request_id": message.request_id, "spec_hash": message.spec_hash()}
    listed = posters.store.list(f"{stem}.", limit=10).objects
    assert [info.key for info in listed if mine.items() <= info.metadata.items()] == [f"{stem}.mp4"]
    assert [info.key for info in listed] == [f"{stem}.jpg", f"{stem}.mp4"]


def test_a_clip_does_not_wait_for_its_posters(posters: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.work.posters.LEAST_SECONDS", -1.0)
    monkeypatch.setattr("agent.work.posters.SHARE", 0.0)
    message, before = posters.message(), left_out()
    completion = run(posters, message)
    assert (completion.poster_url, completion.contact_sheet_url) == (None, None)
    assert left_out() == before + 1
    assert not posters.spool_of(message).exists()


def test_without_cutting_poster_there_are_none(bench: Bench) -> None:
    message = bench.message()
    completion = run(bench, message)
    assert keys(bench) == [f"clips/h/{message.request_id}.mp4"]
    assert (completion.poster_url, completion.contact_sheet_url) == (None, None)
