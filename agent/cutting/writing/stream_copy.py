"""The stream copy: unchanged packets, from the keyframe at or before the in-point.

The lead-in before the in-point is shown, alike by every player, and reported: an edit list would hide it in
Chromium and show it in Firefox (bug 1735300).
"""

from __future__ import annotations

from fractions import Fraction

from agent.cutting.formats.packets import AnyPacket, pts_of
from agent.cutting.formats.streams import tick_of
from agent.cutting.plan.extent import LATE, NEVER, clamped_end
from agent.cutting.plan.outcome import Outcome, Unsuited
from agent.cutting.plan.plan import no_video, no_video_yet, without_silent
from agent.cutting.reading.seek import Entry, tick_from
from agent.cutting.writing.audio_tracks import AudioTracks
from agent.cutting.writing.muxer import Sink, index_space
from agent.cutting.writing.packet_cut import PacketCut, copy_packets, unsuited
from agent.cutting.writing.subtitles import Cue, add_subtitles, cues_within, read_cues
from agent.cutting.writing.text_track import add_captions, captions_within
from agent.cutting.writing.video_writer import VideoWriter


def copy(cut: PacketCut) -> Outcome:
    """Write the clip.

    Raises `Unsuited` when this recording can't be cut by copying, `RangeBeyondEnd`, and those of `source`.
    """
    tick = tick_of(cut.video)
    with unsuited():
        cues = read_cues(cut.container, cut.plan)
        entry = cut.enter()
        if entry.key_pts >= tick_from(cut.plan.stop, tick):
            raise no_video_yet(cut.plan, entry.key_pts * tick)
        return _write(cut, entry, cues)


def _write(cut: PacketCut, entry: Entry, cues: list[Cue]) -> Outcome:
    tick = tick_of(cut.video)
    key = entry.key_pts * tick
    plan, cues = cues_within(cut.plan, cues, key)
    plan, captions = captions_within(plan, key)
    with Sink(cut.target, plan.container, index_space(plan, plan.stop - key), plan.header(key)) as sink:
        assert plan.video_stream.video is not None
        writer = VideoWriter(sink, sink.copied(cut.video, plan.video_stream), tick, plan.video_stream.video)
        video = _CopiedVideo(writer, entry.key_pts, cut)
        audio = AudioTracks(cut.container, sink, plan, key, cut.bit_rate, cut.damage)
        add_subtitles(cut.container, sink, plan, cues)
        add_captions(sink, plan.container, captions)
        stands = copy_packets(cut, entry.packets, key, video, audio, cut.progress)
        over = video.end(stands=stands or cut.ends_early)
        writer.finish(over)
        tracks, silent = audio.finish()
    end = key + over * tick
    if end <= plan.start:
        raise no_video(plan, end)
    return Outcome(
        plan=without_silent(plan, silent),
        path=cut.path,
        start=key,
        last=key + writer.last * tick,
        end=end,
        frames=len(writer.shown),
        frame_seconds=writer.longest(over),
        usual_seconds=writer.usual_frame * tick,
        reencoded=Fraction(0),
        audio=tracks,
    )


class _CopiedVideo:
    """Which packets of the video stream are copied, and with which times."""

    def __init__(self, writer: VideoWriter, key_pts: int, cut: PacketCut) -> None:
        self._writer = writer
        self._key = key_pts
        self._time_base = tick_of(cut.video)
        self._stop = tick_from(cut.plan.stop, self._time_base) - key_pts
        assert cut.plan.video_stream.video is not None
        self._settled = writer.usual if cut.plan.video_stream.video.reorder_frames else 0
        """The next frame has been read when decoding is so far after the time at which a frame is shown."""
        self._held: list[AnyPacket] = []
        """Frames from after the end that a frame before the end may need."""
        self._dts = 0
        self.done = False

    @property
    def reached(self) -> Fraction:
        """How far the video was read, in seconds of the recording."""
        return (self._dts + self._key) * self._time_base

    def end(self, *, stands: bool) -> int:
        """Ticks from the first frame to the end of the clip. Raises `Unsuited` when that is too late.

        `stands`: where no next frame was found, the last one is shown beyond the out-point.
        """
        following = min((pts_of(p) for p in self._held), default=NEVER if stands else self._writer.end)
        end = clamped_end(self._writer.last, following, self._stop, self._writer.usual_frame)
        check_late((end - self._stop) * self._time_base)
        return end

    def take(self, packet: AnyPacket) -> None:
        """The next packet of the recording."""
        if packet.pts is None or packet.size == 0:
            return
        pts = packet.pts - self._key
        if packet.dts is not None:
            self._dts = packet.dts - self._key
        if pts < 0 or self.done:
            return  # a leading frame: it needs frames from before the clip
        packet.pts = pts
        settled = self._writer.last + self._settled
        if pts >= self._stop and pts > self._writer.last:
            self._held.append(packet)
            # From here on every frame is shown later than the first one behind the clip.
            self.done = self._dts >= min(pts_of(p) for p in self._held) and self._dts > settled
            return
        for before in self._held:
            self._writer.put(before, pts_of(before))
        self._held.clear()
        self._writer.put(packet, pts)


def check_late(late: Fraction) -> None:
    """Raise `Unsuited` when a copy would end too many seconds behind the out-point."""
    if late > LATE:
        raise Unsuited(f"its last frames need one that is shown {float(late):.1f} s after the out-point")
