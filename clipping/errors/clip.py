"""Errors of the work on a clip in an agent: permanent ones end the request, transient ones are retried."""

from __future__ import annotations

from typing import ClassVar

from clipping.errors.base import ClippingError


class PermanentError(ClippingError):
    """A retry would fail again: the completion has the status `failed` and the message is acknowledged."""


class SourceNotFound(PermanentError):
    """There is no file at that path, on an available NAS."""

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
    """This codec can't be written in the requested mode."""

    code = "UNSUPPORTED_CODEC"


class CutVerificationFailed(PermanentError):
    """The clip failed verification and was discarded."""

    code = "CUT_VERIFICATION_FAILED"


class OutputTooLarge(PermanentError):
    """The clip does not fit into the requested `output.max_bytes`."""

    code = "OUTPUT_TOO_LARGE"


class TimeLimit(PermanentError):
    """The cut took longer than `cutting.time_limit_seconds`."""

    code = "TIME_LIMIT"


class Lost(PermanentError):
    """No agent reported on the request, although it was published several times."""

    code = "LOST"


class Cancelled(PermanentError):
    """The caller cancelled the request."""

    code = "CANCELLED"


class TransientError(ClippingError):
    """A retry may succeed."""

    tries: ClassVar[int | None] = None
    """How often one request may end in it before it fails. None: as often as Pub/Sub delivers it, since the
    error says nothing about the request."""


class SourceUnavailable(TransientError):
    """The NAS is unavailable or hangs: not the same as a missing file."""

    code = "SOURCE_UNAVAILABLE"


class SourceChanged(TransientError):
    """The recording was overwritten or truncated while it was cut."""

    code = "SOURCE_CHANGED"


class NoSpace(TransientError):
    """The spool's disk is full."""

    code = "NO_SPACE"


class StoreUnavailable(TransientError):
    """The object store can't be reached, or denies access."""

    code = "STORE_UNAVAILABLE"


class SigningUnavailable(TransientError):
    """The object store accepts clips, but download links can't be signed."""

    code = "SIGNING_UNAVAILABLE"


class EncoderFailed(TransientError):
    """ffmpeg ended with an error that is not the source's fault."""

    code = "ENCODER_FAILED"
    tries: ClassVar[int | None] = 3


class ProcessDied(EncoderFailed):
    """A cutting process or its ffmpeg was ended by a signal: it crashed, or was killed from outside."""

    tries = 5


class EngineUnavailable(EncoderFailed):
    """This machine can't cut now: ffmpeg is missing, or no process can be started."""

    tries = None


class LeaseLost(TransientError):
    """This agent no longer leads: it must not publish or upload; another agent processes the clip."""

    code = "LEASE_LOST"


class BusUnavailable(TransientError):
    """Pub/Sub can't be reached, or denies access."""

    code = "BUS_UNAVAILABLE"


class GivenBack(ClippingError):
    """The clip was interrupted and is left to another agent or a later attempt. No completion is
    published."""

    code = "GIVEN_BACK"
