"""Where a request's objects are."""

from __future__ import annotations

import pytest

from clipping.store.layout import folder_of, output_key, stored_folder, upload_folder, upload_key

CLIP, REEL = "clip-20261120-8t3vq0z6m4k1h9pn", "reel-20261120-2c9w7n4x0d6s5hqm"


@pytest.mark.parametrize(
    ("request_id", "short", "key"),
    [
        (CLIP, False, f"clips/h/{CLIP}.mp4"),
        (CLIP, True, f"shorts/h/{CLIP}.mp4"),
        (REEL, False, f"reels/h/{REEL}.mp4"),
        (REEL, True, f"reels/h/{REEL}.mp4"),
    ],
)
def test_the_folder_follows_the_life_span(request_id: str, short: bool, key: str) -> None:
    assert output_key(request_id, "h", "mp4", short=short) == key
    assert key.startswith(folder_of(request_id, short=short) + "/")


@pytest.mark.parametrize(
    "root", ["gs://b/", "gs://b/clips/shorts/", "file:///srv/objects/clips/", "s3://clips/"]
)
@pytest.mark.parametrize("folder", ["clips", "shorts"])
def test_a_vertical_clip_of_an_earlier_version_is_found_below_clips(root: str, folder: str) -> None:
    uri = f"{root}{folder}/h/{CLIP}.mp4"
    assert stored_folder(uri, CLIP, "h", short=True) == folder
    assert stored_folder(uri, CLIP, "h", short=False) == "clips"


@pytest.mark.parametrize(
    "uri", ["", "file:///etc/passwd", f"gs://b/clips/other/{CLIP}.mp4", "gs://b/clips/h/other.mp4"]
)
def test_any_other_uri_leads_to_the_own_folder(uri: str) -> None:
    assert stored_folder(uri, CLIP, "h", short=True) == "shorts"
    assert stored_folder(uri, REEL, "h", short=False) == "reels"


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("table-7.mp4", "table-7.mp4"),
        ("Tör 1 (final).MP4", "Tor-1-final.MP4"),
        ("../../etc/passwd", "passwd"),
        ("C:\\videos\\table.mp4", "table.mp4"),
        ("videos/", "recording"),
        (".hidden", "recording.hidden"),
        ("...", "recording"),
        ("録画.mkv", "recording.mkv"),
        ("no extension", "no-extension"),
        ("a.b.c", "a.b.c"),
        ("x" * 255, "x" * 100),
        (f"x.{'y' * 250}", f"x.{'y' * 16}"),
        ("a%2fb?c#d.ts", "a-2fb-c-d.ts"),
    ],
)
def test_the_name_of_an_upload_is_fit_for_a_key(filename: str, name: str) -> None:
    key = upload_key("ada@example.com", "upl-20261120-0123456789abcdef", filename)
    assert key == f"{upload_folder('ada@example.com')}upl-20261120-0123456789abcdef/{name}"
