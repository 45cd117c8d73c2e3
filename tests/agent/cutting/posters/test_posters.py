"""Posters and contact sheets of clips: what they show, how large they are, and what they can't be made of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from agent.cutting import Engine, EngineSettings
from agent.cutting.posters.make import look_of, posters_of
from agent.cutting.posters.orders import Posters
from agent.cutting.preview import PreviewSettings
from agent.cutting.reading.source import open_path
from clipping.errors import SourceCorrupt, SourceHasNoVideo, TimeLimit
from tests.agent.cutting.preview.recordings import HEVC, LONG_GOP, ONLY_AUDIO, TS, VARIABLE, changed
from tests.agent.cutting.preview.test_stills import number_in
from tests.support.media import HEIGHT, WIDTH, Recording, make

TILE = (240, 150)
"""Of frames of 320x200."""


def made(path: Path, folder: Path) -> Posters:
    with open_path(path) as clip:
        return posters_of(clip, folder, PreviewSettings(), encoded=False)


def images(posters: Posters) -> tuple[Image.Image, Image.Image]:
    with Image.open(posters.poster) as poster, Image.open(posters.sheet) as sheet:
        assert (poster.format, sheet.format) == ("JPEG", "JPEG")
        return poster.copy(), sheet.copy()


def tiles(sheet: Image.Image, size: tuple[int, int] = TILE) -> Iterator[Image.Image]:
    for top in range(0, sheet.height, size[1]):
        for left in range(0, sheet.width, size[0]):
            yield sheet.crop((left, top, left + size[0], top + size[1]))


@pytest.mark.parametrize("recording", [Recording(gop=12), LONG_GOP, TS, VARIABLE, HEVC])
def test_a_sheet_shows_frames_from_all_over_the_clip(recording: Recording, tmp_path: Path) -> None:
    poster, sheet = images(made(make(recording), tmp_path))
    assert poster.size == (WIDTH, HEIGHT)
    assert sheet.size == (4 * TILE[0], 4 * TILE[1])
    shown = [number_in(tile) for tile in tiles(sheet)]
    assert shown == sorted(set(shown))
    even = [recording.frames * (2 * n + 1) / 32 for n in range(16)]
    assert all(abs(one - other) <= recording.frames / 16 for one, other in zip(shown, even, strict=True))
    assert number_in(poster) == shown[0]


def test_a_clip_of_one_frame_has_a_sheet_of_one_tile(tmp_path: Path) -> None:
    path = changed(Recording(), tmp_path, "-frames:v", "1", "-an")
    poster, sheet = images(made(path, tmp_path))
    assert (poster.size, sheet.size) == ((WIDTH, HEIGHT), TILE)
    assert number_in(poster) == number_in(next(tiles(sheet))) == 0


def test_the_poster_is_no_black_frame(tmp_path: Path) -> None:
    fade = Recording(gop=25, filters="format=yuv420p,fade=in:st=2:d=0.1")
    poster, sheet = images(made(make(fade), tmp_path))
    looks = [look_of(tile) for tile in tiles(sheet)]
    assert looks[0].mean < 5
    assert looks[0].plain
    assert not look_of(poster).plain
    assert number_in(poster) > 50


def test_frames_are_turned_and_have_square_pixels(tmp_path: Path) -> None:
    turned = changed(Recording(), tmp_path, before=("-display_rotation", "90"))
    poster, sheet = images(made(turned, tmp_path))
    assert poster.size == (HEIGHT, WIDTH)
    assert sheet.size == (4 * TILE[1], 4 * TILE[0])
    upright, _ = images(made(make(Recording()), tmp_path))
    assert number_in(upright) in [number_in(poster.rotate(angle, expand=True)) for angle in (90, -90)]
    wide = Recording(filters="format=yuv420p,setsar=2")
    assert images(made(make(wide), tmp_path))[0].size == (2 * WIDTH, HEIGHT)


def test_large_frames_of_ten_bits_are_scaled(tmp_path: Path) -> None:
    options = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error:keyint=25")
    colors = ("-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc")
    hdr = Recording(
        seconds=1, audio=(), video=(*options, *colors), filters="scale=800:500,format=yuv420p10le"
    )
    poster, sheet = images(made(make(hdr), tmp_path))
    assert poster.size == (640, 400)
    assert sheet.width in (TILE[0], 2 * TILE[0], 3 * TILE[0], 4 * TILE[0])
    assert not look_of(poster).plain


def test_of_damage_and_of_audio_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(SourceHasNoVideo):
        made(make(ONLY_AUDIO), tmp_path)
    noise = tmp_path / "clip.mp4"
    noise.write_bytes(b"no clip" * 1000)
    with pytest.raises(SourceCorrupt):
        made(noise, tmp_path)


def test_they_are_made_in_a_process_that_ends_when_it_is_not_waited_for(tmp_path: Path) -> None:
    engine = Engine(EngineSettings(posters=True))
    engine.start(encodes=False)
    try:
        clip = make(Recording(gop=12))
        late = engine.posters(clip, tmp_path, encoded=False)
        with pytest.raises(TimeLimit):
            late.result(0)
        late.close()
        run = engine.posters(clip, tmp_path, encoded=False)
        poster, _ = images(run.result(60))
        run.close()
        assert poster.size == (WIDTH, HEIGHT)
    finally:
        engine.close()
