"""Caption files: SubRip and WebVTT, read strictly."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipping.contract.caption_file import (
    MAX_AT_ONCE,
    MAX_BYTES,
    MAX_CHARACTERS,
    MAX_CUES,
    Cue,
    read_captions,
    trimmed_captions,
)
from clipping.contract.caption_markup import STYLES, Run, Style
from clipping.contract.choices import CaptionFormat

TIMES = "00:00:01,000 --> 00:00:02,500"


def texts(format: CaptionFormat, file: str) -> list[tuple[int, int, str]]:
    return [(cue.start, cue.end, cue.text) for cue in read_captions(format, file).cues]


def clock(milliseconds: int, point: str) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{rest:03}"


def written(format: CaptionFormat, cues: Sequence[Cue]) -> str:
    """A file with these captions."""
    parts = ["WEBVTT"] if format == "vtt" else []
    point = "," if format == "srt" else "."
    for number, cue in enumerate(cues, 1):
        text = ""
        for run in cue.runs:
            names = [name for name, style in STYLES.items() if style & run.style]
            inside = html.escape(run.text) if format == "vtt" else run.text
            text += "".join(f"<{name}>" for name in names) + inside
            text += "".join(f"</{name}>" for name in reversed(names))
        parts.append(f"{number}\n{clock(cue.start, point)} --> {clock(cue.end, point)}\n{text}")
    return "\n\n".join(parts) + "\n"


LETTERS = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp", "Zs"])


def words(format: CaptionFormat) -> st.SearchStrategy[str]:
    letters = LETTERS if format == "vtt" else LETTERS.filter(lambda letter: letter not in "<>")
    return st.text(letters, min_size=1, max_size=8)


@st.composite
def a_file(draw: st.DrawFn, format: CaptionFormat) -> list[Cue]:
    cues, start = [], 0
    for _ in range(draw(st.integers(1, 6))):
        start += draw(st.integers(0, 3_000_000))
        lines = draw(st.lists(st.lists(words(format), min_size=1, max_size=4), min_size=1, max_size=3))
        styles = draw(
            st.lists(st.integers(0, 7).map(Style), min_size=1, max_size=4, unique=True)
        )  # neighbours differ
        runs, pieces = [], [" ".join(line) for line in lines]
        for number, piece in enumerate(pieces):
            text = piece if number == len(pieces) - 1 else f"{piece}\n"
            style = styles[number % len(styles)]
            if runs and runs[-1].style == style:
                runs[-1] = Run(runs[-1].text + text, style)
            else:
                runs.append(Run(text, style))
        # A line break has the style of the line after it.
        for index in range(len(runs) - 1):
            if runs[index].text.endswith("\n"):
                runs[index] = Run(runs[index].text[:-1], runs[index].style)
                runs[index + 1] = Run(f"\n{runs[index + 1].text}", runs[index + 1].style)
        cues.append(Cue(start, start + draw(st.integers(1, 10_000)), tuple(runs)))
    return cues


@given(a_file("vtt"))
def test_webvtt_is_read_as_it_was_written(cues: list[Cue]) -> None:
    assert list(read_captions("vtt", written("vtt", cues)).cues) == cues


@given(a_file("srt"))
def test_subrip_is_read_as_it_was_written(cues: list[Cue]) -> None:
    file = written("srt", cues)
    for text in (file, f"\ufeff{file}", file.replace("\n", "\r\n"), file.replace("\n", "\r"), file.rstrip()):
        assert list(read_captions("srt", text).cues) == cues


@given(
    st.sampled_from(["srt", "vtt"]), st.text(st.sampled_from("0123:,.-> \nWEBVTT<>/biNOTE&;\r"), max_size=60)
)
def test_any_text_is_read_or_refused_with_a_reason(format: CaptionFormat, text: str) -> None:
    try:
        cues, problem = read_captions(format, text).cues, None
    except ValueError as error:
        cues, problem = (), str(error)
    assert problem is None or (problem.startswith(("line ", "must ")) and "must" in problem)
    assert all(cue.start < cue.end and cue.text.strip() for cue in cues)


@given(a_file("vtt"), st.integers(0, 9_000_000), st.integers(1, 9_000_000))
def test_a_trimmed_file_has_what_is_shown_in_the_part(cues: list[Cue], start: int, length: int) -> None:
    end = start + length
    file = written("vtt", cues)
    found = trimmed_captions("vtt", file, start, end)
    kept = [
        Cue(max(cue.start, start) - start, min(cue.end, end) - start, cue.runs)
        for cue in cues
        if cue.start < end and cue.end > start
    ]
    if not kept:
        assert found is None
    else:
        assert found is not None
        assert len(found) <= len(file)
        assert list(read_captions("vtt", found).cues) == sorted(kept, key=lambda cue: cue.start)


@pytest.mark.parametrize(
    "text", ["% , : ' \\ {} {\\an8} \\N", "축구 日本 λ Ж", "a < b > c & &amp; &lt;i&gt;"]
)
def test_subrip_has_no_escapes(text: str) -> None:
    assert texts("srt", f"1\n{TIMES}\n{text}") == [(1000, 2500, text)]


def test_subrip_without_numbers_and_with_tags() -> None:
    file = (
        f"{TIMES}  X1:10 X2:20 Y1:1 Y2:2\n - <I>Hi</I> <font color='red'>you</FONT>\n\n \t\n\n"
        "7\n1:00:00.000 --> 1:00:01,000\n<b><i>both</i> bold\n\nplain".replace("\n\nplain", "</b> plain")
    )
    found = read_captions("srt", file)
    assert found.cues == (
        Cue(1000, 2500, (Run("- "), Run("Hi", Style.ITALIC), Run(" you"))),
        Cue(
            3_600_000,
            3_601_000,
            (Run("both", Style.BOLD | Style.ITALIC), Run(" bold", Style.BOLD), Run(" plain")),
        ),
    )
    assert found.ignored == ("positions", "fonts and colours")


def test_webvtt_with_all_that_it_may_have() -> None:
    file = (
        "WEBVTT - title\nKind: captions\n\nNOTE\na note\n\nSTYLE\n::cue(b) { color: red }\n\n"
        "first one\n00:01.000 --> 00:02.500 line:0 align:start\n<v Ann>Hi &amp; <b.loud>bye</b> &lt;i&gt;\n"
        "<00:00:01.500><c>there</c>&nbsp;<lang ko>안녕</lang>\n\n"
        "NOTE behind\n\n00:59:59.000 --> 01:00:00.000\n<ruby>漢<rt>han</rt></ruby>"
    )
    found = read_captions("vtt", file)
    assert [(cue.start, cue.end, cue.text) for cue in found.cues] == [
        (1000, 2500, "Hi & bye <i>\nthere\u00a0안녕"),
        (3_599_000, 3_600_000, "漢han"),
    ]
    assert found.cues[0].runs[1] == Run("bye", Style.BOLD)
    assert set(found.ignored) == {
        "styles",
        "positions",
        "voices",
        "classes",
        "times of words",
        "languages",
        "ruby",
    }


def test_captions_are_in_the_order_of_their_starts() -> None:
    file = f"1\n00:00:05,000 --> 00:00:06,000\nlater\n\n2\n{TIMES}\nearlier"
    assert [text for _, _, text in texts("srt", file)] == ["earlier", "later"]


WRONG: list[tuple[CaptionFormat, str, str]] = [
    ("srt", "", "must have at least one caption"),
    ("srt", " \n\n", "must have at least one caption"),
    ("vtt", "WEBVTT\n\nNOTE nothing\n", "must have at least one caption"),
    ("srt", "1\n", "line 1: must be followed by the times of a caption"),
    ("srt", "1\n00:00:01 --> 00:00:02\nHi", "line 2: must be the times of a caption, such as 00:00:01,500"),
    ("srt", "1\n00:60:01,000 --> 01:00:02,000\nHi", "line 2: must be the times of a caption"),
    ("srt", f"1\n{TIMES} line:0\nHi", "line 2: must be the times of a caption"),
    ("srt", f"1\n{TIMES}\nHi\n\nyou", "line 5: must be the times of a caption"),
    (
        "srt",
        f"1\n{TIMES}\nHi\n2\n{TIMES}\nyou",
        "line 5: must not be text: separate captions by a blank line",
    ),
    ("srt", "1\n00:00:02,000 --> 00:00:02,000\nHi", "line 2: must end later than it starts"),
    ("srt", "1\n00:00:02,000 --> 00:00:01,000\nHi", "line 2: must end later than it starts"),
    ("srt", f"1\n{TIMES}\n\n2\n{TIMES}\nHi", "line 2: must be followed by text, or be removed"),
    ("srt", f"1\n{TIMES}\n<i> </i>", "line 2: must be followed by text"),
    ("srt", f"1\n{TIMES}\na\x00b", "line 3: must not contain control characters"),
    ("srt", f"1\n{TIMES}\na\u2028b", "line 3: must not contain control characters"),
    ("srt", f"1\n{TIMES}\n\ud800", "must be valid Unicode"),
    (
        "srt",
        f"1\n{TIMES}\n{'a' * (MAX_CHARACTERS + 1)}",
        f"line 2: must be followed by at most {MAX_CHARACTERS}",
    ),
    ("srt", "x" * MAX_BYTES + "축", f"must be at most {MAX_BYTES} bytes long in UTF-8"),
    ("srt", f"{TIMES}\na\n\n" * (MAX_CUES + 1), f"must have at most {MAX_CUES} captions"),
    (
        "srt",
        f"{TIMES}\na\n\n" * (MAX_AT_ONCE + 1),
        f"line {3 * MAX_AT_ONCE + 1}: must not show more than {MAX_AT_ONCE} captions at once",
    ),
    ("vtt", "00:01.000 --> 00:02.000\nHi", "line 1: must be WEBVTT"),
    ("vtt", "WEBVTTS\n\n00:01.000 --> 00:02.000\nHi", "line 1: must be WEBVTT"),
    ("vtt", "WEBVTT\n00:01.000 --> 00:02.000\nHi", "line 2: must come after a blank line"),
    (
        "vtt",
        "WEBVTT\n\n00:01,000 --> 00:02,000\nHi",
        "line 3: must be the times of a caption, such as 00:01.500",
    ),
    ("vtt", "WEBVTT\n\nNOTE\n00:01.000 --> 00:02.000\nHi", "line 4: must not be part of a NOTE"),
    ("vtt", "WEBVTT\n\n00:01.000 --> 00:02.000\na --> b", "line 4: must not be text: separate captions"),
    (
        "vtt",
        "WEBVTT\n\n00:01.000 --> 00:02.000\nHi\na < b",
        "line 5: must not contain < without >: write &lt;",
    ),
]


@pytest.mark.parametrize(
    ("format", "file", "words"), WRONG, ids=[f"{row[0]}: {row[2][:50]}" for row in WRONG]
)
def test_an_error_names_the_line_and_the_fix(format: CaptionFormat, file: str, words: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(words)}"):
        read_captions(format, file)


def test_the_largest_files_are_read() -> None:
    times = [f"{clock(100 * n, ',')} --> {clock(100 * n + 100, ',')}" for n in range(MAX_CUES)]
    assert len(read_captions("srt", "\n\n".join(f"{line}\ntext" for line in times)).cues) == MAX_CUES
