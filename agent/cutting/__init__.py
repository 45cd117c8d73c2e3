"""The cutting engine: a recording, an in-point and an out-point in; a verified clip and a report out.

It knows nothing of clouds and can be used by itself: see `Engine`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.cutting.encode.ffmpeg import find_ffmpeg
    from agent.cutting.engine import Engine
    from agent.cutting.formats.media import MediaInfo
    from agent.cutting.plan.spec import Clip, CutSpec, EngineSettings, Keep, PartSpec, ReelSpec
    from agent.cutting.process.interruption import Interruption, Reason

__all__ = [
    "Clip",
    "CutSpec",
    "Engine",
    "EngineSettings",
    "Interruption",
    "Keep",
    "MediaInfo",
    "PartSpec",
    "Reason",
    "ReelSpec",
    "find_ffmpeg",
]

_MODULES = {
    "Clip": "plan.spec",
    "CutSpec": "plan.spec",
    "Engine": "engine",
    "EngineSettings": "plan.spec",
    "Interruption": "process.interruption",
    "Keep": "plan.spec",
    "MediaInfo": "formats.media",
    "PartSpec": "plan.spec",
    "Reason": "process.interruption",
    "ReelSpec": "plan.spec",
    "find_ffmpeg": "encode.ffmpeg",
}


def __getattr__(name: str) -> object:
    """Imported when they are used, so that the fork server can be started before."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
