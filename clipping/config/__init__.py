"""The configuration: one YAML file, overridden by `CLIPPING_SECTION__KEY` variables, checked as a whole.

An unknown key, a wrong type or an impossible combination raises `ConfigurationError` with every problem by
its path. Secrets are never here in the clear: keys are hashes, credentials are files or the environment.
"""

from clipping.config.agent import PRESETS, Agent, Checkpoints, Cutting, Ha, Health, NasRoot, Slots
from clipping.config.callers import roots_of
from clipping.config.fields import Name, Role
from clipping.config.loading import Config, load, validate
from clipping.config.preview import Catalog, Preview
from clipping.config.service import Api, ApiKey, Limits, Log, Oidc, PubSub, Push, Storage
from clipping.config.sources import Owner, Source
from clipping.config_file import overlay, overridden

__all__ = [
    "PRESETS",
    "Agent",
    "Api",
    "ApiKey",
    "Catalog",
    "Checkpoints",
    "Config",
    "Cutting",
    "Ha",
    "Health",
    "Limits",
    "Log",
    "Name",
    "NasRoot",
    "Oidc",
    "Owner",
    "Preview",
    "PubSub",
    "Push",
    "Role",
    "Slots",
    "Source",
    "Storage",
    "load",
    "overlay",
    "overridden",
    "roots_of",
    "validate",
]
