"""Exit codes of the commands: 0 done, 1 the operation failed, 2 usage, 78 configuration, 128 + the number of
the signal that ended it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

from clipping.errors import ClippingError, ConfigurationError
from clipping.signals import Stopped

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_CONFIGURATION = 78
"""As `EX_CONFIG` in sysexits.h; the unit file's RestartPreventExitStatus names it."""


def exit_code(run: Callable[[], int]) -> int:
    """The exit code that `run` returns. For a `ClippingError`: print it to stderr, and return its exit
    code."""
    try:
        return run()
    except ConfigurationError as error:
        for problem in error.problems:
            print(f"configuration: {problem}", file=sys.stderr)
        return EXIT_CONFIGURATION
    except ClippingError as error:
        cause = f" ({error.__cause__})" if error.__cause__ else ""
        print(f"{error.code}: {error.message}{cause}", file=sys.stderr)
        return EXIT_FAILED
    except Stopped as stopped:
        return stopped.code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # The reader of the output has exited (`| head`). Discard what is flushed at exit, too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
