"""The one exception tree. Each class has a stable `code`, used in the API, the completion and the log alike.

ClippingError
├── RequestError                     the caller can fix it
│   ├── InvalidRequest               INVALID_REQUEST
│   ├── Unauthorized                 UNAUTHORIZED
│   │   └── TokenExpired             TOKEN_EXPIRED
│   ├── Forbidden                    FORBIDDEN
│   ├── NotFound                     NOT_FOUND
│   ├── MethodNotAllowed             METHOD_NOT_ALLOWED
│   ├── NotReady                     NOT_READY
│   ├── NotFinished                  NOT_FINISHED
│   ├── AlreadyFinished              ALREADY_FINISHED
│   ├── AlreadyUploaded              ALREADY_UPLOADED
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
│   ├── PreviewUnavailable           PREVIEW_UNAVAILABLE
│   ├── CatalogUnavailable           CATALOG_UNAVAILABLE
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

from clipping.errors.base import (
    ClippingError,
    ConfigurationError,
    ObjectExists,
    VersionMismatch,
)
from clipping.errors.clip import (
    BusUnavailable,
    Cancelled,
    CutVerificationFailed,
    EncoderFailed,
    EngineUnavailable,
    GivenBack,
    LeaseLost,
    Lost,
    NoSpace,
    OutputTooLarge,
    PermanentError,
    ProcessDied,
    RangeBeyondEnd,
    SigningUnavailable,
    SourceChanged,
    SourceCorrupt,
    SourceDamaged,
    SourceHasNoVideo,
    SourceNotAllowed,
    SourceNotFound,
    SourceUnavailable,
    StoreUnavailable,
    TimeLimit,
    TooLarge,
    TransientError,
    UnsupportedCodec,
)
from clipping.errors.request import (
    AlreadyFinished,
    AlreadyUploaded,
    CatalogUnavailable,
    CoordinationUnavailable,
    Expired,
    Forbidden,
    HeadersTooLarge,
    IdempotencyConflict,
    InvalidPeriod,
    InvalidRequest,
    MethodNotAllowed,
    NoEligibleTarget,
    NotFinished,
    NotFound,
    NotPossible,
    NotReady,
    OperationRunning,
    Overloaded,
    PayloadTooLarge,
    PreviewUnavailable,
    QueueUnavailable,
    QuotaExceeded,
    RangeNotSatisfiable,
    RateLimited,
    RequestError,
    TokenExpired,
    TooManyStreams,
    Unauthorized,
    UnknownTransfer,
    UnsupportedMediaType,
)

__all__ = [
    "AlreadyFinished",
    "AlreadyUploaded",
    "BusUnavailable",
    "Cancelled",
    "CatalogUnavailable",
    "ClippingError",
    "ConfigurationError",
    "CoordinationUnavailable",
    "CutVerificationFailed",
    "EncoderFailed",
    "EngineUnavailable",
    "Expired",
    "Forbidden",
    "GivenBack",
    "HeadersTooLarge",
    "IdempotencyConflict",
    "InvalidPeriod",
    "InvalidRequest",
    "LeaseLost",
    "Lost",
    "MethodNotAllowed",
    "NoEligibleTarget",
    "NoSpace",
    "NotFinished",
    "NotFound",
    "NotPossible",
    "NotReady",
    "ObjectExists",
    "OperationRunning",
    "OutputTooLarge",
    "Overloaded",
    "PayloadTooLarge",
    "PermanentError",
    "PreviewUnavailable",
    "ProcessDied",
    "QueueUnavailable",
    "QuotaExceeded",
    "RangeBeyondEnd",
    "RangeNotSatisfiable",
    "RateLimited",
    "RequestError",
    "SigningUnavailable",
    "SourceChanged",
    "SourceCorrupt",
    "SourceDamaged",
    "SourceHasNoVideo",
    "SourceNotAllowed",
    "SourceNotFound",
    "SourceUnavailable",
    "StoreUnavailable",
    "TimeLimit",
    "TokenExpired",
    "TooLarge",
    "TooManyStreams",
    "TransientError",
    "Unauthorized",
    "UnknownTransfer",
    "UnsupportedCodec",
    "UnsupportedMediaType",
    "VersionMismatch",
]
