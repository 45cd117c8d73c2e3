"""What an editor sees of a recording before a cut: windows to play, stills, keyframes, strips and waveforms.

Everything runs in separate processes that keep the recording open between calls: see `Previews`. It serves no
HTTP and knows no tokens: who may see which recording is decided by its user, who opens the file.
"""

from agent.cutting.preview.models import (
    Description,
    Keyframes,
    Peaks,
    Playable,
    PreviewSettings,
    Still,
    StreamDescription,
    Strip,
    Window,
)
from agent.cutting.preview.previews import Previews, proxy_name

__all__ = [
    "Description",
    "Keyframes",
    "Peaks",
    "Playable",
    "PreviewSettings",
    "Previews",
    "Still",
    "StreamDescription",
    "Strip",
    "Window",
    "proxy_name",
]
