"""Take the agent away again."""

from __future__ import annotations

import shutil

from installer import service
from installer.layout import CONFIG_DIR, DROP_INS, FILES, OPT, STATE_DIR, UNIT, USER
from installer.tell import must, run, say


def uninstall(*, purge: bool) -> None:
    """Stop the service and remove what an installation owns. `purge`: also what the administrator and the
    agent made, and the user. Does nothing where nothing is installed. Raises `InstallError`."""
    if any(path.name == UNIT and path.exists() for path in FILES):
        if service.is_running():
            say("stopping the service; the clips in hand are finished first")
        service.stop_for_good()
    for path in FILES:
        if path.exists():
            say(f"removing {path}")
            path.unlink()
    owned = [OPT, *((CONFIG_DIR, STATE_DIR, DROP_INS) if purge else ())]
    for folder in owned:
        if folder.exists():
            say(f"removing {folder}")
            shutil.rmtree(folder)
    service.take_notice()
    run(["systemctl", "reset-failed", UNIT])
    if purge and run(["id", USER]).returncode == 0:
        say(f"removing the user {USER}")
        must(["userdel", USER])
    kept = [str(folder) for folder in (CONFIG_DIR, STATE_DIR, DROP_INS) if folder.exists()]
    say("removed" + (f"; kept: {', '.join(kept)} (--purge removes them)" if kept else ""))
