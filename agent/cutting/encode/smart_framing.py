"""The framing of a smart crop: analyses the whole clip before it is encoded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from agent.cutting.effects.motion import Motion
from agent.cutting.effects.smart_crop import Room, centred, planned
from agent.cutting.encode.ffmpeg import Limits
from agent.cutting.encode.kept import KeptSegments
from agent.cutting.encode.small_frames import read_small_frames, small_frames_command
from agent.cutting.formats.media import MediaInfo
from agent.cutting.plan.plan import Plan
from agent.cutting.plan.shape import shown_size
from agent.cutting.plan.spec import CutSpec, Order
from agent.cutting.reading.frames import Frames
from agent.cutting.reading.source import SourceFile
from clipping.contract.effects import Framing
from clipping.contract.output import AS_IS

_LOOKING = 0.05
"""The share of an encode's progress that it gets."""


def is_smart(spec: CutSpec) -> bool:
    """Whether the clip's window follows the action."""
    return spec.output.fit == "smart_crop"


@dataclass(frozen=True)
class SmartFraming:
    """The analysis of one clip."""

    asked: Order
    source: SourceFile
    recording: str
    """What ffmpeg reads."""
    info: MediaInfo
    plan: Plan
    frames: Frames
    from_start: bool

    def order(
        self,
        kept: KeptSegments | None,
        limits: Limits,
        progress: Callable[[float], None],
        started: Callable[[int | None], None],
    ) -> tuple[Order, Callable[[float], None]]:
        """The order with the framing, and the progress of what is left to do.

        An attempt that resumes has the framing of the first one. The rest and the errors as `ffmpeg.run`.
        """
        framing = kept.framing if kept is not None else None
        if framing is None:
            framing = self._found(limits, lambda share: progress(_LOOKING * share), started)
        if kept is not None:
            kept.framing = framing
        spec = self.asked.spec
        effects = spec.effects.model_copy(update={"framing": framing})
        return (
            replace(self.asked, spec=replace(spec, effects=effects)),
            lambda share: progress(_LOOKING + (1 - _LOOKING) * share),
        )

    def _found(
        self, limits: Limits, progress: Callable[[float], None], started: Callable[[int | None], None]
    ) -> Framing:
        spec = self.asked.spec
        video, target = self.plan.video_stream.video, spec.output.size
        assert video is not None
        assert target is not None
        room = Room.of(shown_size(video, AS_IS), target)
        if room.spare <= 0:
            return centred(room, target)
        motion = Motion(room.axis)
        command = small_frames_command(
            self.asked.ffmpeg,
            self.recording,
            self.info,
            self.plan,
            self.frames,
            spec,
            from_start=self.from_start,
        )
        read_small_frames(
            command,
            motion.add,
            source=self.source,
            seconds=self.frames.end - self.frames.start,
            limits=limits,
            progress=progress,
            started=started,
        )
        motion.end()
        return planned(motion.samples, motion.cuts, room, target)
