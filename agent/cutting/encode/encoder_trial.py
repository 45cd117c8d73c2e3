"""Test encodes: which encoders work on this machine, on which GPUs, and in which rate modes."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import ffmpeg

from agent.cutting.encode.encoder_options import (
    TAGS,
    Means,
    compiled,
    encoding,
    finished,
    keyframe_options,
    name_option,
    time_base_option,
)
from agent.cutting.encode.ffmpeg import Answer, ask
from agent.cutting.encode.render_nodes import NO_FOLDER, gpus_here, unusable
from agent.cutting.plan.encoder_choice import MODES, Trial
from agent.cutting.plan.encoder_refusals import Refused, refusal
from agent.cutting.plan.encoders import (
    CANDIDATES,
    EncoderName,
    RateCap,
    RateMode,
    Wanted,
    families,
    family,
    video_arguments,
)
from agent.cutting.reading.source import decoder_options, url
from clipping.errors import EncoderFailed

TRIAL_SECONDS = 20.0
TRIAL_FRAMES = 10
_FRAME = Fraction(1, 25)
_KEYFRAME = 5 * _FRAME
_CAP = RateCap(2_000_000, 4_000_000)
_ANY_MODE = frozenset({"absent", "no device", "no permission", "no driver", "no encoder", "busy"})
"""With these, no other rate mode works either."""


def try_all(
    program: Path,
    wanted: Wanted,
    gpus: Sequence[int] | None,
    cancelled: threading.Event | None = None,
    *,
    known: Sequence[Trial] = (),
) -> list[Trial]:
    """Try the encoders of `cutting.encoder` on the GPUs of `cutting.gpus`; `known`: trials that need no
    repetition."""
    allowed = families(wanted)
    found: list[Trial] = []
    for name in CANDIDATES:
        if family(name) in allowed:
            before = {trial.gpu: trial for trial in known if trial.encoder == name}
            found += _try_on(program, name, gpus, cancelled, before)
    return found


def _try_on(
    program: Path,
    name: EncoderName,
    gpus: Sequence[int] | None,
    cancelled: threading.Event | None,
    known: dict[int | None, Trial],
) -> Iterator[Trial]:
    """The trials of one encoder."""
    numbers: Iterable[int | None]
    match family(name):
        case "cpu":
            numbers = (None,)
        case "nvenc":
            numbers = (0,) if gpus is None else gpus
        case _:
            numbers = gpus_here() if gpus is None else gpus
            if not numbers:
                yield Trial(name, refused=NO_FOLDER)
                return
    for gpu in numbers:
        trial = known.get(gpu) or try_encoder(program, name, gpu, cancelled)
        yield trial
        if trial.works and gpus is None:
            return


def try_encoder(
    program: Path, encoder: EncoderName, gpu: int | None = None, cancelled: threading.Event | None = None
) -> Trial:
    """Encode a few frames as a clip would be, in each rate mode that may be needed."""
    kind = family(encoder)
    if kind in ("qsv", "vaapi") and gpu is not None and (why := unusable(gpu, kind)) is not None:
        return Trial(encoder, gpu, (), why)
    try:
        if kind in ("cpu", "nvenc"):
            return Trial(encoder, gpu, (), _refused(program, encoder, gpu, None, cancelled))
        return _in_modes(program, encoder, gpu, cancelled)
    except EncoderFailed as error:  # it did not end, or ffmpeg can't be run: so it would be in any mode
        return Trial(encoder, gpu, (), Refused("failed", error.message))


def _in_modes(
    program: Path, encoder: EncoderName, gpu: int | None, cancelled: threading.Event | None
) -> Trial:
    modes: list[RateMode] = []
    why: Refused | None = None
    for mode in MODES:
        if mode == "cqp" and "icq" in modes:
            continue  # it would not be used
        refused = _refused(program, encoder, gpu, mode, cancelled)
        if refused is None:
            modes.append(mode)
            continue
        if why is None or why.kind == "rate mode":  # anything else says more
            why = refused
        if refused.kind in _ANY_MODE:
            break
    return Trial(encoder, gpu, tuple(modes), None if modes else why)


def _refused(
    program: Path,
    encoder: EncoderName,
    gpu: int | None,
    mode: RateMode | None,
    cancelled: threading.Event | None,
) -> Refused | None:
    """Why a test encode fails. Raises `EncoderFailed` when ffmpeg can't be run, or does not end."""
    with _memory_file() as target:
        answer = ask(trial_command(program, encoder, gpu, mode, target), TRIAL_SECONDS, cancelled)
        if not _has_all_frames(answer):
            return refusal(answer.stderr.splitlines())
        if mode is None:
            return None
        # Some drivers write streams without parameters, which no player opens.
        decoded = ask(_decode_command(program, target), TRIAL_SECONDS, cancelled)
        if _has_all_frames(decoded) and not decoded.stderr:
            return None
        return Refused("failed", "what the GPU's driver writes can't be decoded: update the driver")


@contextmanager
def _memory_file() -> Iterator[Path]:
    """A file in memory, which ffmpeg can open too: under a systemd service, /tmp may not be writable."""
    descriptor = os.memfd_create("encoder-trial")
    try:
        yield Path(f"/proc/{os.getpid()}/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _has_all_frames(answer: Answer) -> bool:
    return answer.code == 0 and f"frame={TRIAL_FRAMES}" in answer.stdout.splitlines()


def _decode_command(program: Path, encoded: Path) -> list[str]:
    video = ffmpeg.input(url(encoded), f="mov", **decoder_options())["v:0"]
    return compiled(program, ffmpeg.output(video, "-", f="null"))


def trial_command(
    program: Path,
    encoder: EncoderName,
    gpu: int | None = None,
    mode: RateMode | None = None,
    target: Path = Path("/dev/null"),
) -> list[str]:
    """The command line of a test encode: with the options of a clip."""
    means = Means(program, encoder, frozenset(), mode, gpu)
    source = ffmpeg.input("testsrc2=size=640x360:rate=25", f="lavfi")
    stream = source["v"].filter("format", "yuv420p").filter("setsar", 1)
    options = {
        "frames:v": TRIAL_FRAMES,
        **video_arguments(encoder, "high", cap=_CAP if mode == "vbr" else None, mode=mode, gpu=gpu),
        **TAGS,
        **keyframe_options(encoder, [_KEYFRAME], _FRAME),
        **name_option(encoder),
        "enc_time_base:v": time_base_option(_FRAME),
        "f": "mp4",
    }
    return encoding(means, ffmpeg.output(finished(stream, encoder), url(target), **options))
