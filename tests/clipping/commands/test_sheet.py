"""What a CSV file asks for, line by line."""

from __future__ import annotations

import pytest

from clipping.commands.run.sheet import BadSheet, Row, rows

HEAD = "hand_id,nas_video_path,start,end"


def read(text: str) -> list[Row]:
    return list(rows(text.splitlines(keepends=True)))


def test_a_line_is_a_clip() -> None:
    (row,) = read(f"{HEAD}\nhand-1,/nas/a.mp4,3:24:15.5,3:26:45\n")
    assert row.clip is not None
    assert (row.line, row.clip.body()) == (
        2,
        {
            "hand_id": "hand-1",
            "nas_video_path": "/nas/a.mp4",
            "start_seconds": "3:24:15.5",
            "end_seconds": "3:26:45",
        },
    )


def test_semicolons_separate_columns_as_well() -> None:
    head = HEAD.replace(",", ";")
    (row,) = read(f'{head};metadata.note\nhand-1;/nas/a,b.mp4;3:24:15.5;3:26:45;"one; two"\n')
    assert row.clip is not None
    body = row.clip.body()
    assert (body["nas_video_path"], body["end_seconds"]) == ("/nas/a,b.mp4", "3:26:45")
    assert body["metadata"] == {"note": "one; two"}


def test_a_recording_is_a_path_or_a_uri() -> None:
    head = "hand_id,nas_video_path,source_uri,start,end"
    path, uri, both = read(f"{head}\nh,/a.mp4,,1,2\nh,,s3://clips/a.mp4,1,2\nh,/a.mp4,s3://clips/a.mp4,1,2\n")
    assert path.clip is not None
    assert path.clip.body()["nas_video_path"] == "/a.mp4"
    assert uri.clip is not None
    assert uri.clip.body() == {
        "hand_id": "h",
        "source_uri": "s3://clips/a.mp4",
        "start_seconds": "1",
        "end_seconds": "2",
    }
    assert both.problem == "nas_video_path and source_uri are given: leave all but one empty"
    (only,) = read("hand_id,source_uri,start,end\nh,s3://clips/a.mp4,1,2\n")
    assert only.clip == uri.clip


def test_columns_may_be_in_any_order_and_empty() -> None:
    head = "end_seconds,metadata.table,mode,output.aspect,output.width,output.fps,start_seconds,hand_id,"
    text = f"{head}nas_video_path,pre_roll_seconds,client_item_id\n20,7,encode,9:16,540,25,10,h,/a.mp4,2,x\n"
    (row,) = read(text + "30,,,,,,20,h,/a.mp4,,\n")[:1]
    assert row.clip is not None
    assert row.clip.body() == {
        "hand_id": "h",
        "nas_video_path": "/a.mp4",
        "start_seconds": "10",
        "end_seconds": "20",
        "mode": "encode",
        "pre_roll_seconds": "2",
        "client_item_id": "x",
        "output": {"aspect": "9:16", "width": 540, "fps": 25.0},
        "metadata": {"table": "7"},
    }
    bare = read(text + "30,,,,,,20,h,/a.mp4,,\n")[1].clip
    assert bare is not None
    assert set(bare.body()) == {"hand_id", "nas_video_path", "start_seconds", "end_seconds"}


def test_effects_are_a_json_object() -> None:
    cells = ('"{""title"": {""name"": ""a, b""}}"', "", "[]")
    lines = "".join(f"h,/a.mp4,1,2,{cell}\n" for cell in cells)
    good, without, bad = read(f"{HEAD},effects\n{lines}")
    assert good.clip is not None
    assert good.clip.body()["effects"] == {"title": {"name": "a, b"}}
    assert without.clip is not None
    assert "effects" not in without.clip.body()
    assert (bad.clip, bad.problem.partition(",")[0]) == (None, "effects must be a JSON object")


def test_quotes_line_ends_and_blank_lines_are_csv() -> None:
    text = f'\ufeff{HEAD}\r\n\r\nh,"/nas/a, b ""c"".mp4",1,2\r\n , , , \r\n"h2","/nas/a\nb",1,2\r\n'
    found = read(text)
    assert [row.line for row in found] == [3, 6]
    assert found[0].clip is not None
    assert found[0].clip.nas_video_path == '/nas/a, b "c".mp4'


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("h,/a.mp4,1", "it has 3 fields, and the first line 5"),
        ("h,/a.mp4,1,2,3,4", "it has 6 fields"),
        ("h,,1,2,", "nas_video_path or source_uri or recording_id is empty"),
        (",,1,2,", "hand_id, nas_video_path or source_uri or recording_id is empty"),
        ("h,/a.mp4,1,2,wide", "output.width must be a number, not 'wide'"),
    ],
)
def test_an_invalid_line_has_an_error_and_the_next_is_read(line: str, words: str) -> None:
    bad, good = read(f"{HEAD},output.width\n{line}\nh2,/a.mp4,1,2,\n")
    assert (bad.clip, bad.line) == (None, 2)
    assert words in bad.problem
    assert good.clip is not None


def test_audio_is_true_or_false() -> None:
    lines = "".join(f"h,/a.mp4,1,2,{cell}\n" for cell in ("false", "TRUE", "", "no"))
    silent, audible, usual, bad = read(f"{HEAD},output.audio\n{lines}")
    assert [row.clip and row.clip.body().get("output") for row in (silent, audible, usual)] == [
        {"audio": False},
        {"audio": True},
        None,
    ]
    assert (bad.clip, bad.problem) == (None, "output.audio must be true or false, not 'no'")


@pytest.mark.parametrize("text", ["nan", "inf", "1e999", "fast"])
def test_a_rate_is_a_number(text: str) -> None:
    (row,) = read(f"{HEAD},output.fps\nh,/a.mp4,1,2,{text}\n")
    assert (row.clip, row.problem) == (None, f"output.fps must be a number, not {text!r}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the column hand_id is missing"),
        ("hand_id,start,end\n", "the column nas_video_path or source_uri or recording_id is missing"),
        (f"{HEAD},colour\n", "unknown column 'colour'"),
        (f"{HEAD},metadata.\n", "unknown column 'metadata.'"),
        (f"{HEAD},start_seconds\n", "the column start is duplicated"),
        (f'{HEAD}\nh,"/a,1,2\n', "line 2: not valid CSV"),
    ],
)
def test_an_invalid_file_is_refused(text: str, words: str) -> None:
    with pytest.raises(BadSheet) as caught:
        read(text)
    assert words in str(caught.value)
