"""The sections about previews of recordings, and about the list of them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from clipping.config.fields import AbsolutePath, Name, Origin, Section

_ORIGIN = TypeAdapter(Origin)


def _api_url(url: str) -> str:
    try:
        return _ORIGIN.validate_python(url.removesuffix("/").lower())
    except ValidationError:
        raise ValueError(
            "must be http:// or https:// with a host and perhaps a port, such as https://clips.example.com, "
            "without a path"
        ) from None


class Preview(Section):
    """Previews of recordings: what an agent shows of them before a cut."""

    key: AbsolutePath | None = None
    """A file with a secret of 16 to 512 characters, the same for the API and all agents: the API signs tokens
    with it, which agents verify. Unset: no previews."""
    slots: Annotated[int, Field(ge=1, le=64)] = 3
    """Calls that one agent works on at the same time, each in a process of its own, which keeps a recording
    open. Further ones wait for a moment, then get 503 and `Retry-After`."""
    cache_bytes: Annotated[int, Field(ge=0)] = 1_000_000_000
    """The most that cached previews may take up in `agent.state_dir`. The least recently used are removed
    first. 0: nothing is cached."""
    agents: dict[Name, Origin] = Field(default_factory=dict)
    """How the API reaches the agents for previews, by their ids, such as `nas-1: http://nas-1.lan:8005`. The
    leader is asked first. Empty: the API passes no previews on."""
    api_url: Annotated[str, AfterValidator(_api_url)] | None = None
    """The API's origin, such as `https://clips.example.com`, as browsers on the LAN reach it. Set: the agent
    serves the console at `/console/` on the port of its health page. Browsers load previews from there, and
    the rest from the API, whose `api.cors_origins` has to list the agent's origin. Unset: it does not."""


def preview_problems(preview: Preview) -> list[str]:
    """What is wrong with the section as a whole."""
    if preview.api_url is not None and preview.key is None:
        return ["preview.api_url: needs preview.key, without which the agent has no previews to show"]
    return []


class Catalog(Section):
    """The list of all recordings, which agents keep in the store. They need `preview.key` for it."""

    interval_seconds: Annotated[float, Field(ge=0, le=86_400)] = 60.0
    """The pause between two scans of `agent.nas_roots`: a change is listed this long and one scan later, at
    most. 0: no scans."""
    entries_per_second: Annotated[int, Field(ge=10, le=1_000_000)] = 2000
    """The most files and folders that scans read in a second, of all roots together: 100,000 take 50 s at the
    default."""
