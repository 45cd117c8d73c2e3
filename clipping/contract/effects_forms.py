"""The request forms of existing export jobs, in `effects`: one table, and what each becomes.

Their keys are those of the video editor's jobs (`params`), in snake case or in camel case. A key that is null
counts as absent. Numbers and times are validated as those of `Effects`; errors name the caller's keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any, get_args

from pydantic import ValidationError

from clipping.contract.choices import HighlightEffect
from clipping.contract.effects import Effects
from clipping.contract.effects_segments import read_segments, read_time, read_trim_range
from clipping.contract.effects_trim import Trim
from clipping.contract.output import Output
from clipping.contract.problems import first_problem
from clipping.errors import InvalidRequest


@dataclass(frozen=True)
class AskedEffects:
    """The `effects` of a request's body."""

    effects: Effects
    trim: Trim | None
    """The part of the clip that they narrow it to."""
    names: Mapping[str, str]
    """The caller's path for each of ours that differs."""
    audio: tuple[str, bool] | None = None
    """What they say about the clip's audio: the caller's key, and whether it has any."""

    def output(self, output: Output) -> Output:
        """The clip's, if the request asks for `output`. Raises `InvalidRequest`."""
        if self.audio is None:
            return output
        key, audio = self.audio
        if "audio" in output.model_fields_set:
            raise _wrong(key, "must not be given together with output.audio")
        return output.model_copy(update={"audio": audio})

    def within(self, length: float) -> tuple[Effects, float, float]:
        """For a clip of `length` seconds: the effects, and the start and end of the part that remains.

        Raises `InvalidRequest`.
        """
        try:
            if self.trim is None:
                return self.effects.within(length), 0.0, length
            return self.trim.of(self.effects, length), *self.trim.bounds(length)
        except InvalidRequest as error:
            raise _named(error, self.names) from None


def parse_effects(given: object) -> AskedEffects:
    """The `effects` of a request's body, in any form.

    Raises `InvalidRequest` naming the first invalid field as the caller does.
    """
    forms = _Forms()
    read = forms.translated(given) if isinstance(given, Mapping) else given
    try:
        return AskedEffects(Effects.model_validate(read), forms.trim, forms.names, forms.audio)
    except ValidationError as error:
        raise _named(first_problem(error, within=("effects",)), forms.names) from None
    except InvalidRequest as error:
        raise _named(error, forms.names) from None


def _named(error: InvalidRequest, names: Mapping[str, str]) -> InvalidRequest:
    """The error with the caller's names."""
    path = error.field or ""
    for ours in sorted(names, key=len, reverse=True):
        theirs, rest = names[ours], path.removeprefix(ours)
        if path.startswith(ours) and rest[:1] in ("", ".", "["):
            return InvalidRequest(error.message.replace(ours, theirs, 1), field=theirs + rest)
    return error


@dataclass(frozen=True)
class Form:
    """One form of a job's request."""

    keys: tuple[str, ...]
    """The spellings of its key."""
    part: str
    """The field of `Effects` that it becomes; `trim`: it narrows the clip."""
    read: Callable[[_Forms, str, Any], None]
    """Called with the key as it was spelt, and its value."""


@dataclass
class _Forms:
    """One request's effects, while they are translated."""

    parts: dict[str, Any] = field(default_factory=dict)
    """Of `Effects`."""
    trim: Trim | None = None
    options: dict[str, tuple[str, Any]] = field(default_factory=dict)
    """What applies to several forms: by the first spelling, the key and the value."""
    names: dict[str, str] = field(default_factory=dict)
    """The caller's path for each of ours."""
    audio: tuple[str, bool] | None = None
    """As `AskedEffects.audio`."""

    def translated(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """As `Effects` reads it. Raises `InvalidRequest`."""
        audio = _spelt(given, INCLUDE_AUDIO)
        if audio is not None:
            self.audio = audio, _included(audio, given[audio])
        found = {form: _spelt(given, form.keys) for form in FORMS}
        options = {keys[0]: _spelt(given, keys) for keys, _ in OPTIONS}
        used = {name for name in (audio, *found.values(), *options.values()) if name is not None}
        self.parts = {
            name: value
            for name, value in given.items()
            if name not in used and (value is not None or name not in KEYS)
        }
        self.options = {name: (key, given[key]) for name, key in options.items() if key is not None}
        self._check_options({form.part for form, key in found.items() if key is not None})
        for form, key in found.items():
            if key is None:
                continue
            if form.part in self.parts:
                other = self.names.get(f"effects.{form.part}", f"effects.{form.part}")
                raise _wrong(key, f"must not be given together with {other}")
            form.read(self, key, given[key])
        return self.parts

    def _check_options(self, parts: Set[str]) -> None:
        """Raises `InvalidRequest` for an option without the form that it belongs to."""
        for keys, part in OPTIONS:
            if keys[0] not in self.options or part in parts:
                continue
            key, value = self.options[keys[0]]
            # Editors send the kind of highlight with every job.
            if key in EFFECT_TYPE and part not in self.parts and value in get_args(HighlightEffect):
                continue
            names = " or ".join(form.keys[0] for form in FORMS if form.part == part)
            raise _wrong(key, f"belongs to {names}; in effects.{part}, give it there")

    def narrow(self, trim: Trim | None) -> None:
        """Raises `InvalidRequest` when two forms narrow the clip."""
        if trim is not None and self.trim is not None:
            path, other = (each.start_field.rpartition(".")[0] for each in (trim, self.trim))
            raise InvalidRequest(f"{path} must not be given together with {other}", field=path)
        self.trim = trim or self.trim

    def option(self, name: str) -> Any:
        return self.options[name][1] if name in self.options else None

    def rename_option(self, ours: str, name: str) -> None:
        if name in self.options:
            self.names[ours] = f"effects.{self.options[name][0]}"


def _spelt(given: Mapping[str, Any], keys: Iterable[str]) -> str | None:
    """The spelling that is used, of a value that is not null."""
    used = [key for key in keys if given.get(key) is not None]
    if used and used[0] == "segments" and not isinstance(given["segments"], Mapping):
        return None  # ours
    if len(used) > 1:
        raise _wrong(used[1], f"must not be given together with effects.{used[0]}")
    return used[0] if used else None


CROP = ("time", "frame", "x", "y", "width", "height")
ELLIPSE = {
    "time": ("time",),
    "x": ("x",),
    "y": ("y",),
    "radiusX": ("radiusX", "radius_x"),
    "radiusY": ("radiusY", "radius_y"),
    "opacity": ("opacity",),
    "color": ("color",),
}
REGION = {
    "id": ("id",),
    "start_time": ("start_time", "startTime"),
    "end_time": ("end_time", "endTime"),
    "enabled": ("enabled",),
    "keyframes": ("keyframes",),
    "videoWidth": ("videoWidth", "video_width"),
    "videoHeight": ("videoHeight", "video_height"),
}
EFFECT_TYPE = ("effect_type", "effectType")
INCLUDE_AUDIO = ("include_audio", "includeAudio")
"""Stands for `output.audio`."""
VISIBLE = ("rotation", "shape", "text_layers", "textLayers")
"""Keys of newer editors that would change the frames, and that this service does not draw."""


def _crop_keyframes(forms: _Forms, key: str, given: Any) -> None:
    framing: dict[str, Any] = {
        "keyframes": _each(
            f"effects.{key}", given, lambda path, one: _kept(path, one, {name: (name,) for name in CROP})
        ),
        # As the editor draws its preview.
        "interpolation": "spline",
    }
    for name in ("interpolation", "target_width", "target_height"):
        if name in forms.options:
            framing[name] = forms.option(name)
            forms.rename_option(f"effects.framing.{name}", name)
    forms.names["effects.framing"] = forms.names["effects.framing.keyframes"] = f"effects.{key}"
    forms.parts["framing"] = framing


def _highlight_regions(forms: _Forms, key: str, given: Any) -> None:
    def region(path: str, one: Any) -> Any:
        if not isinstance(one, Mapping):
            return one
        found = _kept(path, one, REGION)
        if "keyframes" in found:
            found["keyframes"] = _each(f"{path}.keyframes", found["keyframes"], _ellipse)
        if found.get("enabled") is not False:
            found.pop("enabled", None)
        if "videoWidth" not in found and "videoHeight" not in found:
            found |= _sizes(forms)
        return found

    forms.names["effects.overlay.regions"] = f"effects.{key}"
    _overlay(forms, key, _each(f"effects.{key}", given, region))


def _highlight_keyframes(forms: _Forms, key: str, given: Any) -> None:
    """One region, from the first to the last time."""
    keyframes = _each(f"effects.{key}", given, _ellipse)
    forms.names["effects.overlay.regions[0].keyframes"] = f"effects.{key}"
    if keyframes == []:
        return _overlay(forms, key, [])
    times = [0.0]
    if isinstance(keyframes, list) and all(isinstance(one, dict) and "time" in one for one in keyframes):
        times = [read_time(f"effects.{key}[{n}].time", one["time"]) for n, one in enumerate(keyframes)]
    region = {"start_time": min(times), "end_time": max(times), "keyframes": keyframes, **_sizes(forms)}
    forms.names["effects.overlay.regions[0]"] = "effects"
    return _overlay(forms, key, [region])


def _overlay(forms: _Forms, key: str, regions: Any) -> None:
    if regions == []:
        return  # nothing is drawn
    overlay: dict[str, Any] = {"regions": regions}
    if "effect_type" in forms.options:
        overlay["effect_type"] = forms.option("effect_type")
        forms.rename_option("effects.overlay.effect_type", "effect_type")
    forms.names["effects.overlay"] = f"effects.{key}"
    forms.parts["overlay"] = overlay


def _sizes(forms: _Forms) -> dict[str, Any]:
    names: tuple[str, ...] = ("videoWidth", "videoHeight")
    return {name: forms.option(name) for name in names if name in forms.options}


def _ellipse(path: str, one: Any) -> Any:
    return _kept(path, one, ELLIPSE)


def _segment_data(forms: _Forms, key: str, given: Any) -> None:
    found = read_segments(f"effects.{key}", given)
    forms.names |= found.names
    forms.narrow(found.trim)
    if found.segments != []:
        forms.parts["segments"] = found.segments


def _trim_range(forms: _Forms, key: str, given: Any) -> None:
    forms.narrow(read_trim_range(f"effects.{key}", given))


def _each(path: str, given: Any, translate: Callable[[str, Any], Any]) -> Any:
    """The list with its items translated; anything else is left to the validation."""
    if not isinstance(given, list):
        return given
    return [translate(f"{path}[{number}]", one) for number, one in enumerate(given)]


def _kept(path: str, one: Any, known: Mapping[str, tuple[str, ...]]) -> Any:
    """The known keys that are not null. Others belong to the editor, and are ignored unless they would be
    visible."""
    if not isinstance(one, Mapping):
        return one
    for name in VISIBLE:
        if one.get(name) not in (None, 0, [], "", "ellipse"):
            raise InvalidRequest(f"{path}.{name} is not supported: leave it out", field=f"{path}.{name}")
    found = {}
    for name, spellings in known.items():
        used = [each for each in spellings if one.get(each) is not None]
        if len(used) > 1:
            field = f"{path}.{used[1]}"
            raise InvalidRequest(f"{field} must not be given together with {path}.{used[0]}", field=field)
        if used:
            found[name] = one[used[0]]
    return found


def _included(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _wrong(key, "must be true or false")
    return value


def _wrong(key: str, words: str) -> InvalidRequest:
    return InvalidRequest(f"effects.{key} {words}", field=f"effects.{key}")


FORMS = (
    Form(("crop_keyframes", "cropKeyframes"), "framing", _crop_keyframes),
    Form(("highlight_regions", "highlightRegions"), "overlay", _highlight_regions),
    Form(("highlight_keyframes", "highlightKeyframes"), "overlay", _highlight_keyframes),
    Form(("segment_data", "segmentData", "segments"), "segments", _segment_data),
    Form(("trimRange", "trim_range"), "trim", _trim_range),
)
"""The forms, in the order in which they are read."""
OPTIONS = (
    (("interpolation",), "framing"),
    (("target_width", "targetWidth"), "framing"),
    (("target_height", "targetHeight"), "framing"),
    (EFFECT_TYPE, "overlay"),
    (("videoWidth", "video_width"), "overlay"),
    (("videoHeight", "video_height"), "overlay"),
)
"""Further keys of a job, and the part that the form beside them becomes."""
KEYS = frozenset(
    key
    for keys in (*(form.keys for form in FORMS), *(keys for keys, _ in OPTIONS), INCLUDE_AUDIO)
    for key in keys
)
