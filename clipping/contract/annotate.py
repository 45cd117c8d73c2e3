"""The video editor's annotations of a recording as requests: a review reel, clips of the good ones, a table.

Pure. What the editor leaves out, or empty, has its defaults: a rating of 3, and a name made of rating and
tags. Further keys of an annotation are ignored.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from clipping.contract.choices import Mode
from clipping.contract.effect_values import MAX_NAME, MAX_NOTES, NoBool
from clipping.contract.messages import MAX_METADATA_VALUE, Seconds
from clipping.contract.problems import first_problem
from clipping.contract.table import Row, table
from clipping.errors import InvalidRequest

ADJECTIVES = {1: "Bad", 2: "Unfortunate", 3: "Interesting", 4: "Good", 5: "Brilliant"}
"""By rating."""
MIN_RATING = 4
"""An annotation with this rating or a higher one becomes a clip."""
MAX_ANNOTATIONS = 1000
_NO_RATING = 3
_LONGEST_ID = 128
_LONGEST_SLUG = 50
_LONGEST_BASE = 70


def _one_line(longest: int) -> AfterValidator:
    def check(text: str | None) -> str:
        line = " ".join((text or "").split())
        if len(line) > longest:
            raise ValueError(f"must be at most {longest} characters")
        return line

    return AfterValidator(check)


class Annotation(BaseModel):
    """One annotation, as the editor sends it. Times are seconds of the recording."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)

    start_time: Seconds
    end_time: Seconds
    name: Annotated[str | None, _one_line(MAX_NAME)] = ""
    notes: Annotated[str | None, _one_line(MAX_NOTES)] = ""
    rating: Annotated[Literal[1, 2, 3, 4, 5] | None, NoBool] = None
    tags: Annotated[tuple[str, ...] | None, Field(strict=False)] = None


@dataclass(frozen=True)
class Annotations:
    """What annotations become: the bodies of requests, and a table."""

    review: dict[str, Any]
    """Of a reel with every annotation in order, its name, notes and rating burned in."""
    clips: list[dict[str, Any]]
    """Of a clip for each annotation with a good rating."""
    table: str
    """Of all of them, as tab-separated values."""


def annotate(
    form: object, *, recording: str, name: str, min_rating: int = MIN_RATING, mode: Mode = "copy"
) -> Annotations:
    """The editor's form: an object with `clips`, or that list itself. The requests are not validated.

    `recording`: its path. `name`: the reel's id, and the beginning of each clip's `hand_id`. `mode`: of the
    clips. Raises `InvalidRequest` naming the first invalid field.
    """
    rows = [_row(number, each) for number, each in enumerate(_annotations(form), 1)]
    return Annotations(
        review=_review(rows, recording, name),
        clips=[
            _clip(row, number, recording, name, mode)
            for number, row in enumerate(rows, 1)
            if (row.rating or 0) >= min_rating
        ],
        table=table(rows),
    )


def _annotations(form: object) -> list[Annotation]:
    given = form.get("clips") if isinstance(form, Mapping) else form
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_ANNOTATIONS:
        raise InvalidRequest(f"clips must be a list of 1 to {MAX_ANNOTATIONS} annotations", field="clips")
    found = []
    for index, each in enumerate(given):
        try:
            one = Annotation.model_validate(each)
        except ValidationError as error:
            raise first_problem(error, within=("clips", index)) from None
        if one.end_time <= one.start_time:
            field = f"clips[{index}].end_time"
            raise InvalidRequest(f"{field} must be greater than start_time", field=field)
        found.append(one)
    return found


def _row(number: int, one: Annotation) -> Row:
    rating = one.rating or _NO_RATING
    tags = [tag for tag in (" ".join(tag.split()) for tag in one.tags or ()) if tag]
    name = one.name or name_of(number, rating, tags)
    return Row(one.start_time, one.end_time, name, rating, tags, one.notes or None)


def name_of(number: int, rating: int, tags: Sequence[str]) -> str:
    """The name of the `number`-th annotation that has none: "Brilliant Goal and Dribble", or "Clip 3"."""
    if not tags:
        return f"Clip {number}"
    *first, last = [tag[0].upper() + tag[1:] for tag in tags]
    return f"{ADJECTIVES[rating]} {', '.join(first)} and {last}" if first else f"{ADJECTIVES[rating]} {last}"


def _review(rows: Sequence[Row], recording: str, name: str) -> dict[str, Any]:
    parts = []
    for row in rows:
        title = {"name": row.name[:MAX_NAME], "rating": row.rating} | (
            {"notes": row.notes} if row.notes else {}
        )
        parts.append(
            {
                "nas_video_path": recording,
                "start_seconds": row.start,
                "end_seconds": row.end,
                "tags": list(row.tags),
                "effects": {"title": title},
            }
        )
    # Annotations of one moment are normal: they are reviewed one after the other.
    return {"reel_id": name, "clips": parts, "tsv": True, "allow_overlaps": True}


def _clip(row: Row, number: int, recording: str, name: str, mode: Mode) -> dict[str, Any]:
    noted = {
        "title": row.name,
        "description": row.notes,
        "rating": str(row.rating),
        "tags": ",".join(row.tags),
    }
    return {
        "hand_id": f"{name[:_LONGEST_BASE]}-{number:02}{_slug(row.name)}"[:_LONGEST_ID],
        "nas_video_path": recording,
        "start_seconds": row.start,
        "end_seconds": row.end,
        "mode": mode,
        "metadata": {key: value[:MAX_METADATA_VALUE] for key, value in noted.items() if value},
    }


def _slug(name: str) -> str:
    """The name as the end of a file's name: letters and digits without accents, joined by hyphens."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = re.sub(r"[^A-Za-z0-9]+", "-", plain).strip("-")[:_LONGEST_SLUG].strip("-")
    return f"-{words}" if words else ""
