"""The web console: static files without a build step, which the API and agents serve."""

from pathlib import Path

STATIC = Path(__file__).parent / "static"
"""The folder with the files, none of which is in a folder below it."""
