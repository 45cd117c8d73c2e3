"""Which recording a request names: a path below the roots, or the id that listings give it."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

from clipping.config import NasRoot
from clipping.contract.preview_keys import PreviewKeys
from clipping.contract.roots import is_below
from clipping.errors import InvalidRequest, NotFound
from clipping.text import is_plain_text

_INSTEAD_OF = ("nas_video_path", "source_uri")


@dataclass(frozen=True)
class RecordingIds:
    """Replaces ids in the bodies of requests by paths, so that all that follows knows paths only."""

    keys: PreviewKeys | None
    """None: previews are disabled, and so are ids."""
    roots: Sequence[NasRoot]

    def in_clip(self, body: object, allowed: Sequence[str] | None, *, within: str = "") -> object:
        """A clip, or a part of a reel, with the path of its `recording_id`, if it has one.

        `allowed`: the caller's roots; None: all. Other recordings are as good as unknown. `within` is put
        before the names of fields. Raises `InvalidRequest`.
        """
        if not isinstance(body, dict) or "recording_id" not in body:
            return body
        rest = {name: value for name, value in body.items() if name != "recording_id"}
        recording_id, field = body["recording_id"], f"{within}recording_id"
        if recording_id is None:
            return rest
        for other in _INSTEAD_OF:
            if rest.get(other) is not None:
                raise InvalidRequest(f"{field} must not be given together with {other}", field=field)
        if not isinstance(recording_id, str):
            raise InvalidRequest(f"{field} must be a string", field=field)
        return rest | {"nas_video_path": self._path(recording_id, allowed, field)}

    def in_reel(self, body: object, allowed: Sequence[str] | None) -> object:
        """As `in_clip`, for each part of a reel."""
        if not isinstance(body, dict) or not isinstance(body.get("clips"), list):
            return body
        parts = enumerate(body["clips"])
        return {**body, "clips": [self.in_clip(part, allowed, within=f"clips[{n}].") for n, part in parts]}

    def _path(self, recording_id: str, allowed: Sequence[str] | None, field: str) -> str:
        if self.keys is None:
            raise InvalidRequest(
                f"{field} can't be used here, as previews are disabled (preview.key): send nas_video_path",
                field=field,
            )
        try:
            path = self.keys.path_of(recording_id)
            if allowed is not None and not is_below(posixpath.normpath(path), allowed):
                raise NotFound("it is below another root")
        except NotFound:
            raise InvalidRequest(
                f"{field} must be the id of a recording, as GET /v1/recordings lists it", field=field
            ) from None
        if not is_plain_text(path):
            raise InvalidRequest(
                f"{field} is of a recording whose name can't be requested: rename the file without control "
                "characters, in UTF-8",
                field=field,
            )
        check_inside_roots(path, self.roots, field=field)
        return path


def check_inside_roots(path: str, roots: Sequence[NasRoot], *, field: str) -> None:
    """A first check of a path's text; the agent checks the file itself. No roots: the agents decide.

    Raises `InvalidRequest`.
    """
    normal = posixpath.normpath("/" + path.lstrip("/"))
    inside = (normal.startswith(root.path.rstrip("/") + "/") for root in roots)
    if roots and not any(inside):
        raise InvalidRequest(
            f"{field} must be a file inside one of the folders that recordings are kept in",
            field=field,
        )


def check_allowed(path: str, roots: Sequence[str], *, field: str) -> None:
    """Whether a caller whose roots are limited may cut from a path. Raises `InvalidRequest`, for what is
    below another root as for what is below none."""
    if not is_below(posixpath.normpath("/" + path.lstrip("/")), roots):
        folders = ", ".join(roots)
        raise InvalidRequest(
            f"{field} must be a file inside a folder that you may cut from: {folders}"
            if roots
            else f"{field} must not be given, as you may cut from no folder: use source_uri",
            field=field,
        )
