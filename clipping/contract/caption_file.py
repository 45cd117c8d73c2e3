"""Reads the caption files of `effects.captions`: SubRip and WebVTT, strictly. Pure.

Errors are predicates of the text that name the line: "line 12: must …".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from clipping.contract.caption_markup import Run, without_srt_tags, without_vtt_tags
from clipping.contract.choices import CaptionFormat

MAX_BYTES = 256_000
MAX_CUES = 5_000
MAX_CHARACTERS = 1_000
"""Of one caption."""
MAX_AT_ONCE = 10
"""Captions that are shown at the same time."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")
_TIME = r"{hours}([0-5][0-9]):([0-5][0-9]){point}([0-9]{{3}})"
_SRT_TIME = _TIME.format(hours="([0-9]{1,3}):", point="[,.]")
_VTT_TIME = _TIME.format(hours="(?:([0-9]{1,3}):)?", point=r"\.")
_TIMES: dict[CaptionFormat, re.Pattern[str]] = {
    "srt": re.compile(rf"[ \t]*{_SRT_TIME}[ \t]*-->[ \t]*{_SRT_TIME}(?:[ \t]+(.*))?"),
    "vtt": re.compile(rf"[ \t]*{_VTT_TIME}[ \t]*-->[ \t]*{_VTT_TIME}(?:[ \t]+(.*))?"),
}
_EXAMPLES: dict[CaptionFormat, str] = {
    "srt": "00:00:01,500 --> 00:00:04,000",
    "vtt": "00:01.500 --> 00:04.000",
}
_PLACE = re.compile(r"(?:[XY][12]:-?[0-9]+[ \t]*)*")
"""Behind the times in SubRip."""
_NUMBER = re.compile(r"[ \t]*[0-9]+[ \t]*")
_HEADING = re.compile(r"WEBVTT(?:[ \t].*)?")
_NOTE = re.compile(r"NOTE(?:[ \t].*)?")
_DEFINITION = re.compile(r"(STYLE|REGION)[ \t]*")


@dataclass(frozen=True)
class Cue:
    """One caption. Times in milliseconds from the start of the clip."""

    start: int
    end: int
    runs: tuple[Run, ...]
    """Its lines are separated by `\\n`; none is blank."""

    @property
    def text(self) -> str:
        """Without styles."""
        return "".join(run.text for run in self.runs)


@dataclass(frozen=True)
class CaptionFile:
    """The content of a caption file."""

    cues: tuple[Cue, ...]
    """In the order of their starts."""
    ignored: tuple[str, ...]
    """What else the file says about them, as nouns: `positions`, `fonts and colours` …"""


@dataclass(frozen=True)
class _Block:
    """A caption, by the numbers of lines from 0."""

    first: int
    times: int
    stop: int
    start: int
    """Milliseconds."""
    end: int
    settings: str


def read_captions(format: CaptionFormat, text: str) -> CaptionFile:
    """The captions of a file with this content. Raises `ValueError`."""
    _check(text)
    lines = _lines(text)
    ignored: dict[str, None] = {}
    cues, numbers = [], []
    for block in _blocks(format, lines, ignored):
        numbers.append(block.times + 1)
        if len(numbers) > MAX_CUES:
            raise ValueError(f"must have at most {MAX_CUES} captions")
        if block.settings:
            ignored["positions"] = None
        payload = "\n".join(lines[block.times + 1 : block.stop])
        read = without_srt_tags if format == "srt" else without_vtt_tags
        runs = tuple(read(payload, block.times + 2, ignored))
        cue = Cue(block.start, block.end, runs)
        if not cue.text:
            raise ValueError(f"line {numbers[-1]}: must be followed by text, or be removed")
        if len(cue.text) > MAX_CHARACTERS:
            raise ValueError(
                f"line {numbers[-1]}: must be followed by at most {MAX_CHARACTERS} characters: "
                "make several captions of it"
            )
        cues.append(cue)
    if not cues:
        raise ValueError("must have at least one caption")
    order = sorted(range(len(cues)), key=lambda number: cues[number].start)
    _check_overlaps([(cues[number], numbers[number]) for number in order])
    return CaptionFile(tuple(cues[number] for number in order), tuple(ignored))


def trimmed_captions(format: CaptionFormat, text: str, start: int, end: int) -> str | None:
    """The file for a part of the clip: from `start` to `end`, in milliseconds. None when it has no caption.

    Everything but the times stays as it is. `text` must be valid.
    """
    lines = _lines(text)
    kept: list[list[str]] = [["WEBVTT"]] if format == "vtt" else []
    for block in _blocks(format, lines, {}):
        begin, stop = max(block.start, start) - start, min(block.end, end) - start
        if begin < stop:
            times = _rewritten(format, lines[block.times], begin, stop)
            kept.append([*lines[block.first : block.times], times, *lines[block.times + 1 : block.stop]])
    if len(kept) == (format == "vtt"):
        return None
    return "\n\n".join("\n".join(each) for each in kept) + "\n"


def _check(text: str) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode") from None
    if size > MAX_BYTES:
        raise ValueError(f"must be at most {MAX_BYTES} bytes long in UTF-8")
    found = _CONTROL.search(text)
    if found is not None:
        number = len(_lines(text[: found.start()]))
        raise ValueError(f"line {number}: must not contain control characters")


def _lines(text: str) -> list[str]:
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _blocks(format: CaptionFormat, lines: Sequence[str], ignored: dict[str, None]) -> Iterator[_Block]:
    """The captions, in the file's order. Raises `ValueError`."""
    begin = _behind_heading(lines) if format == "vtt" else 0
    for first, stop in _parts(format, lines, begin):
        if format == "vtt" and _passed_over(lines, first, stop, ignored):
            continue
        times = first + _has_name(format, lines[first])
        if times == stop:
            raise ValueError(
                f"line {stop}: must be followed by the times of a caption, such as {_EXAMPLES[format]}"
            )
        found = _TIMES[format].fullmatch(lines[times])
        if found is None or (format == "srt" and not _PLACE.fullmatch(found[9] or "")):
            raise ValueError(f"line {times + 1}: must be the times of a caption, such as {_EXAMPLES[format]}")
        for number in range(times + 1, stop):
            if _TIMES[format].fullmatch(lines[number]) or (format == "vtt" and "-->" in lines[number]):
                raise ValueError(f"line {number + 1}: must not be text: separate captions by a blank line")
        start, end = _milliseconds(found.groups()[:4]), _milliseconds(found.groups()[4:8])
        if end <= start:
            raise ValueError(f"line {times + 1}: must end later than it starts")
        yield _Block(first, times, stop, start, end, (found[9] or "").strip())


def _behind_heading(lines: Sequence[str]) -> int:
    if not _HEADING.fullmatch(lines[0]):
        raise ValueError("line 1: must be WEBVTT")
    for number, line in enumerate(lines):
        if not line:
            return number
        if "-->" in line:
            raise ValueError(f"line {number + 1}: must come after a blank line")
    return len(lines)


def _parts(format: CaptionFormat, lines: Sequence[str], begin: int) -> Iterator[tuple[int, int]]:
    """Where lines that are not blank begin and end."""
    first = None
    for number in range(begin, len(lines) + 1):
        # A line of spaces belongs to a caption in WebVTT.
        blank = number == len(lines) or not (lines[number].strip() if format == "srt" else lines[number])
        if not blank and first is None:
            first = number
        elif blank and first is not None:
            yield first, number
            first = None


def _passed_over(lines: Sequence[str], first: int, stop: int, ignored: dict[str, None]) -> bool:
    """Whether a part of a WebVTT file is no caption."""
    kind = "NOTE" if _NOTE.fullmatch(lines[first]) else ""
    if defined := _DEFINITION.fullmatch(lines[first]):
        kind = defined[1]
        ignored["styles" if kind == "STYLE" else "positions"] = None
    for number in range(first, stop) if kind else ():
        if "-->" in lines[number]:
            raise ValueError(f"line {number + 1}: must not be part of a {kind}: put a blank line before it")
    return bool(kind)


def _has_name(format: CaptionFormat, line: str) -> bool:
    return bool(_NUMBER.fullmatch(line)) if format == "srt" else "-->" not in line


def _milliseconds(parts: Sequence[str | None]) -> int:
    hours, minutes, seconds, milliseconds = (int(part or 0) for part in parts)
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + milliseconds


def _rewritten(format: CaptionFormat, line: str, start: int, end: int) -> str:
    """The line with other times, none later than before: so it does not become longer."""
    found = _TIMES[format].fullmatch(line)
    assert found is not None
    for group, milliseconds in ((8, end), (4, start)):  # from behind, so that places stay valid
        seconds, thousandths = divmod(milliseconds, 1000)
        hours = found[group - 3]
        new = f"{seconds // 60 % 60:02}:{seconds % 60:02}{line[found.start(group) - 1]}{thousandths:03}"
        if hours is not None:
            new = f"{seconds // 3600:0{len(hours)}}:{new}"
        begin = found.start(group - 2 if hours is None else group - 3)
        line = line[:begin] + new + line[found.end(group) :]
    return line


def _check_overlaps(cues: Sequence[tuple[Cue, int]]) -> None:
    ends: list[int] = []
    for cue, number in cues:
        while ends and ends[0] <= cue.start:
            heappop(ends)
        heappush(ends, cue.end)
        if len(ends) > MAX_AT_ONCE:
            raise ValueError(f"line {number}: must not show more than {MAX_AT_ONCE} captions at once")
