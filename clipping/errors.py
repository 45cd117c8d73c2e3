"""The one exception tree. Each class has a stable `code`, used in the API, the completion and the log alike.

ClippingError
├── RequestError                     the caller can mend it
│   ├── InvalidRequest               INVALID_REQUEST
│   ├── Unauthorized                 UNAUTHORIZED
│   ├── Forbidden                    FORBIDDEN
│   ├── NotFound                     NOT_FOUND
│   ├── MethodNotAllowed             METHOD_NOT_ALLOWED
│   ├── NotReady                     NOT_READY
│   ├── AlreadyFinished              ALREADY_FINISHED
│   ├── IdempotencyConflict          IDEMPOTENCY_CONFLICT
│   ├── InvalidPeriod                INVALID_PERIOD
│   ├── Expired                      EXPIRED
│   ├── PayloadTooLarge              PAYLOAD_TOO_LARGE
│   ├── UnsupportedMediaType         UNSUPPORTED_MEDIA_TYPE
│   ├── RangeNotSatisfiable          RANGE_NOT_SATISFIABLE
│   ├── HeadersTooLarge              HEADERS_TOO_LARGE
│   ├── UnknownTransfer              NOT_IMPLEMENTED
│   ├── RateLimited                  RATE_LIMITED
│   ├── QuotaExceeded                QUOTA_EXCEEDED
│   ├── TooManyStreams               TOO_MANY_STREAMS
│   ├── Overloaded                   OVERLOADED
│   ├── NotPossible                  NOT_POSSIBLE
│   ├── OperationRunning             OPERATION_RUNNING
│   ├── NoEligibleTarget             NO_ELIGIBLE_TARGET
│   ├── CoordinationUnavailable      COORDINATION_UNAVAILABLE
│   └── QueueUnavailable             QUEUE_UNAVAILABLE
├── PermanentError                   trying again gives the same: publish `failed`, acknowledge
│   ├── SourceNotFound               SOURCE_NOT_FOUND
│   ├── SourceNotAllowed             SOURCE_NOT_ALLOWED
│   ├── SourceCorrupt                SOURCE_CORRUPT
│   ├── SourceDamaged                SOURCE_DAMAGED
│   ├── SourceHasNoVideo             SOURCE_HAS_NO_VIDEO
│   ├── TooLarge                     TOO_LARGE
│   ├── RangeBeyondEnd               RANGE_BEYOND_END
│   ├── UnsupportedCodec             UNSUPPORTED_CODEC
│   ├── CutVerificationFailed        CUT_VERIFICATION_FAILED
│   ├── OutputTooLarge               OUTPUT_TOO_LARGE
│   ├── TimeLimit                    TIME_LIMIT
│   ├── Lost                         LOST
│   └── Cancelled                    CANCELLED
├── TransientError                   trying again may help: retry with backoff, the last attempt fails visibly
│   ├── SourceUnavailable            SOURCE_UNAVAILABLE
│   ├── SourceChanged                SOURCE_CHANGED
│   ├── NoSpace                      NO_SPACE
│   ├── StoreUnavailable             STORE_UNAVAILABLE
│   ├── SigningUnavailable           SIGNING_UNAVAILABLE
│   ├── EncoderFailed                ENCODER_FAILED
│   │   ├── ProcessDied              ENCODER_FAILED
│   │   └── EngineUnavailable        ENCODER_FAILED
│   ├── LeaseLost                    LEASE_LOST
│   └── BusUnavailable               BUS_UNAVAILABLE
├── ConfigurationError               CONFIGURATION (exit 78)
├── ObjectExists, VersionMismatch    a store precondition did not hold
└── GivenBack                        the clip was interrupted, to be made in a later attempt
"""

from __future__ import annotations

from typing import ClassVar


class ClippingError(Exception):
    """Base of all our errors. `str(e)` is a sentence for the user that says what to do."""

    code: str = "INTERNAL_ERROR"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class RequestError(ClippingError):
    """The caller's request can't be served as it is; `field` names the one to blame, if one is.

    `retry_after` is the number of seconds after which the same request may be served.
    """

    status: ClassVar[int] = 400

    def __init__(self, message: str, *, field: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.field = field
        self.retry_after = retry_after


class InvalidRequest(RequestError):
    """A field is missing, unknown, of the wrong type or out of range."""

    code = "INVALID_REQUEST"


class Unauthorized(RequestError):
    """No credential, or one that nobody issued."""

    code, status = "UNAUTHORIZED", 401


class Forbidden(RequestError):
    """A good credential whose role may not do this."""

    code, status = "FORBIDDEN", 403


class NotFound(RequestError):
    """No such thing, or not the caller's."""

    code, status = "NOT_FOUND", 404


class MethodNotAllowed(RequestError):
    """The address is there, and does not do that."""

    code, status = "METHOD_NOT_ALLOWED", 405


class NotReady(RequestError):
    """The clip is not finished, or failed."""

    code, status = "NOT_READY", 409


class AlreadyFinished(RequestError):
    """The clip has ended: there is nothing left to cancel."""

    code, status = "ALREADY_FINISHED", 409


class IdempotencyConflict(RequestError):
    """The `Idempotency-Key` was used for another request within the last day."""

    code, status = "IDEMPOTENCY_CONFLICT", 409


class InvalidPeriod(RequestError):
    """Statistics are not kept for such a period."""

    code = "INVALID_PERIOD"


class Expired(RequestError):
    """The clip was there and its retention has passed, or a signed URL's time is over."""

    code, status = "EXPIRED", 410


class PayloadTooLarge(RequestError):
    """The body is above the limit."""

    code, status = "PAYLOAD_TOO_LARGE", 413


class UnsupportedMediaType(RequestError):
    """The body is not application/json."""

    code, status = "UNSUPPORTED_MEDIA_TYPE", 415


class RateLimited(RequestError):
    """More calls in a minute than `limits.requests_per_minute`."""

    code, status = "RATE_LIMITED", 429


class QuotaExceeded(RequestError):
    """More upright clips in a day than `limits.shorts_per_day`."""

    code, status = "QUOTA_EXCEEDED", 429


class TooManyStreams(RequestError):
    """As many event streams are open as `api.event_streams` allows."""

    code, status = "TOO_MANY_STREAMS", 503


class Overloaded(RequestError):
    """The server has too many open connections to answer anything but health checks."""

    code, status = "OVERLOADED", 503


class RangeNotSatisfiable(RequestError):
    """The asked-for bytes lie behind the file's end."""

    code, status = "RANGE_NOT_SATISFIABLE", 416


class HeadersTooLarge(RequestError):
    """The request's headers are above the server's limit."""

    code, status = "HEADERS_TOO_LARGE", 431


class UnknownTransfer(RequestError):
    """A `Transfer-Encoding` that the server does not know."""

    code, status = "NOT_IMPLEMENTED", 501


class NotPossible(RequestError):
    """A failover that makes no sense as the cluster is: no lease, or the named agent leads already."""

    code, status = "NOT_POSSIBLE", 409


class OperationRunning(RequestError):
    """Another failover is not finished."""

    code, status = "OPERATION_RUNNING", 409


class NoEligibleTarget(RequestError):
    """No agent can take over; the message holds each one's reasons."""

    code, status = "NO_ELIGIBLE_TARGET", 412


class CoordinationUnavailable(RequestError):
    """The cluster's documents can't be reached, or can't be understood. Nothing was changed."""

    code, status = "COORDINATION_UNAVAILABLE", 503


class QueueUnavailable(RequestError):
    """The request can't be taken now: the database or the queue is away."""

    code, status = "QUEUE_UNAVAILABLE", 503


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
    """The recording's picture, or the requested one, has more pixels than `cutting.max_pixels`."""

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
    """The object store can't be reached, or refuses us."""

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
    """Pub/Sub can't be reached, or refuses us."""

    code = "BUS_UNAVAILABLE"


class ConfigurationError(ClippingError):
    """Every problem of the configuration at once, each with its path. Commands exit with 78."""

    code = "CONFIGURATION"

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class ObjectExists(ClippingError):
    """A create-only put found an object under that key."""

    code = "OBJECT_EXISTS"


class VersionMismatch(ClippingError):
    """A conditional write or delete found another version than the expected one."""

    code = "VERSION_MISMATCH"


class GivenBack(ClippingError):
    """The clip was interrupted: another agent, or a later attempt, makes it. Nothing is published for it."""

    code = "GIVEN_BACK"
