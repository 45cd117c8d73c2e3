"""Install, or upgrade in place. What can fail before the switch does so there; the rest is taken back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from installer import service, versions
from installer.files import Changes
from installer.layout import CONFIG, CREDENTIALS, DROP_INS, FILES, HERE, USER, drop_in
from installer.source import Source
from installer.tell import InstallError, indented, must, say


@dataclass(frozen=True)
class Order:
    """What was asked for on the command line."""

    source: Source
    drop_ins: tuple[str, ...] = ()
    credentials: bytes | None = None
    """A Google service account's key."""


def install(order: Order) -> None:
    """Do it. Raises `InstallError`; then what ran before goes on running."""
    before = versions.current()
    new = versions.build(order.source)
    running = before is not None and service.is_running()
    try:
        _user_and_folders()
        _configuration(new, first=before is None)
        if running and before is not None and new != before:
            _no_worse(before, new)
    except InstallError:
        if new != before:
            versions.discard(new)
        raise
    changed = _switch(order, before, new, running)
    if new != before:  # else what was before it stays, too
        versions.prune(new, before)
    _conclude(changed=changed, new=new, running=running, first=before is None)


def _switch(order: Order, before: Path | None, new: Path, running: bool) -> bool:
    """Whether anything had to be changed."""
    changes = Changes()
    try:
        _place(changes, order)
        if new != before:
            say(f"switching to {new.name}")
            versions.switch(new)
        if changes:
            service.take_notice()
        if running and (changes or new != before):
            say("restarting the service; the clips in hand are finished first")
            service.restart()
    except (InstallError, KeyboardInterrupt):
        _take_back(changes, before, new, running)
        raise
    return bool(changes) or new != before


def _user_and_folders() -> None:
    """The user has to be there before files can belong to it."""
    must(["systemd-sysusers", HERE / "sysusers.d" / "clipping-agent.conf"])
    must(["systemd-tmpfiles", "--create", HERE / "tmpfiles.d" / "clipping-agent.conf"])


def _configuration(new: Path, *, first: bool) -> None:
    if CONFIG.exists():
        say(f"keeping {CONFIG}")
    else:
        Changes().place(CONFIG, (HERE / "config.yaml").read_bytes(), 0o640, USER)
    done = service.ask(versions.program(new), "check-config", "--config", str(CONFIG))
    if done.returncode != 0 and not first:
        raise InstallError(f"the new version refuses {CONFIG}; nothing was changed:\n{indented(done)}")
    if done.returncode != 0:
        say(f"{CONFIG} needs your attention:\n{indented(done)}")


def _no_worse(before: Path, new: Path) -> None:
    """A new version that does not get on with this machine is not switched to, unless the old one does no
    better: then it is the machine, or what it talks to, that is not well."""
    say("asking the new version's doctor")
    done = service.ask(versions.program(new), "doctor", "--config", str(CONFIG))
    if done.returncode == 0:
        return
    if service.ask(versions.program(before), "doctor", "--config", str(CONFIG)).returncode == 0:
        raise InstallError(
            f"the new version is not well here, the old one is; nothing was changed:\n{indented(done)}"
        )
    say(f"not well, and neither is the old version:\n{indented(done)}")


def _place(changes: Changes, order: Order) -> None:
    for path, source in FILES.items():
        changes.place(path, source.read_bytes(), 0o755 if source.name == USER else 0o644)
    for name in order.drop_ins:
        target = DROP_INS / f"{name}.conf"
        if target.exists():
            say(f"keeping {target}")
        else:
            changes.place(target, drop_in(name).read_bytes())
    if order.credentials is not None:
        changes.place(CREDENTIALS, order.credentials, 0o600)
        changes.place(DROP_INS / "credentials.conf", drop_in("credentials").read_bytes())


def _take_back(changes: Changes, before: Path | None, new: Path, running: bool) -> None:
    say(f"going back to {before.name if before else 'nothing'}")
    changes.undo()
    if new != before:
        versions.switch(before)
    service.take_notice()
    if new != before:
        versions.discard(new)
    if running:
        service.restart()


def _conclude(*, changed: bool, new: Path, running: bool, first: bool) -> None:
    if not changed:
        say(f"{new.name} is installed already; nothing to do")
    elif running:
        say(f"{new.name} is installed and running")
    else:
        say(f"{new.name} is installed")
    if first:
        say(
            f"next: edit {CONFIG}, then `clipping-agent provision`, `clipping-agent doctor`,"
            " `systemctl enable --now clipping-agent`"
        )
