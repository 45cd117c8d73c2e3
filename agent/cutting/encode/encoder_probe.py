"""The encoders of this machine: tested in the background, chosen for each clip, limited by sessions."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from agent.cutting.encode.encoder_trial import try_all
from agent.cutting.encode.ffmpeg import find_ffmpeg
from agent.cutting.encode.rate_control import is_capped
from agent.cutting.plan.encoder_choice import Trial, Unusable, choose, report, same
from agent.cutting.plan.encoder_refusals import Refused
from agent.cutting.plan.encoders import CANDIDATES, CPU, Card, Choice, EncoderName, card
from agent.cutting.plan.spec import CutSpec, EngineSettings
from clipping.contract.cluster import EncoderProbe
from clipping.errors import EncoderFailed, UnsupportedCodec
from clipping.log import get_logger

log = get_logger(__name__)

_WAIT_SECONDS = 60.0
"""How long an encode waits for the trials; they take less than a second each."""
_EXPECT_SECONDS = 10.0
"""The same for a plan."""
_CLOSE_SECONDS = 2.0
_AGAIN_SECONDS = 600.0
"""A GPU that was busy, or failed for a reason that may pass, is tried again after this."""
_PASSING = frozenset({"busy", "failed"})


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
        self._trials: Sequence[Trial] = ()
        self._tried_at = 0.0
        self._encodes: Counter[Card] = Counter()

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
            working = {trial.encoder for trial in self._trials if trial.works}
        return [name for name in CANDIDATES if name in working]

    def report(self) -> tuple[EncoderProbe, ...]:
        """Every encoder, and why it can't be used; none before the trials are over."""
        with self._lock:
            trials = self._trials
        return report(trials, self._settings.encoder)

    @contextmanager
    def chosen(self, spec: CutSpec) -> Iterator[Choice]:
        """The encoder for a clip; its session on the GPU is taken until the end of the block.

        Raises `UnsupportedCodec` when none here writes the codec, and `EncoderFailed` when none works at all.
        """
        codec = _codec(spec)
        if spec.mode != "encode":
            # No copy should wait for a trial; only its fallbacks encode.
            yield Choice(CPU[codec])
            return
        if not self._tried.wait(_WAIT_SECONDS):
            yield Choice(CPU[codec], ("the encoder trial has not finished: the clip was made on the CPU",))
            return
        self._try_again()
        choice = self._take(codec, capped=is_capped(spec))
        if choice.gpu is None:
            yield choice
            return
        try:
            yield choice
        finally:
            with self._lock:
                self._encodes[card(choice.encoder, choice.gpu)] -= 1

    def expected(self, spec: CutSpec) -> Choice:
        """The encoder that `chosen` would give now; the CPU's when the trials are not over soon. Raises as
        `chosen`."""
        codec = _codec(spec)
        if spec.mode != "encode" or not self._tried.wait(_EXPECT_SECONDS):
            return Choice(CPU[codec])
        with self._lock:
            return self._choice(codec, capped=is_capped(spec))

    def again(self, encoder: EncoderName, gpu: int | None, spec: CutSpec) -> Choice:
        """The encoder that has made other frames of a clip, for frames that must fit them."""
        with self._lock:
            return same(self._trials, encoder, gpu, capped=is_capped(spec))

    def _take(self, codec: str, *, capped: bool) -> Choice:
        """An encoder, with a session taken if it runs on a GPU."""
        with self._lock:
            choice = self._choice(codec, capped=capped)
            if choice.gpu is not None:
                self._encodes[card(choice.encoder, choice.gpu)] += 1
        return choice

    def _choice(self, codec: str, *, capped: bool) -> Choice:
        """Called with the lock."""
        choice = choose(
            self._trials,
            self._settings.encoder,
            codec,
            capped=capped,
            busy=self._encodes,
            sessions=self._settings.sessions_per_gpu,
        )
        if isinstance(choice, Unusable):
            raise UnsupportedCodec(choice.reason) if codec == "hevc" else EncoderFailed(choice.reason)
        return choice

    def _try_again(self) -> None:
        with self._lock:
            passing = any(trial.refused and trial.refused.kind in _PASSING for trial in self._trials)
            due = self._clock() - self._tried_at > _AGAIN_SECONDS
        if passing and due:
            self.start()

    def _try_all(self) -> None:
        settings = self._settings
        with self._lock:
            before = self._trials
        # A GPU that works may refuse while it works on other clips.
        known = [trial for trial in before if trial.works]
        try:
            program: Path = find_ffmpeg(settings.ffmpeg)
            found = try_all(program, settings.encoder, settings.gpus, self._closed, known=known)
        except EncoderFailed as error:
            found = [Trial(name, refused=Refused("failed", error.message)) for name in CPU.values()]
        if self._closed.is_set():
            return
        with self._lock:
            self._trials, self._tried_at, self._under_way = found, self._clock(), False
        self._tried.set()
        for trial in found:
            if trial not in before:
                log.info(
                    "encoder.tried",
                    encoder=trial.encoder,
                    gpu=trial.gpu,
                    modes=",".join(trial.modes) or None,
                    works=trial.works,
                    reason=trial.refused and trial.refused.reason,
                )


def _codec(spec: CutSpec) -> str:
    return "hevc" if spec.output.video_codec == "hevc" else "h264"
