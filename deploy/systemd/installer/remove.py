"""Uninstall the agent."""

from __future__ import annotations

import shutil

from installer import service
from installer.console import must, report, run
from installer.layout import CONFIG_DIR, DROP_INS, FILES, OPT, STATE_DIR, UNIT, USER


def uninstall(*, purge: bool) -> None:
    """Stop the service and remove the installed files. `purge`: also remove configuration, state, drop-ins
    and the user. Does nothing if nothing is installed. Raises `InstallError`."""
    if any(path.name == UNIT and path.exists() for path in FILES):
        if service.is_running():
            report("stopping the service once its clips in flight are finished")
        service.stop_and_disable()
    for path in FILES:
        if path.exists():
            report(f"removing {path}")
            path.unlink()
    owned = [OPT, *((CONFIG_DIR, STATE_DIR, DROP_INS) if purge else ())]
    for folder in owned:
        if folder.exists():
            report(f"removing {folder}")
            shutil.rmtree(folder)
    service.reload_units()
    run(["systemctl", "reset-failed", UNIT])
    if purge and run(["id", USER]).returncode == 0:
        report(f"removing the user {USER}")
        must(["userdel", USER])
    kept = [str(folder) for folder in (CONFIG_DIR, STATE_DIR, DROP_INS) if folder.exists()]
    report("removed" + (f"; kept: {', '.join(kept)} (--purge removes them)" if kept else ""))
