"""What an encode puts into a clip: known before a frame is encoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av.container

from agent.cutting.encode.clip_frames import ClipFrames, ending_in_time
from agent.cutting.encode.smart_framing import is_smart
from agent.cutting.formats.media import StreamInfo
from agent.cutting.plan.captions import Caption, captions_at
from agent.cutting.plan.encoders import EncoderName
from agent.cutting.plan.outcome import AudioTrack, Outcome
from agent.cutting.plan.plan import Plan, without_silent
from agent.cutting.plan.shape import named_size
from agent.cutting.plan.spec import CutSpec
from agent.cutting.reading.damage import Damage
from agent.cutting.reading.frames import Frames, frames_in
from agent.cutting.writing.subtitles import Cue, cues_within, read_cues
from agent.cutting.writing.text_track import in_track


@dataclass(frozen=True)
class Content:
    """The frames, the audio and the texts of an encoded clip."""

    plan: Plan
    """Without what holds nothing in its range."""
    frames: Frames
    """The recording's."""
    clip: ClipFrames
    cues: list[Cue]
    captions: Sequence[Caption]

    def outcome(
        self,
        path: Path,
        spec: CutSpec,
        *,
        encoder: EncoderName,
        gpu: int | None,
        joints: tuple[Fraction, ...] = (),
        warnings: tuple[str, ...] = (),
    ) -> Outcome:
        """The clip at `path`, made by this encoder."""
        frames, clip, rate = self.frames, self.clip, self.clip.rate
        end = frames.start + clip.seconds
        return Outcome(
            plan=self.plan,
            path=path,
            start=frames.start,
            last=frames.last if rate is None else end - 1 / rate,
            end=end,
            frames=clip.count,
            frame_seconds=frames.longest if rate is None else 1 / rate,
            usual_seconds=frames.usual if rate is None else 1 / rate,
            reencoded=frames.end - frames.start,
            audio=tuple(_audio(track.source, frames, clip) for track in self.plan.tracks),
            reencoded_frames=clip.count,
            joints=joints,
            encoder=encoder,
            gpu=gpu,
            size=named_size(spec.output, spec.effects),
            speed=clip.speed,
            framing=spec.effects.framing if is_smart(spec) else None,
            warnings=warnings,
        )


def content_of(
    container: av.container.InputContainer,
    plan: Plan,
    spec: CutSpec,
    damage: Damage,
    *,
    begins_late: bool,
    ends_early: bool,
) -> Content:
    """What the clip holds; the rest as `frames_in`."""
    cues = read_cues(container, plan)
    frames = frames_in(container, plan, damage, begins_late=begins_late, ends_early=ends_early)
    frames = ending_in_time(plan, frames, spec)
    plan = without_silent(plan, {t.source.index for t in plan.tracks} - set(frames.audio_ends))
    plan, cues = cues_within(plan, cues, frames.start)
    clip = ClipFrames.of(plan, frames, spec)
    plan, captions = in_track(plan, captions_at(plan.captions, clip.requested, speed=clip.speed))
    return Content(plan, frames, clip, cues, captions)


def _audio(source: StreamInfo, frames: Frames, clip: ClipFrames) -> AudioTrack:
    if clip.speed is not None:  # it is padded
        return AudioTrack("aac", source.language, Fraction(0), clip.speed.length)
    end = min(frames.audio_ends[source.index], frames.end) - frames.start
    return AudioTrack("aac", source.language, Fraction(0), end)
