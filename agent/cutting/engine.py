"""The engine's interface: cuts and probes, each in a separate process."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast

from agent.cutting.cache import Cache
from agent.cutting.encode.encoder_probe import Encoders
from agent.cutting.encode.ffmpeg import find_ffmpeg
from agent.cutting.formats.media import MediaInfo
from agent.cutting.plan.encoders import CPU, Choice, EncoderName
from agent.cutting.plan.spec import Clip, CutSpec, EngineSettings, Extent, Keep, Order, PlanOrder, ReelSpec
from agent.cutting.posters.run import JOB as POSTER_JOB
from agent.cutting.posters.run import PosterRun
from agent.cutting.posters.run import start as start_posters
from agent.cutting.preview import Previews, PreviewSettings
from agent.cutting.process.client import JOBS, ForkServer, engine_server
from agent.cutting.process.interruption import Interruption
from agent.cutting.reading.source import SourceFile, open_path
from agent.cutting.reel.make import ReelJob
from agent.cutting.reel.parts import Progress
from agent.cutting.reel.progress import ReelProgress
from agent.cutting.supervised import Supervised, reads
from clipping.contract.checkpoint import Checkpoint
from clipping.contract.choices import Stage
from clipping.contract.cluster import EncoderProbe
from clipping.contract.messages import PartProgress
from clipping.contract.plan import ClipPlan
from clipping.errors import ClippingError, EngineUnavailable

_REEL_JOBS = "agent.cutting.reel"
_PLAN_JOB = "agent.cutting.clip_plan:run_plan"
_PROBE_SECONDS = 120
PLAN_SECONDS = 30
"""How long a plan may take: a page waits for it."""


class Engine:
    """Cuts clips. One per process; thread-safe. Each cut runs in a separate child process."""

    def __init__(self, settings: EngineSettings, server: ForkServer | None = None) -> None:
        """`server`: an `engine_server` that is being started already; the engine closes it."""
        self._settings = settings
        more = (POSTER_JOB,) if settings.posters else ()
        self._server = server or engine_server(settings.slots, more)
        self._encoders = Encoders(settings)
        self._own_cache: tempfile.TemporaryDirectory[str] | None = None

    def start(self, *, encodes: bool = True) -> None:
        """Start the fork server. Raises `EncoderFailed` when there is no ffmpeg or the server can't start.

        `encodes`: whether any cut's mode is `encode`; if none, the encoders need not be tried.
        """
        self._server.launch()  # it loads while ffmpeg is checked
        try:
            find_ffmpeg(self._settings.ffmpeg)
        except ClippingError:
            self._server.close()
            raise
        if encodes:
            self._encoders.start()
        if self._settings.cache_dir is None:
            self._own_cache = tempfile.TemporaryDirectory(
                prefix="clipping-index-", ignore_cleanup_errors=True
            )
        self._server.start()

    def close(self) -> None:
        """End the server, and with it every job that still runs."""
        self._encoders.close()
        self._server.close()
        if self._own_cache is not None:
            self._own_cache.cleanup()
            self._own_cache = None

    @property
    def encoders(self) -> list[str]:
        """The encoders that work on this machine; empty until they have been tried, soon after the start."""
        return self._encoders.working()

    @property
    def encoder_probe(self) -> tuple[EncoderProbe, ...]:
        """Every encoder, and why it can't be used; empty until they have been tried."""
        return self._encoders.report()

    def previews(self, settings: PreviewSettings) -> Previews:
        """Previews by this engine's server, with its cache. The caller closes them."""
        return Previews(self._server, replace(settings, cache_dir=self._cache), self._encoders.working)

    def posters(self, clip: Path, folder: Path, *, encoded: bool) -> PosterRun:
        """A poster and a contact sheet of a clip's file, as JPEG files in `folder`; being made while this
        returns. The caller closes it. `encoded`: see `PosterOrder`. Raises as `posters.run.start`."""
        pixels = self._settings.max_pixels
        return start_posters(self._server, clip, folder, pixels, encoded=encoded)

    @property
    def _cache(self) -> Path | None:
        return Path(self._own_cache.name) if self._own_cache is not None else self._settings.cache_dir

    @property
    def cache(self) -> Cache:
        """What is known of recordings."""
        return Cache(self._cache)

    def answers(self, timeout: float) -> bool:
        """Whether a process for a cut can be started and reads a file within `timeout` seconds.

        Raises `EncoderFailed` when there is no ffmpeg.
        """
        path = find_ffmpeg(self._settings.ffmpeg)
        try:
            program = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError as error:
            raise EngineUnavailable(f"{path} can't be opened: {error.strerror}") from error
        try:
            return reads(self._server, program, timeout)
        finally:
            os.close(program)

    def probe(self, source: Path) -> MediaInfo:
        """What a recording holds. Raises as `agent.cutting.reading.probe.probe`, and `TimeLimit`."""
        with open_path(source) as file:
            return self._probe(file, Interruption())

    def _probe(self, file: SourceFile, interruption: Interruption) -> MediaInfo:
        limit = min(_PROBE_SECONDS, self._settings.time_limit_seconds)
        run = Supervised(self._server, self._settings, file, lambda *_: None, interruption)
        return cast(MediaInfo, run.result(limit, f"{JOBS}:run_probe", file.name, file.identity, self._cache))

    def cut(
        self,
        spec: CutSpec,
        folder: Path,
        *,
        progress: Callable[[Stage, float], None],
        interruption: Interruption | None = None,
        source: SourceFile | None = None,
        keep: Keep | None = None,
        checkpoint: Callable[[Checkpoint], None] = lambda _: None,
        written: Callable[[Path], None] = lambda _: None,
    ) -> Clip:
        """Cut, verify and describe one clip; its file is in `folder`, with a unique name.

        `source` is the recording, opened by the caller, who closes it; without it the file that is at
        `spec.source` now is opened. Nothing else is read, even if the path names another file later.
        `progress(stage, percent)` is called in this thread, at most about five times a second, with percent
        of the whole; when nothing has moved for half a second, with what it was called with before.
        `interruption` ends the cut within about a second, with `Cancelled` or `GivenBack`. While it winds
        down, a long encode ends with `GivenBack` once neither the clip nor the next segment can be finished.
        `keep`: where a long encode keeps what is finished of it, also when this raises; the same cut, called
        again, resumes there. `checkpoint` is called in this thread with each new checkpoint.
        `written` is called in this thread with the clip's file once it is complete, before it is verified;
        again, with another file, when it has to be made another way.
        When this raises, nothing is left in `folder`:
        `SourceNotFound`, `SourceNotAllowed` (not a regular file), `SourceCorrupt`, `SourceHasNoVideo`,
        `RangeBeyondEnd`, `UnsupportedCodec`, `CutVerificationFailed`, `TimeLimit`, `Cancelled`,
        `GivenBack`, `SourceUnavailable`, `SourceChanged`, `NoSpace`, `EncoderFailed`, `OutputTooLarge`.
        """
        return self._cut(
            spec,
            folder,
            progress,
            interruption or Interruption(),
            source=source,
            keep=keep,
            checkpoint=checkpoint,
            written=written,
        )

    def expected(self, spec: CutSpec) -> Choice:
        """The encoder that a cut would use now. Raises `UnsupportedCodec`, `EncoderFailed`."""
        return self._encoders.expected(spec)

    def plan(self, spec: CutSpec, source: SourceFile | None = None) -> ClipPlan:
        """What `cut` would result in; writes nothing. `source` as for `cut`.

        Takes no session of an encoder. Ends after `PLAN_SECONDS` with `TimeLimit`; else raises as `cut`.
        """
        with open_path(spec.source) if source is None else nullcontext(source) as file:
            order = PlanOrder(
                spec,
                file.identity,
                self.expected(spec),
                self._cache,
                self._settings.max_pixels,
                self._settings.on_damage,
            )
            limit = min(PLAN_SECONDS, self._settings.time_limit_seconds)
            run = Supervised(self._server, self._settings, file, lambda *_: None, Interruption())
            return cast(ClipPlan, run.result(limit, _PLAN_JOB, order))

    def reel(
        self,
        spec: ReelSpec,
        folder: Path,
        *,
        open_part: Callable[[int], SourceFile],
        progress: Callable[[Stage, float, tuple[PartProgress, ...]], None],
        interruption: Interruption | None = None,
        keep: Keep | None = None,
        checkpoint: Callable[[Checkpoint], None] = lambda _: None,
    ) -> Clip:
        """Cut the parts of a reel, join, verify and describe it; its file is in `folder`.

        `open_part` opens the recording of a part; it is closed here. `progress` gets the progress of each
        part, too. `keep`: where finished parts are kept, also when this raises; the same reel, made again,
        resumes there. The rest as `cut`. Raises as `cut`; an error of one part has its index in `part`.
        """
        stem = f"reel-{secrets.token_hex(6)}"
        stop = interruption or Interruption()
        own = folder / f"{stem}.parts"
        try:
            return ReelJob(
                tools=_Tools(self, find_ffmpeg(self._settings.ffmpeg), stop),
                spec=spec,
                folder=folder,
                stem=stem,
                open_part=open_part,
                progress=ReelProgress([part.out_point - part.in_point for part in spec.parts], progress),
                interruption=stop,
                kept=keep.folder if keep is not None else own,
                checkpoint=checkpoint,
            ).run()
        except BaseException:
            for leftover in folder.glob(f"{stem}.*"):
                if leftover.is_dir():
                    shutil.rmtree(leftover, ignore_errors=True)
                else:
                    leftover.unlink(missing_ok=True)
            raise
        finally:
            shutil.rmtree(own, ignore_errors=True)

    def _cut(
        self,
        spec: CutSpec,
        folder: Path,
        progress: Callable[[Stage, float], None],
        interruption: Interruption,
        *,
        source: SourceFile | None = None,
        keep: Keep | None = None,
        checkpoint: Callable[[Checkpoint], None] = lambda _: None,
        written: Callable[[Path], None] = lambda _: None,
        choice: Choice | None = None,
    ) -> Clip:
        """As `cut`; `choice`: the encoder, where it is not free."""
        stem = f"clip-{secrets.token_hex(6)}"
        try:
            with (
                open_path(spec.source) if source is None else nullcontext(source) as file,
                self._encoders.chosen(spec) if choice is None else nullcontext(choice) as chosen,
            ):
                order = self._order(spec, file, folder, stem, chosen, keep)
                run = partial(self._run, f"{JOBS}:run_cut", file, progress, interruption, order)
                return cast(Clip, run(checkpoint, written))
        except BaseException:
            for leftover in folder.glob(f"{stem}.*"):
                leftover.unlink(missing_ok=True)
            raise

    def _order(
        self,
        spec: CutSpec,
        source: SourceFile,
        folder: Path,
        stem: str,
        choice: Choice,
        keep: Keep | None = None,
    ) -> Order:
        return Order(
            spec,
            source.identity,
            folder,
            stem,
            find_ffmpeg(self._settings.ffmpeg),
            choice,
            self._cache,
            self._settings.verify,
            self._settings.max_pixels,
            self._settings.on_damage,
            keep,
            source.present,
        )

    def _run(
        self,
        function: str,
        source: SourceFile,
        progress: Callable[[Stage, float], None],
        interruption: Interruption,
        order: object,
        checkpoint: Callable[[Checkpoint], None] = lambda _: None,
        written: Callable[[Path], None] = lambda _: None,
    ) -> object:
        run = Supervised(self._server, self._settings, source, progress, interruption, checkpoint, written)
        return run.result(self._settings.time_limit_seconds, function, order)


@dataclass(frozen=True)
class _Tools:
    """What a reel needs of the engine."""

    engine: Engine
    program: Path
    interruption: Interruption

    @property
    def verify(self) -> Extent:
        return self.engine._settings.verify

    def probe_source(self, source: SourceFile) -> MediaInfo:
        return self.engine._probe(source, self.interruption)

    def cut_part(
        self, spec: CutSpec, folder: Path, source: SourceFile, progress: Progress, choice: Choice | None
    ) -> Clip:
        return self.engine._cut(spec, folder, progress, self.interruption, source=source, choice=choice)

    def order(self, spec: CutSpec, source: SourceFile, folder: Path, stem: str) -> Order:
        return self.engine._order(spec, source, folder, stem, Choice(CPU["h264"]))

    def encoder_again(self, encoder: EncoderName, gpu: int | None, spec: CutSpec) -> Choice:
        return self.engine._encoders.again(encoder, gpu, spec)

    def job(self, function: str, source: SourceFile, progress: Progress, order: object) -> object:
        return self.engine._run(f"{_REEL_JOBS}.{function}", source, progress, self.interruption, order)
