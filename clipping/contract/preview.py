"""The results of previews: built by the agents, passed on by the API. `openapi.yaml` has the same schemas.

Times are seconds of the recording, as a player shows them.
"""

from __future__ import annotations

from typing import Literal

from clipping.contract.results import Result
from clipping.contract.wire import Moment


class PreviewTokenIssued(Result):
    """A token for previews."""

    token: str
    expires_at: Moment
    roots: list[str]
    """The folders whose recordings it allows to preview; `/`: all that the agents have."""


class RecordingFolder(Result):
    """A folder of recordings."""

    name: str
    prefix: str
    """To list what is in it."""


class RecordingEntry(Result):
    """A recording in a listing."""

    id: str
    name: str
    path: str
    """As `nas_video_path` of a request takes it."""
    size: int
    modified: Moment
    growing: bool
    """Whether it was written to in the last seconds."""
    duration: float | None = None
    """Known once the recording was previewed or cut."""
    codecs: list[str] | None = None


class RecordingList(Result):
    """A page of one folder."""

    root: str
    prefix: str
    folders: list[RecordingFolder]
    """All those in the folder, on the first page only."""
    recordings: list[RecordingEntry]
    truncated: bool
    """Whether the folder has more entries than are read: use folders, or `q`."""
    next_cursor: str | None = None


class RecordingRoot(Result):
    """A folder of `agent.nas_roots` in the catalogue."""

    path: str
    agent: str
    """Whose scan its entries are from."""
    scanned_at: Moment | None = None
    """When that scan began; absent: there was none yet."""
    available: bool
    """False: the entries are those of `scanned_at`, and may be out of date."""
    reason: str | None = None
    """Why it is not available."""
    unavailable_since: Moment | None = None
    recordings: int
    """All those that the scan found, below all folders."""
    truncated: bool
    """Whether some are left out: there are too many, or folders that the agent may not read."""


class RecordingCatalog(Result):
    """A page of one folder, or of what a search has found."""

    root: str | None = None
    """Absent in a search of all roots, and where there are several and none was chosen."""
    prefix: str
    folders: list[RecordingFolder]
    """All those in the folder, on the first page only; none in a search."""
    recordings: list[RecordingEntry]
    """By name; in a search by root, folder and name."""
    next_cursor: str | None = None
    roots: list[RecordingRoot]
    """All that the caller may see, and their state."""


class PreviewStream(Result):
    """One stream of a recording."""

    index: int
    kind: Literal["video", "audio", "subtitle", "data", "attachment", "unknown"]
    codec: str
    mse: str | None = None
    """The codec in a MIME type."""
    plays: bool
    """Whether Chromium plays it by Media Source Extensions."""
    language: str | None = None
    title: str | None = None
    default: bool


class RecordingDescription(Result):
    """What a recording holds, and how it can be previewed."""

    id: str
    name: str
    path: str
    size: int
    modified: Moment
    growing: bool
    playable: Literal["copy", "proxy", "audio", "none"]
    reason: str | None = None
    """Why its own packets can't be played."""
    streams: list[PreviewStream]
    video: int | None = None
    """The index of the stream that is previewed."""
    audio: int | None = None
    """The index of the audio stream that windows contain, as AAC where `plays` is false."""
    duration: float | None = None
    start: float
    """When the first frame is shown; mostly 0."""
    shift: float
    """To add to every time and offset in a browser, which has no times below 0; mostly 0."""
    fps: float | None = None
    width: int | None = None
    height: int | None = None
    rotation: int
    timecode: str | None = None
    """SMPTE timecode of what is shown at 0."""
    recorded: Moment | None = None
    """When what is shown at 0 was recorded."""


class KeyframeList(Result):
    """The keyframes of a range."""

    times: list[float]
    end: float
    """All before this were found: less than requested where reading on would take too long."""
