"""The root of the tree, and errors that concern neither a request nor a clip."""

from __future__ import annotations


class ClippingError(Exception):
    """Base class of all errors of the service. `str(e)` is a message for the user that states the fix."""

    code: str = "INTERNAL_ERROR"
    part: int | None = None
    """Of a reel: the index of the part that failed."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


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
