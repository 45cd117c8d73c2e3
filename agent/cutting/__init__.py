"""The cutting engine: a recording, an in-point and an out-point in; a verified clip and a report out.

It knows nothing of clouds and can be used by itself: see `Engine`.
"""

from agent.cutting.encode.ffmpeg import find_ffmpeg
from agent.cutting.engine import Engine
from agent.cutting.formats.media import MediaInfo
from agent.cutting.plan.spec import Clip, CutSpec, EngineSettings
from agent.cutting.process.interruption import Interruption, Reason

__all__ = [
    "Clip",
    "CutSpec",
    "Engine",
    "EngineSettings",
    "Interruption",
    "MediaInfo",
    "Reason",
    "find_ffmpeg",
]
