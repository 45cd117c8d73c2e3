"""Errors of the work on a clip in an agent: permanent ones end the request, transient ones are retried."""

from __future__ import annotations

from typing import ClassVar

from clipping.errors.base import ClippingError


class PermanentError(ClippingError):
    """Trying again gives the same answer: the completion says `failed` and the message is acknowledged."""


class SourceNotFound(PermanentError):
    """No file at that path, on a NAS that is there."""

    code = "SOURCE_NOT_FOUND"


class SourceNotAllowed(PermanentError):
    """Outside the configured roots, or not a regular file."""

    code = "SOURCE_NOT_ALLOWED"


class SourceCorrupt(PermanentError):
    """The file can't be read as a recording."""

    code = "SOURCE_CORRUPT"


class SourceDamaged(PermanentError):
    """The recording is damaged within the clip, and `cutting.on_damage` is `fail`."""

    code = "SOURCE_DAMAGED"


class SourceHasNoVideo(PermanentError):
    """A readable file without a video stream."""

    code = "SOURCE_HAS_NO_VIDEO"


class TooLarge(PermanentError):
    """The recording's frames, or the requested ones, have more pixels than `cutting.max_pixels`."""

    code = "TOO_LARGE"


class RangeBeyondEnd(PermanentError):
    """The in-point, or more than a second of the clip, lies behind the recording's end."""

    code = "RANGE_BEYOND_END"


class UnsupportedCodec(PermanentError):
    """No way to write this codec in the asked mode."""

    code = "UNSUPPORTED_CODEC"


class CutVerificationFailed(PermanentError):
    """The clip that was cut is not what was asked; it was thrown away."""

    code = "CUT_VERIFICATION_FAILED"


class OutputTooLarge(PermanentError):
    """The clip does not fit into the `output.max_bytes` that was asked for."""

    code = "OUTPUT_TOO_LARGE"


class TimeLimit(PermanentError):
    """The cut took longer than `cutting.time_limit_seconds`."""

    code = "TIME_LIMIT"


class Lost(PermanentError):
    """No agent gave a sign of life, however often the request was published."""

    code = "LOST"


class Cancelled(PermanentError):
    """The caller cancelled."""

    code = "CANCELLED"


class TransientError(ClippingError):
    """Trying again may help."""

    tries: ClassVar[int | None] = None
    """How often one request may end in it before it fails. None: as often as Pub/Sub delivers it, since the
    error says nothing about the request."""


class SourceUnavailable(TransientError):
    """The NAS is away or hangs: not the same as a missing file."""

    code = "SOURCE_UNAVAILABLE"


class SourceChanged(TransientError):
    """The recording was overwritten or shortened while it was cut: what was read is not there any more."""

    code = "SOURCE_CHANGED"


class NoSpace(TransientError):
    """The spool's disk is full."""

    code = "NO_SPACE"


class StoreUnavailable(TransientError):
    """The object store can't be reached, or denies access."""

    code = "STORE_UNAVAILABLE"


class SigningUnavailable(TransientError):
    """The object store takes clips, but no download link to them can be signed."""

    code = "SIGNING_UNAVAILABLE"


class EncoderFailed(TransientError):
    """ffmpeg ended with an error that is not the source's fault."""

    code = "ENCODER_FAILED"
    tries: ClassVar[int | None] = 3


class ProcessDied(EncoderFailed):
    """A cutting process or its ffmpeg was ended by a signal: it crashed, or was killed from outside."""

    tries = 5


class EngineUnavailable(EncoderFailed):
    """No cut can be made on this machine now: there is no ffmpeg, or no process can be started."""

    tries = None


class LeaseLost(TransientError):
    """This agent leads no longer: nothing may be published or uploaded, another agent does the clip."""

    code = "LEASE_LOST"


class BusUnavailable(TransientError):
    """Pub/Sub can't be reached, or denies access."""

    code = "BUS_UNAVAILABLE"


class GivenBack(ClippingError):
    """The clip was interrupted: another agent, or a later attempt, makes it. Nothing is published for it."""

    code = "GIVEN_BACK"
