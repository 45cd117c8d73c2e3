"""Where the objects of requests are: one folder for each life span, by the kind of the request. Pure.

    clips/{hand_id}/{request_id}.{ext}     kept for `storage.retention_days`
    shorts/{hand_id}/{request_id}.{ext}    vertical clips: kept for `limits.short_retention_hours`
    reels/{reel_id}/{request_id}.{ext}     as clips
    uploads/{tag}/{upload_id}/{name}       recordings that callers upload; a caller's have the same `tag`

Those of a caller in `owners` are below its prefix. All are created once and never overwritten. What lies
beside a clip or reel begins with the same name, and is kept as long: `{request_id}.jpg`, its poster;
`{request_id}-sheet.jpg`, its contact sheet; `{request_id}.tsv`, the table of a reel's parts.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from typing import Literal, get_args

from clipping.contract.choices import Beside
from clipping.contract.messages import kind_of
from clipping.store.port import check_key

Folder = Literal["clips", "shorts", "reels"]
FOLDERS: tuple[Folder, ...] = get_args(Folder)
BESIDE: Mapping[Beside, str] = {"tsv": ".tsv", "poster": ".jpg", "contact_sheet": "-sheet.jpg"}
"""What the keys of what lies beside a clip or reel end with, behind the request's id."""
UPLOADS = "uploads"
_LONGEST_STEM, _LONGEST_EXTENSION = 100, 16


def folder_of(request_id: str, *, short: bool) -> Folder:
    """The folder of a request's objects. `short`: whether it is a vertical clip, as the quota counts them."""
    if kind_of(request_id) == "reel":
        return "reels"
    return "shorts" if short else "clips"


def output_key(request_id: str, hand_id: str, extension: str, *, short: bool) -> str:
    """The key of a request's object with this extension. `hand_id`: of a reel, its `reel_id`."""
    return key_in(folder_of(request_id, short=short), request_id, hand_id, extension)


def beside_key(key: str, request_id: str, file: Beside) -> str:
    """The key of what lies beside the clip or reel of this request that has the key `key`."""
    return check_key(f"{key.rpartition('/')[0]}/{request_id}{BESIDE[file]}")


def is_of_request(key: str, stem: str) -> bool:
    """Whether an object is the clip or reel of the key `stem`, which is without its extension, or lies beside
    it; another request's id may begin with this one's."""
    return key.startswith(stem) and key[len(stem) :][:1] in (".", "-")


def filename_of(key: str, request_id: str, hand_id: str) -> str:
    """The name under which a browser saves a request's object: that of the key, with the `hand_id`."""
    return hand_id + key.rpartition("/")[2].removeprefix(request_id)


def upload_folder(owner: str) -> str:
    """The folder of a caller's uploads; ends with a slash. Names of accounts are not fit for a key."""
    return f"{UPLOADS}/{hashlib.sha256(owner.encode()).hexdigest()[:16]}/"


def upload_key(owner: str, upload_id: str, filename: str) -> str:
    """The key of a caller's upload. Of the file's name it has what is fit for a key."""
    last = re.split(r"[/\\]", filename)[-1]
    plain = unicodedata.normalize("NFKD", last).encode("ascii", "ignore").decode()
    stem, dot, extension = plain.rpartition(".")
    stem, extension = (stem, extension) if dot else (plain, "")
    name = _safe(stem)[:_LONGEST_STEM].strip("-._") or "recording"
    suffix = _safe(extension)[:_LONGEST_EXTENSION].strip("-._")
    return check_key(f"{upload_folder(owner)}{upload_id}/{name}" + (f".{suffix}" if suffix else ""))


def _safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)


def key_in(folder: Folder, request_id: str, hand_id: str, extension: str) -> str:
    """The key of a request's object in a folder that is known already."""
    return check_key(f"{folder}/{hand_id}/{request_id}.{extension}")


def is_at(uri: str, name: str) -> bool:
    """Whether a URI is that of the object with this full name, its extension aside: in whatever bucket or
    folder, as these are renamed and moved with all that is in them."""
    scheme, _, place = uri.partition("://")
    stem, wanted = place.rpartition(".")[0], name.rpartition(".")[0]
    return stem.endswith(f"/objects/{wanted}") if scheme == "file" else stem.partition("/")[2] == wanted


def stored_folder(uri: str, request_id: str, hand_id: str, *, short: bool) -> Folder:
    """The folder that an object was stored in, by its URI: earlier versions put vertical clips below clips/.

    Only these folders are possible, whatever the URI is.
    """
    own = folder_of(request_id, short=short)
    if own == "shorts" and f"/clips/{hand_id}/{request_id}." in uri:
        return "clips"
    return own
