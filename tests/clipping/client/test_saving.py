"""Downloads that break off, that are not what was asked for, and files that are there already."""

from __future__ import annotations

import fcntl
import hashlib
import json
from pathlib import Path

import pytest

from clipping.client import ApiError, Client, NotSaved
from tests.clipping.client.moody import Answer, Moody

PIECE = 1 << 16
CLIP = bytes(range(256)) * (20 * PIECE // 256)
SIZE = len(CLIP)
ID = "clip-20261120-8t3vq0z6m4k1h9pn"


def answers(*files: Answer, sha256: str | None = None) -> list[Answer]:
    """A status, a link that leads to the same server, and what comes from there."""
    status = {
        "request_id": ID,
        "hand_id": "hand-1",
        "status": "completed",
        "output_uri": "s3://clips/x.mkv",
        "sha256": sha256 or hashlib.sha256(CLIP).hexdigest(),
        "created_at": "2026-11-20T08:15:30.123Z",
    }
    return [Answer(body=json.dumps(status).encode()), Answer(), *files]


def save(tmp_path: Path, *files: Answer, sha256: str | None = None, replace: bool = False) -> Moody:
    given = answers(*files, sha256=sha256)
    moody = Moody(*given)
    link = {
        "request_id": ID,
        "hand_id": "hand-1",
        "download_url": f"{moody.url}/clips/x.mkv?signature=1",
        "expires_at": "2026-11-27T08:15:30.123Z",
        "file_size_bytes": SIZE,
    }
    given[1] = Answer(body=json.dumps(link).encode())
    moody._answers[1] = given[1]
    with moody, Client(moody.url, key="secret") as client:
        saved = client.save(ID, tmp_path / "clip.mkv", replace=replace)
    assert (saved.path, saved.size) == (tmp_path / "clip.mkv", SIZE)
    assert saved.path.read_bytes() == CLIP
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mkv"]
    return moody


def whole(data: bytes = CLIP, *, announced: int = SIZE) -> Answer:
    return Answer(body=data, headers={"Content-Length": str(announced)})


def part(start: int, data: bytes | None = None) -> Answer:
    body = CLIP[start:] if data is None else data
    headers = {"Content-Range": f"bytes {start}-{SIZE - 1}/{SIZE}", "Content-Length": str(SIZE - start)}
    return Answer(206, body, headers)


def test_an_interrupted_download_is_resumed(tmp_path: Path) -> None:
    moody = save(
        tmp_path,
        whole(CLIP[: 3 * PIECE]),
        part(3 * PIECE, CLIP[3 * PIECE : 5 * PIECE]),
        Answer(cut=True),
        part(5 * PIECE),
    )
    ranges = [call.headers.get("Range") for call in moody.calls[2:]]
    assert ranges == [None, f"bytes={3 * PIECE}-", f"bytes={5 * PIECE}-", f"bytes={5 * PIECE}-"]
    # The link is valid for any client; the key is for the service only.
    assert [call.headers.get("Authorization") for call in moody.calls] == ["Bearer secret"] * 2 + [None] * 4


def test_a_file_of_an_earlier_call_is_used(tmp_path: Path) -> None:
    (tmp_path / "clip.mkv.part").write_bytes(CLIP[: 9 * PIECE])
    moody = save(tmp_path, part(9 * PIECE))
    assert moody.calls[2].headers["Range"] == f"bytes={9 * PIECE}-"


def test_a_file_that_was_complete_is_only_verified(tmp_path: Path) -> None:
    (tmp_path / "clip.mkv.part").write_bytes(CLIP)
    assert len(save(tmp_path, Answer(500)).calls) == 2


@pytest.mark.parametrize("left", [b"x" * (9 * PIECE), b"x" * SIZE, b"x" * (SIZE + 1)])
def test_a_part_of_another_clip_is_downloaded_again(tmp_path: Path, left: bytes) -> None:
    (tmp_path / "clip.mkv.part").write_bytes(left)
    files = [part(9 * PIECE), whole()] if len(left) < SIZE else [whole()]
    save(tmp_path, *files)


def test_a_store_without_ranges_sends_all_of_it_again(tmp_path: Path) -> None:
    save(tmp_path, whole(CLIP[: 3 * PIECE]), whole())


def test_a_corrupt_download_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(NotSaved, match="is corrupt: its SHA-256 is"):
        save(tmp_path, whole(), sha256="0" * 64)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mkv.part"]
    assert (tmp_path / "clip.mkv.part").read_bytes() == b""


def test_more_than_the_clip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotSaved, match="sends more than"):
        save(tmp_path, whole(CLIP + b"x", announced=SIZE + 1))


def test_a_link_that_is_refused_is_not_tried_again(tmp_path: Path) -> None:
    error = {"error": {"code": "EXPIRED", "message": "this download link was valid until noon"}}
    with pytest.raises(ApiError, match="valid until noon"):
        save(tmp_path, Answer(410, json.dumps(error).encode()))


def test_a_file_that_exists_stays_unless_it_is_to_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "clip.mkv").write_text("mine")
    with pytest.raises(NotSaved, match="exists: name another file, or replace it with --force"):
        save(tmp_path, whole())
    assert (tmp_path / "clip.mkv").read_text() == "mine"
    save(tmp_path, whole(), replace=True)


def test_two_downloads_do_not_write_one_file(tmp_path: Path) -> None:
    with (tmp_path / "clip.mkv.part").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(NotSaved, match="being written by another download"):
            save(tmp_path, whole())


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotSaved, match=r"gone/clip\.mkv\.part can't be written: No such file"):
        save(tmp_path / "gone", whole())
