"""Code shared by all deployables: errors, messages, configuration, store and bus. Imports no other package
of this repository."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("clipping-service")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0+unknown"
