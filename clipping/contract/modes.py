"""Which mode a request needs: copied frames can be neither reshaped nor changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clipping.contract.choices import Mode
from clipping.contract.effects import NO_EFFECTS, Effects
from clipping.contract.output import Output
from clipping.errors import InvalidRequest

_ENCODED = frozenset({"width", "height", "fps", "max_bytes"})


def default_mode(request: Mapping[str, Any], high: Mode = "copy") -> Mode:
    """The mode of a request (still unchecked) that names none; `high`: where it leaves the choice to us."""
    if _changes_frames(request.get("effects")):
        return "encode"
    given = request.get("output")
    output: Mapping[str, Any] = given if isinstance(given, dict) else {}
    if output.get("video_codec") == "copy":
        return "copy" if high == "encode" else high
    shaped = output.get("aspect", "source") != "source" or not _ENCODED.isdisjoint(output)
    quality = output.get("quality", request.get("output_quality"))
    return "encode" if shaped or "video_codec" in output or quality == "medium" else high


def _changes_frames(effects: object) -> bool:
    if isinstance(effects, Effects):
        return bool(effects.encoding)
    return isinstance(effects, dict) and any(
        value for name, value in effects.items() if name != "captions" or not _is_track(value)
    )


def _is_track(captions: object) -> bool:
    return isinstance(captions, dict) and captions.get("mode") == "track"


def check_mode(
    mode: Mode, output: Output, effects: Effects = NO_EFFECTS, *, effects_at: str = "effects"
) -> None:
    """Raises `InvalidRequest` when the mode can't give this output or these effects.

    `effects_at`: the path of the effects in the request.
    """
    asked = [f"output.{name}" for name in output.encoding] + [
        f"{effects_at}.{name}" for name in effects.encoding
    ]
    if mode != "encode" and asked:
        # A reel has no text tracks.
        has_track = effects.burned is not None and effects_at == "effects"
        other = "; effects.captions may have mode track" if has_track else ""
        raise InvalidRequest(
            f"mode must be encode, or left out, with {', '.join(asked)}: copied frames can't be changed"
            f"{other}",
            field="mode",
        )
    if output.video_codec == "copy" and (effects.encoding or mode == "encode"):
        why = f"with {', '.join(asked)}" if asked else "when mode is encode"
        raise InvalidRequest(f"output.video_codec must not be copy {why}", field="output.video_codec")


def check_size(output: Output, effects: Effects) -> None:
    """Raises `InvalidRequest` when the output has another size than its framing gives, or another framing."""
    if effects.framing is None:
        if effects.overlay is not None and effects.overlay.space == "framed" and output.fit != "smart_crop":
            raise InvalidRequest(
                "effects.overlay.space must not be framed without effects.framing, unless output.fit is "
                "smart_crop",
                field="effects.overlay.space",
            )
        return
    if output.fit == "smart_crop":
        raise InvalidRequest(
            "output.fit must not be smart_crop with effects.framing, which says where the window is: leave "
            "one of them out",
            field="output.fit",
        )
    width, height = effects.framing.target
    whole = output.size or (output.width or width, output.height or height)
    if whole != (width, height):
        named = next(name for name in ("aspect", "width", "height") if name in output.reshaping)
        raise InvalidRequest(
            f"output.{named} does not give {width}x{height}, which effects.framing.target_width and "
            "target_height set: leave it out, or set them to that size",
            field=f"output.{named}",
        )
