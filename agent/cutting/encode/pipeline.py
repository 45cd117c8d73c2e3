"""An encode with effects that are computed for each frame: ffmpeg decodes, this process draws, ffmpeg
encodes.

Between the processes frames go as raw video in NUT, which keeps their times. Both ffmpegs work beside the
effects, which run on as many threads as there are cores; frames keep their order.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from fractions import Fraction
from typing import IO

import av
import av.container
import numpy as np

from agent.cutting.effects.frame_effects import FrameEffects
from agent.cutting.effects.planes import Planes
from agent.cutting.encode.ffmpeg import Limits, Running
from agent.cutting.formats.packets import AnyPacket, packet_of, pts_of
from agent.cutting.formats.streams import tick_of
from agent.cutting.reading.source import SourceFile
from clipping.contract.effects import Effects
from clipping.errors import EncoderFailed

_PIPE_BYTES = 1 << 20
"""What a pipe holds, if the system allows: a frame then takes few switches between processes."""
_SPARE = 2
"""How many frames beyond one for each thread are read ahead."""
_END_SECONDS = 5
"""From the last byte of a decoder that failed to its exit."""


def run_with_effects(
    encode: Sequence[str],
    decode: Sequence[str],
    effects: Effects,
    *,
    rate: Fraction | None,
    begin: Fraction,
    source: SourceFile,
    seconds: float,
    limits: Limits,
    decoding: Limits,
    progress: Callable[[float], None],
    started: Callable[[int | None], None],
) -> bool:
    """Run both ffmpegs to their end, with the effects between them.

    `rate`: the recording's frames a second, if known; `begin`: when the first frame is shown, in seconds of
    the clip; `limits`: of the encoder, `decoding`: of the decoder. The rest, the result and the errors as
    `ffmpeg.run`.
    """
    try:
        with (
            Running(decode, source=source, limits=decoding) as decoder,
            Running(encode, source=None, limits=limits, stdin=subprocess.PIPE) as encoder,
        ):
            started(decoder.pid)
            pump = _Pump(decoder, encoder, effects, rate, begin)
            with pump.running() as moved:
                encoder.follow(seconds, progress, reader=decoder)
                if decoder.hopeless:
                    decoder.result()
                if encoder.hopeless:
                    encoder.result()
            if pump.refused:
                # It failed, or has all frames that it wants: the decoder then waits for a reader in vain.
                reported = encoder.result()
                reported = decoder.end() or reported
            else:
                if moved.exception() is not None and decoder.ends(_END_SECONDS):
                    decoder.result()
                moved.result()
                reported = decoder.result()
                reported = encoder.result() or reported
    finally:
        started(None)
    progress(1.0)
    return reported


def run_fed(
    command: Sequence[str],
    data: Iterable[bytes],
    *,
    seconds: float,
    limits: Limits,
    progress: Callable[[float], None],
    started: Callable[[int | None], None],
) -> bool:
    """Run an ffmpeg that reads `data` from its standard input; the rest as `ffmpeg.run`.

    `data` is computed on another thread; what that raises is raised here.
    """
    try:
        with (
            Running(command, source=None, limits=limits, stdin=subprocess.PIPE) as running,
            ThreadPoolExecutor(1, thread_name_prefix="ffmpeg-feed") as thread,
        ):
            started(running.pid)
            _widen(running.stdin)
            fed = thread.submit(_feed, running.stdin, data)
            try:
                running.follow(seconds, progress)
                if running.hopeless:
                    running.result()
                fed.result()
                reported = running.result()
            except BaseException:
                running.kill()
                raise
    finally:
        started(None)
    progress(1.0)
    return reported


def _feed(pipe: IO[bytes], data: Iterable[bytes]) -> None:
    try:
        with pipe:
            for chunk in data:
                pipe.write(chunk)
    except BrokenPipeError:
        pass  # it has ended: its result says why


class _Pump:
    """Moves frames from one ffmpeg to the other."""

    def __init__(
        self, decoder: Running, encoder: Running, effects: Effects, rate: Fraction | None, begin: Fraction
    ) -> None:
        self._decoder, self._encoder = decoder, encoder
        self._in, self._out = decoder.stdout, encoder.stdin
        self._effects, self._rate, self._begin = effects, rate, begin
        self.refused = False
        """Whether the encoder ended before it had all frames."""

    @contextmanager
    def running(self) -> Iterator[Future[None]]:
        """Frames are moved on a thread of its own. At the end all are, or both processes are ended."""
        for pipe in (self._in, self._out):
            _widen(pipe)
        with ThreadPoolExecutor(1, thread_name_prefix="effects-pump") as thread:
            try:
                yield thread.submit(self._run)
            except BaseException:
                self._decoder.kill()
                self._encoder.kill()
                raise

    def _run(self) -> None:
        try:
            self._move()
        except BrokenPipeError:
            self.refused = True
        except av.error.FFmpegError as error:
            raise EncoderFailed(f"the decoded frames can't be read: {error.strerror}") from error
        finally:
            try:
                self._out.close()  # with all frames in it, the encoder ends
            except BrokenPipeError:
                self.refused = True

    def _move(self) -> None:
        with av.open(f"pipe:{self._in.fileno()}", format="nut", options=ONLY_PIPES) as frames:
            video = frames.streams.video[0]
            width, height, tick = video.codec_context.width, video.codec_context.height, tick_of(video)
            effects = FrameEffects(self._effects, self._rate, (width, height))
            frame_bytes = width * height * 3 // 2
            threads = len(os.sched_getaffinity(0))
            pending: deque[tuple[int, Future[bytes]]] = deque()
            with (
                av.open(f"pipe:{self._out.fileno()}", "w", format="nut") as made,
                ThreadPoolExecutor(threads, thread_name_prefix="effects") as pool,
            ):
                # With an encoder that is not used: without one, the stream lacks the name of its pixels.
                stream = made.add_stream("rawvideo")
                stream.width, stream.height = effects.size
                stream.pix_fmt = "yuv420p"
                stream.time_base = stream.codec_context.time_base = tick

                def write() -> None:
                    pts, drawn = pending.popleft()
                    packet = packet_of(drawn.result())
                    packet.stream, packet.time_base = stream, tick
                    packet.pts = packet.dts = pts
                    packet.is_keyframe = True
                    made.mux_one(packet)

                for packet in frames.demux([video]):
                    if packet.size == 0:
                        continue
                    if packet.size != frame_bytes:  # the decoder ended in its middle
                        raise EncoderFailed(f"a decoded frame has {packet.size} bytes, not {frame_bytes}")
                    pts = pts_of(packet)
                    time = float(self._begin + pts * tick)
                    pending.append((pts, pool.submit(_drawn, packet, (width, height), effects, time)))
                    if len(pending) > threads + _SPARE:
                        write()
                while pending:
                    write()


def _drawn(packet: AnyPacket, size: tuple[int, int], effects: FrameEffects, time: float) -> bytes:
    width, height = size
    data = np.array(np.frombuffer(memoryview(packet), np.uint8))  # a copy: effects draw on it
    luma, chroma = width * height, width * height // 4
    planes = Planes(
        data[:luma].reshape(height, width),
        data[luma : luma + chroma].reshape(height // 2, width // 2),
        data[luma + chroma : luma + 2 * chroma].reshape(height // 2, width // 2),
    )
    return b"".join(plane.tobytes() for plane in effects.apply(planes, time))


def _widen(pipe: IO[bytes]) -> None:
    try:
        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    except OSError:
        pass  # the user's limit of memory in pipes: it works with less


ONLY_PIPES = {"protocol_whitelist": "pipe", "format_whitelist": "nut"}
