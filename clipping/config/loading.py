"""A file and environment variables as a `Config`, with every problem reported at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from clipping.config.agent import PRESETS, Agent, Checkpoints, Cutting, Ha, Health
from clipping.config.callers import caller_problems
from clipping.config.fields import Section
from clipping.config.preview import Catalog, Preview, preview_problems
from clipping.config.service import Api, Limits, Log, PubSub, Storage, upload_problems
from clipping.config.sources import Owners, Source, problems_of
from clipping.config_file import overlay, tree
from clipping.errors import ConfigurationError


class Config(Section):
    """Everything. Every key is documented in `config.example.yaml`."""

    agent: Agent = Field(default_factory=Agent)
    pubsub: PubSub = PubSub()
    storage: Storage = Storage()
    sources: list[Source] = Field(default_factory=list)
    owners: Owners = Field(default_factory=dict)
    health: Health = Health()
    ha: Ha = Ha()
    cutting: Cutting = Cutting()
    checkpoints: Checkpoints = Checkpoints()
    preview: Preview = Field(default_factory=Preview)
    catalog: Catalog = Catalog()
    api: Api = Field(default_factory=Api)
    limits: Limits = Limits()
    log: Log = Log()


def load(path: Path | None = None, *, environ: Mapping[str, str] = os.environ) -> Config:
    """The configuration of `path` (none: the defaults), overridden by `environ`.

    Raises `ConfigurationError` with all problems.
    """
    return validate(tree(path, environ))


def validate(values: Mapping[str, Any]) -> Config:
    """Validate a mapping as a `Config`. Raises `ConfigurationError` with all problems."""
    try:
        config = Config.model_validate(_preset(values))
    except ValidationError as error:
        raise ConfigurationError([_problem(finding) for finding in error.errors(include_url=False)]) from None
    problems = [
        *problems_of(config.storage, config.sources, config.owners),
        *upload_problems(config.storage, config.limits),
        *preview_problems(config.preview),
        *caller_problems(config.api, config.agent.nas_roots),
    ]
    if problems:
        raise ConfigurationError(problems)
    return config


def _preset(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """`values` over the timings that `ha.preset` names; a wrong name is left for the validation to find."""
    ha = values.get("ha")
    name = ha.get("preset") if isinstance(ha, dict) else None
    return overlay(PRESETS[name], values) if isinstance(name, str) and name in PRESETS else values


def _problem(finding: Any) -> str:
    path = ".".join(str(part) for part in finding["loc"]) or "configuration"
    match finding["type"]:
        case "extra_forbidden":
            return f"{path}: unknown key"
        case "missing":
            return f"{path}: is required"
        case "value_error":
            return f"{path}: {finding['ctx']['error']}"
        case _:
            # pydantic's sentence never repeats the value, so a secret put in the wrong place stays unseen.
            return f"{path}: {finding['msg']}"
