"""Common to copies and smart cuts of an opened container: where they begin, and the copying."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av.container
from av.stream import Stream
from av.video.stream import VideoStream

from agent.cutting.formats.dts import Unsortable
from agent.cutting.formats.packets import AnyPacket
from agent.cutting.formats.streams import video_stream
from agent.cutting.plan.extent import Patience
from agent.cutting.plan.outcome import Outcome, Unsuited
from agent.cutting.plan.plan import Plan
from agent.cutting.reading.damage import Damage
from agent.cutting.reading.seek import Entry, NoCleanStart, enter
from agent.cutting.reading.walk import Walk
from agent.cutting.writing.audio_tracks import AudioTracks
from agent.cutting.writing.muxer import Discarded

_REPORT_EVERY = 256
"""Packets between two reports of the progress."""


@dataclass(frozen=True)
class PacketCut:
    """A cut of an opened container, to be written to `target`, or to be measured only."""

    container: av.container.InputContainer
    plan: Plan
    target: Path | Discarded
    bit_rate: int
    """Of audio that is encoded, in bits a second."""
    progress: Callable[[float], None]
    """Gets 0 to 1."""
    damage: Damage
    """Collects damage of the recording."""
    ends_early: bool = False
    """Whether the recording goes on after what can be read of it here."""

    @property
    def path(self) -> Path:
        """Where the clip is; of one that is only measured, the null device."""
        return self.target if isinstance(self.target, Path) else Path(os.devnull)

    @property
    def video(self) -> VideoStream:
        """The recording's video stream."""
        return video_stream(self.container, self.plan.video_stream.index)

    @property
    def audio(self) -> list[Stream]:
        """The recording's audio streams that the clip keeps."""
        return [self.container.streams[track.source.index] for track in self.plan.tracks]

    def enter(self) -> Entry:
        """The packets from the last clean keyframe at or before the in-point. Raises `NoCleanStart`."""
        return enter(self.container, self.video, self.audio, self.plan.start, self.damage)


def settled(cut: PacketCut, write: Callable[[PacketCut], Outcome]) -> Outcome:
    """What `write` makes of the cut; written again where its header names a track that is silent."""
    outcome = write(cut)
    if outcome.plan.tracks != cut.plan.tracks and not cut.plan.container.boxed:
        # A silent track is known too late: Matroska has written its header by then.
        outcome = write(replace(cut, plan=outcome.plan))
    return outcome


class VideoCopy(Protocol):
    """Copies the packets of the video stream."""

    @property
    def done(self) -> bool:
        """Whether every frame of the clip was found."""

    @property
    def reached(self) -> Fraction:
        """How far the video was read, in seconds of the recording."""

    def take(self, packet: AnyPacket) -> None:
        """The next packet of the video stream."""


@contextmanager
def unsuited() -> Iterator[None]:
    """Raise `Unsuited` where the recording has no clean start, or its frames are in no possible order."""
    try:
        yield
    except NoCleanStart as reason:
        raise Unsuited(str(reason)) from None
    except Unsortable:
        raise Unsuited("the order of its frames is damaged") from None


def copy_packets(
    cut: PacketCut,
    packets: Iterable[AnyPacket],
    since: Fraction,
    video: VideoCopy,
    audio: AudioTracks,
    progress: Callable[[float], None],
) -> bool:
    """Give `video` and `audio` the packets from a keyframe at `since` seconds on, until they have the clip.

    `progress` gets 0 to 1. Returns whether video stops before the out-point while audio goes on: the last
    frame is then shown up to the out-point.
    """
    index, length = cut.video.index, cut.plan.stop - since
    walk = Walk(cut.container, cut.plan, cut.damage, since=since)
    patience = Patience(cut.container.format.name, cut.plan.stop)
    for count, packet in enumerate(packets):
        walk.see(packet)
        if packet.stream_index == index:
            video.take(packet)
        else:
            audio.take(packet)
            if patience.lost(packet):
                return True
        if video.done and audio.complete(video.reached - cut.plan.stop):
            break
        if count % _REPORT_EVERY == 0:
            share = float((video.reached - since) / length) if length else 1.0
            progress(min(1.0, max(0.0, share)))
    return False
