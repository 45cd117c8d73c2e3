"""A file and environment variables as a `Config`, with every problem reported at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError

from clipping.config.agent import PRESETS, Agent, Checkpoints, Cutting, Ha, Health
from clipping.config.fields import Section
from clipping.config.service import Api, Limits, Log, PubSub, Storage
from clipping.errors import ConfigurationError


class Config(Section):
    """Everything. Every key is documented in `config.example.yaml`."""

    agent: Agent = Field(default_factory=Agent)
    pubsub: PubSub = PubSub()
    storage: Storage = Storage()
    health: Health = Health()
    ha: Ha = Ha()
    cutting: Cutting = Cutting()
    checkpoints: Checkpoints = Checkpoints()
    api: Api = Field(default_factory=Api)
    limits: Limits = Limits()
    log: Log = Log()


ENV_PREFIX = "CLIPPING_"


def load(path: Path | None = None, *, environ: Mapping[str, str] = os.environ) -> Config:
    """The configuration of `path` (none: the defaults), overridden by `environ`.

    Raises `ConfigurationError` with all problems.
    """
    tree: dict[str, Any] = {}
    if path is not None:
        try:
            loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigurationError([f"{path}: {error.strerror}"]) from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ConfigurationError([f"{path}: not valid YAML: {_one_line(error)}"]) from None
        if loaded is not None and not isinstance(loaded, dict):
            raise ConfigurationError([f"{path}: must be a mapping of sections"])
        tree = loaded or {}
    return validate(overridden(tree, environ))


def validate(tree: Mapping[str, Any]) -> Config:
    """Validate a mapping as a `Config`. Raises `ConfigurationError` with all problems."""
    try:
        return Config.model_validate(_preset(tree))
    except ValidationError as error:
        raise ConfigurationError([_problem(finding) for finding in error.errors(include_url=False)]) from None


def _preset(tree: Mapping[str, Any]) -> Mapping[str, Any]:
    """`tree` over the timings that its `ha.preset` names; a wrong name is left for the validation to find."""
    ha = tree.get("ha")
    name = ha.get("preset") if isinstance(ha, dict) else None
    return overlay(PRESETS[name], tree) if isinstance(name, str) and name in PRESETS else tree


def overlay(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` overridden by the keys of `over`, recursively; lists are replaced as a whole."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = overlay(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def overridden(tree: dict[str, Any], environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """`tree` with the keys that variables such as `CLIPPING_API__PORT` name. Raises `ConfigurationError`."""
    problems: list[str] = []
    over: dict[str, Any] = {}
    for name in sorted(environ):
        if not name.startswith(ENV_PREFIX) or "__" not in name:
            continue
        parts = name.removeprefix(ENV_PREFIX).lower().split("__")
        try:
            value: Any = yaml.safe_load(environ[name])
        except yaml.YAMLError as error:
            problems.append(f"{name}: not valid YAML: {_one_line(error)}")
            continue
        for part in reversed(parts):
            value = {part: value}
        over = overlay(over, value)
    if problems:
        raise ConfigurationError(problems)
    return overlay(tree, over)


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


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
