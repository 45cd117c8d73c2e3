"""What the deployables share: errors, messages, configuration, store and bus. Imports nothing of ours."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("clipping-service")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0+unknown"
