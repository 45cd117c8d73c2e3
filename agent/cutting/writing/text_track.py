"""The captions of a request as a text track of a clip.

Their bytes are written here: libavcodec's encoders take text as ASS, where `{`, `}` and `\\` have meanings.
"""

from __future__ import annotations

import html
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

from agent.cutting.formats.containers import MATROSKA, MOV, Container, captions_as
from agent.cutting.formats.header import Header
from agent.cutting.formats.media import StreamInfo
from agent.cutting.formats.packets import packet_of
from agent.cutting.plan.captions import Caption, captions_at, one_at_a_time
from agent.cutting.plan.plan import Plan
from agent.cutting.writing.muxer import Sink
from clipping.contract.caption_markup import STYLES, Run, Style

TRACK = StreamInfo(
    index=-1,
    kind="subtitle",
    codec="subrip",
    profile=None,
    time_base=Fraction(1, 1000),
    start=None,
    language=None,
    title="Captions",
    default=True,
    attached_picture=False,
)
"""What the track says about itself."""
_STYLES = (
    b"[Script Info]\r\nScriptType: v4.00+\r\nPlayResX: 384\r\nPlayResY: 288\r\n\r\n[V4+ Styles]\r\n"
    b"Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, "
    b"Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, "
    b"MarginL, MarginR, MarginV, Encoding\r\n"
    b"Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1\r\n\r\n"
    b"[Events]\r\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\r\n"
)
"""What libavcodec's encoders make the track's header from."""
_FONT, _FONT_SIZE, _WHITE = 1, 16, 0xFFFFFFFF
"""Of the header's style, which runs of another style repeat."""


def captions_within(plan: Plan, start: Fraction) -> tuple[Plan, list[Caption]]:
    """The captions of a copied clip that begins at `start`, and its plan: without them if it shows none.

    They count from the in-point. A copy begins before it, and a smart cut with the first frame after it.
    """
    lead = max(Fraction(0), plan.start - start)
    return in_track(plan, captions_at(plan.captions, plan.stop - start, lead=lead))


def in_track(plan: Plan, captions: Iterable[Caption]) -> tuple[Plan, list[Caption]]:
    """The captions with the times of a track, but for those that are too short for it; and the plan: without
    captions if none is left."""
    found = []
    for caption in captions:
        start, end = (round(at / TRACK.time_base) * TRACK.time_base for at in (caption.start, caption.end))
        if start < end:
            found.append(replace(caption, start=start, end=end))
    return (plan if found else replace(plan, captions=())), found


def add_captions(sink: Sink, container: Container, captions: Sequence[Caption]) -> None:
    """Give the clip a text track of what `in_track` returned: packets that are written when it is time."""
    if not captions:
        return
    stream = sink.converted(captions_as(container), TRACK, _STYLES)
    for caption, payload in _payloads(container, captions):
        packet = packet_of(payload)
        packet.time_base = TRACK.time_base
        packet.pts = packet.dts = int(caption.start / TRACK.time_base)
        packet.duration = int(caption.end / TRACK.time_base) - packet.pts
        sink.later(packet, stream)


def write_captions(target: Path, container: Container, captions: Sequence[Caption]) -> None:
    """A file of nothing but the text track of a clip in `container`. Raises as `Sink`."""
    with Sink(target, MOV if container.boxed else MATROSKA, 0, Header()) as sink:
        add_captions(sink, container, captions)


def _payloads(container: Container, captions: Sequence[Caption]) -> Iterator[tuple[Caption, bytes]]:
    match captions_as(container):
        case "mov_text":
            # A track of MP4 shows one sample at a time.
            for caption in one_at_a_time(captions):
                yield caption, _timed_text(caption.runs)
        case "webvtt":
            for caption in captions:
                yield caption, _tagged(caption.runs, partial(html.escape, quote=False))
        case _:
            for caption in captions:
                yield caption, _tagged(caption.runs, str)


def _timed_text(runs: Sequence[Run]) -> bytes:
    """A sample of 3GPP timed text (TS 26.245)."""
    text = "".join(run.text for run in runs).encode()
    sample = struct.pack(">H", len(text)) + text
    records, at = [], 0
    for run in runs:
        stop = at + len(run.text)
        if run.style != Style.PLAIN:
            records.append(struct.pack(">HHHBBI", at, stop, _FONT, run.style, _FONT_SIZE, _WHITE))
        at = stop
    if not records:
        return sample
    body = struct.pack(">H", len(records)) + b"".join(records)
    return sample + struct.pack(">I4s", 8 + len(body), b"styl") + body


def _tagged(runs: Sequence[Run], escaped: Callable[[str], str]) -> bytes:
    """As SubRip and WebVTT have it."""
    text = ""
    for run in runs:
        names = [name for name, style in STYLES.items() if style & run.style]
        opened, closed = "".join(f"<{name}>" for name in names), "".join(f"</{name}>" for name in names[::-1])
        text += f"{opened}{escaped(run.text)}{closed}"
    return text.encode()
