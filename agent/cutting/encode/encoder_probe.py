"""The encoders of this machine: tested in the background, chosen for each clip, limited by sessions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import ffmpeg

from agent.cutting.encode.ffmpeg import ask, find_ffmpeg
from agent.cutting.plan.encoders import (
    CANDIDATES,
    CARD,
    CPU,
    Choice,
    EncoderName,
    Refused,
    refusal,
    video_arguments,
)
from agent.cutting.plan.spec import CutSpec, EngineSettings
from clipping.errors import EncoderFailed, UnsupportedCodec
from clipping.log import get_logger

log = get_logger(__name__)

TRIAL_SECONDS = 20.0
TRIAL_FRAMES = 10
_WAIT_SECONDS = 60.0
"""How long an encode waits for the trials; they take less than a second each."""
_CLOSE_SECONDS = 2.0
_AGAIN_SECONDS = 600.0
"""A card that was busy, or failed for a reason that may pass, is tried again after this."""
_PASSING = frozenset({"busy", "failed"})


def try_encoder(
    program: Path, encoder: EncoderName, cancelled: threading.Event | None = None
) -> Refused | None:
    """Encode a few frames as a clip would; why that does not work, None when it does."""
    source = ffmpeg.input("testsrc2=size=640x360:rate=25", f="lavfi")
    output = ffmpeg.output(
        source["v"].filter("format", "yuv420p"),
        "-",
        f="null",
        **{"frames:v": TRIAL_FRAMES},
        **video_arguments(encoder, "high"),
    ).global_args("-nostdin", "-v", "error", "-progress", "pipe:1")
    try:
        answer = ask(ffmpeg.compile(output, cmd=str(program)), TRIAL_SECONDS, cancelled)
    except EncoderFailed as error:
        return Refused("failed", error.message)
    encoded = f"frame={TRIAL_FRAMES}" in answer.stdout.splitlines()
    return None if answer.code == 0 and encoded else refusal(answer.stderr.splitlines())


class Encoders:
    """Safe to use from many threads."""

    def __init__(self, settings: EngineSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._tried = threading.Event()
        self._closed = threading.Event()
        self._trial: threading.Thread | None = None
        self._under_way = False
        self._refused: dict[EncoderName, Refused | None] = {}
        self._tried_at = 0.0
        self._sessions = 0

    def start(self) -> None:
        """Try the encoders, in the background."""
        with self._lock:
            if self._under_way or self._closed.is_set():
                return
            self._under_way = True
            self._trial = threading.Thread(target=self._try_all, name="encoder-trial", daemon=True)
            self._trial.start()

    def close(self) -> None:
        """End a trial that is under way: its ffmpeg would outlive this process."""
        with self._lock:
            self._closed.set()
            trial = self._trial
        if trial is not None:
            trial.join(_CLOSE_SECONDS)

    def working(self) -> list[str]:
        """Those that passed; none before the trials are over."""
        with self._lock:
            return [name for name, refused in self._refused.items() if refused is None]

    @contextmanager
    def chosen(self, spec: CutSpec) -> Iterator[Choice]:
        """The encoder for a clip; its session on the card is taken until the end of the block.

        Raises `UnsupportedCodec` when none here writes the codec, and `EncoderFailed` when none works at all.
        """
        codec = "hevc" if spec.output.video_codec == "hevc" else "h264"
        if spec.mode != "encode":
            # No copy should wait for a trial; only its fallbacks encode.
            yield Choice(CPU[codec])
            return
        if not self._tried.wait(_WAIT_SECONDS):
            yield Choice(CPU[codec], ("the encoder trial has not finished: the clip was made on the CPU",))
            return
        self._try_again()
        card, reason = self._take_session(codec)
        if card is None:
            yield self._on_cpu(codec, reason)
            return
        try:
            yield Choice(card)
        finally:
            with self._lock:
                self._sessions -= 1

    def _take_session(self, codec: str) -> tuple[EncoderName | None, str | None]:
        """A card's encoder, with a session taken on it; or why there is none."""
        card = CARD.get(codec)
        if card is None:
            return None, None
        with self._lock:
            refused = self._refused.get(card, Refused("absent", "cutting.encoder is cpu"))
            if refused is not None:
                return None, f"{card} is not used, because {refused.reason}"
            if self._sessions >= self._settings.nvenc_sessions:
                return None, f"{card} is not used, because all its sessions are taken"
            self._sessions += 1
            return card, None

    def _on_cpu(self, codec: str, reason: str | None) -> Choice:
        encoder = CPU[codec]
        with self._lock:
            refused = self._refused.get(encoder)
        if refused is not None:
            text = f"{encoder} can't be used, because {refused.reason}"
            raise UnsupportedCodec(text) if codec == "hevc" else EncoderFailed(text)
        demanded = self._settings.encoder == "nvenc" and reason is not None
        return Choice(encoder, (f"{reason}: the clip was made by {encoder}",) if demanded else ())

    def _try_again(self) -> None:
        with self._lock:
            passing = any(refused and refused.kind in _PASSING for refused in self._refused.values())
            due = self._clock() - self._tried_at > _AGAIN_SECONDS
        if passing and due:
            self.start()

    def _try_all(self) -> None:
        try:
            program = find_ffmpeg(self._settings.ffmpeg)
            names = [n for n in CANDIDATES if self._settings.encoder != "cpu" or n not in CARD.values()]
            found = {name: try_encoder(program, name, self._closed) for name in names}
        except EncoderFailed as error:
            found = {name: Refused("failed", error.message) for name in CPU.values()}
        if self._closed.is_set():
            return
        with self._lock:
            changed = found != self._refused
            self._refused, self._tried_at, self._under_way = found, self._clock(), False
        self._tried.set()
        for name, refused in found.items() if changed else ():
            log.info("encoder.tried", encoder=name, works=refused is None, reason=refused and refused.reason)
