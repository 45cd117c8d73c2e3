"""Which libraries a command line loads."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence

LIBRARIES = frozenset(
    {
        "alembic",
        "av",
        "flask",
        "google.cloud",
        "grpc",
        "numpy",
        "pydantic",
        "requests",
        "rich",
        "sqlalchemy",
        "yaml",
    }
)
"""Those that take long to import."""
_PROGRAM = """
import contextlib, importlib, io, json, sys
module, lines = json.loads(sys.argv[1])
main = importlib.import_module(module).main
loaded = {}
for words in lines:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        main(words)
    loaded[" ".join(words)] = sorted(sys.modules)
print(json.dumps(loaded))
"""


def libraries_of(module: str, lines: Iterable[Sequence[str]]) -> dict[str, set[str]]:
    """Run command lines one after the other in one new process. Returns what is loaded after each one.

    Raises `CalledProcessError` if one raises.
    """
    command = [sys.executable, "-c", _PROGRAM, json.dumps([module, [list(words) for words in lines]])]
    answer = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=60)
    return {words: LIBRARIES.intersection(names) for words, names in json.loads(answer.stdout).items()}


def libraries_after(statement: str) -> set[str]:
    """Runs a statement in a new process. Returns the libraries that are loaded afterwards."""
    program = f"import sys\n{statement}\nprint(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True, timeout=60)
    return set(LIBRARIES.intersection(answer.stdout.decode().split()))


def sources_read_by(module: str) -> set[str]:
    """The source files that are read, and not only executed, while a new process imports a module."""
    program = f"import linecache, {module}\nprint(*linecache.cache, sep='\\n')"
    answer = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True, timeout=60)
    # SQLAlchemy also lists code that it generates.
    return {name for name in answer.stdout.decode().splitlines() if name.endswith(".py")}
