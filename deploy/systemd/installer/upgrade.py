"""Install, or upgrade in place. Most failures occur before the switch; a later one is rolled back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from installer import groups, service, versions
from installer.console import InstallError, indented, must, report
from installer.files import Changes
from installer.layout import CONFIG, CREDENTIALS, DROP_INS, FILES, HERE, USER, drop_in
from installer.source import Source


@dataclass(frozen=True)
class Options:
    """The options of the command line."""

    source: Source
    drop_ins: tuple[str, ...] = ()
    credentials: bytes | None = None
    """The key file of a Google service account."""


def install(options: Options) -> None:
    """Install or upgrade. Raises `InstallError`; the previous version then keeps running."""
    before = versions.current()
    new = versions.build(options.source)
    running = before is not None and service.is_running()
    try:
        _user_and_folders()
        _configuration(new, first=before is None)
        if running and before is not None and new != before:
            _compare_doctors(before, new)
    except InstallError:
        if new != before:
            versions.discard(new)
        raise
    changed = _switch(options, before, new, running)
    if new != before:  # otherwise keep the previous version for a rollback
        versions.prune(new, before)
    _report_result(changed=changed, new=new, running=running, first=before is None)


def _switch(options: Options, before: Path | None, new: Path, running: bool) -> bool:
    """Write the files, switch and restart. Returns whether anything changed."""
    changes = Changes()
    try:
        _place(changes, options)
        if new != before:
            report(f"switching to {new.name}")
            versions.switch(new)
        if changes:
            service.reload_units()
        if running and (changes or new != before):
            report("restarting the service once its clips in flight are finished")
            service.restart()
    except (InstallError, KeyboardInterrupt):
        _roll_back(changes, before, new, running)
        raise
    return bool(changes) or new != before


def _user_and_folders() -> None:
    """Create them before the files that the user owns."""
    must(["systemd-sysusers", HERE / "sysusers.d" / "clipping-agent.conf"])
    must(["systemd-tmpfiles", "--create", HERE / "tmpfiles.d" / "clipping-agent.conf"])


def _configuration(new: Path, *, first: bool) -> None:
    if CONFIG.exists():
        report(f"keeping {CONFIG}")
    else:
        Changes().place(CONFIG, (HERE / "config.yaml").read_bytes(), 0o640, USER)
    done = service.run_as_service(versions.program(new), "check-config", "--config", str(CONFIG))
    if done.returncode != 0 and not first:
        raise InstallError(f"the new version rejects {CONFIG}; nothing was changed:\n{indented(done)}")
    if done.returncode != 0:
        report(f"{CONFIG} must be edited before the start:\n{indented(done)}")


def _compare_doctors(before: Path, new: Path) -> None:
    """Reject a new version whose `doctor` fails while the old version's passes. If both fail, the cause is
    the machine or a service that it uses, and the upgrade continues."""
    report("running the new version's doctor")
    done = service.run_as_service(versions.program(new), "doctor", "--config", str(CONFIG))
    if done.returncode == 0:
        return
    if service.run_as_service(versions.program(before), "doctor", "--config", str(CONFIG)).returncode == 0:
        raise InstallError(
            "the new version's doctor fails, the old version's passes; nothing was changed:\n"
            f"{indented(done)}"
        )
    report(f"the doctor fails, as the old version's does:\n{indented(done)}")


def _place(changes: Changes, options: Options) -> None:
    for path, source in FILES.items():
        changes.place(path, source.read_bytes(), 0o755 if source.name == USER else 0o644)
    for name in options.drop_ins:
        target = DROP_INS / f"{name}.conf"
        if target.exists():
            report(f"keeping {target}")
        else:
            changes.place(target, groups.existing_only(drop_in(name).read_text()).encode())
    if options.credentials is not None:
        changes.place(CREDENTIALS, options.credentials, 0o600)
        changes.place(DROP_INS / "credentials.conf", drop_in("credentials").read_bytes())


def _roll_back(changes: Changes, before: Path | None, new: Path, running: bool) -> None:
    report(f"rolling back to {before.name if before else 'no installation'}")
    changes.undo()
    if new != before:
        versions.switch(before)
    service.reload_units()
    if new != before:
        versions.discard(new)
    if running:
        service.restart()


def _report_result(*, changed: bool, new: Path, running: bool, first: bool) -> None:
    if not changed:
        report(f"{new.name} is already installed; nothing to do")
    elif running:
        report(f"{new.name} is installed and running")
    else:
        report(f"{new.name} is installed")
    if first:
        report(
            f"next: edit {CONFIG}, then `clipping-agent provision`, `clipping-agent doctor`,"
            " `systemctl enable --now clipping-agent`"
        )
