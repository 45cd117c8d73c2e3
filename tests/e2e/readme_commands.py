"""The commands of README and of the pages in docs/, run as written, in page order, in one shell session.

`python -m tests.e2e.readme_commands` runs them in the repository itself, like a new user on a fresh machine:
with the installation and the demo (they need the network), on port 8000. It needs Python 3.11 and no
packages. `--list` shows the commands and which are skipped. `test_readme.py` runs the same in a temporary
folder, without the installations.

Replacements in a command before it runs:
- `/path/to/recordings`: a folder with a recording of ten minutes, `poker-night.mp4`;
- the keys and the address in the pages' output of `clipping up`: those that it actually printed;
- a request id in a page: the last one printed by an earlier command;
- `nas-1`: the agent that leads in the local stack when a page first mentions it;
- `clipping-agent ctl`: gets the local stack's `--config`, because no agent is installed.
"""

from __future__ import annotations

import argparse
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
KINDS = ("tutorials", "how-to", "nas", "reference", "explanation", "decisions")
"""The folders of docs/, in reading order."""
UP_PAGE = "docs/tutorials/service-on-a-laptop.md"
"""The page with the output of `clipping up`."""
COMMAND_SECONDS = 600
STOP_SECONDS = 120
RECORDINGS = "/path/to/recordings"
UP = "clipping up"
REQUEST_ID = re.compile(r"clip-\d{8}-[0-9a-z]{16}")

INSTALLS = "installs packages over the network"
NOT_RUN = {
    r"^\./scripts/(install|demo)\b": INSTALLS,
    r"^python3 -m venv |/pip install ": INSTALLS,
    r"^scripts/wheels ": "downloads packages for another machine",
    r"^(CLIPPING_REGISTRY=\S+ )?scripts/image ": "builds container images; tests/deploy/container does that",
    r"^api-venv/bin/clipping-api ": "needs a separate installation and a configuration",
    r"^\./scripts/test\b": "runs the tests, this one among them",
    r"^python -m bench\.": "takes minutes",
    r"^sudo |\| sudo ": "needs root and a machine with systemd; tests/deploy runs these",
    r"^(systemctl|journalctl) ": "needs the installed service; tests/deploy runs these",
    r"^(openapi-python-client|npx) ": "needs a client generator; tests/api/clients runs both",
    r"http://nas-1\.lan": "needs another machine",
    r"^docker ": "needs a Docker Engine; tests/deploy/container runs the images",
    r"^gcloud |^PROJECT=|EXAMPLE\.COM": "needs a project in Google Cloud",
    r"/backup/|^pg_dump ": "backs up another folder or machine",
}
"""Patterns of skipped commands, with the reason. Only their syntax and options are verified."""
EXIT_CODES = {"clipping batch tonight.csv": 1}
"""Exit codes of commands that fail on purpose, according to the page."""
OURS = ("clipping", "clipping-agent", "clipping-api", "deploy/systemd/install", "python -m bench.")


NOT_RUN_PAGES = {
    "docs/how-to/s3.md": "needs a bucket and a project in Google Cloud",
    "docs/how-to/several-customers.md": "needs a bucket; tests/faults/test_owners.py runs such a stack",
    "docs/how-to/cut-from-buckets.md": "needs a bucket; tests/e2e/test_bucket_source.py makes such requests",
}
"""As `NOT_RUN`, for all commands of a page."""


@dataclass(frozen=True)
class Command:
    """A command of a page."""

    page: str
    line: int
    text: str

    @property
    def not_run(self) -> str | None:
        """The reason for which it is skipped; None if it is run."""
        reasons = (why for what, why in NOT_RUN.items() if re.search(what, self.text))
        return next(reasons, NOT_RUN_PAGES.get(self.page))

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.text}"


def commands(page: str) -> list[Command]:
    """The commands in a page's `sh` and `console` blocks, in order."""
    found = []
    for kind, first, lines in _blocks((ROOT / page).read_text()):
        rest = list(enumerate(lines, first))
        while rest:
            number, line = rest.pop(0)
            if kind == "console":
                if not line.startswith("$ "):
                    continue
                line = line.removeprefix("$ ")
            while not _complete(line):
                assert rest, f"{page}:{number}: this command is incomplete: {line}"
                line += "\n" + rest.pop(0)[1]
            if line.strip():
                found.append(Command(page, number, re.sub(r"\s+# .*$", "", line)))
    return found


def all_pages() -> list[str]:
    """README and CONTRIBUTING, then docs/ by kind."""
    folder = ROOT / "docs"
    paths = [*sorted(folder.glob("*.md"))]
    for kind in KINDS:
        paths += sorted((folder / kind).rglob("*.md"))
    return ["README.md", *(str(path.relative_to(ROOT)) for path in paths), "CONTRIBUTING.md"]


def all_commands() -> list[Command]:
    """The commands of all pages, in order."""
    return [command for page in all_pages() for command in commands(page)]


def _blocks(text: str) -> Iterator[tuple[str, int, list[str]]]:
    kind: str | None = None
    first, lines = 0, []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith("```"):
            lines.append(line)
        elif kind is None:
            kind, first, lines = line.removeprefix("```"), number + 1, []
        else:
            if kind in ("sh", "console"):
                yield kind, first, lines
            kind = None


def _complete(text: str) -> bool:
    """Whether the shell would execute it without more lines."""
    done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, timeout=30, check=False)
    return not done.stderr and not text.endswith("\\")


@dataclass
class Session:
    """A shell session: exported variables are available to later commands."""

    folder: Path
    """The working directory: the repository, or a folder that resembles it."""
    recordings: Path
    up_arguments: str = ""
    """Arguments added to `clipping up`."""
    environ: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    request_id: str = ""
    nas: str = ""
    """The agent that replaces nas-1."""
    shown: dict[str, str] = field(default_factory=dict)
    """What the pages show of `clipping up`, and what it printed here."""
    stack: subprocess.Popen[bytes] | None = None

    def run(self, command: Command) -> str:
        """Run a command. Returns its output. Raises `AssertionError` on an unexpected exit code."""
        text = self.replaced(command.text)
        if text.startswith(UP):
            self.close()  # that of an earlier page
            return self._up(text)
        with tempfile.NamedTemporaryFile("r") as exported:
            script = f"{text}\ncode=$?\nenv -0 >{exported.name}\nexit $code\n"
            done = subprocess.run(
                ["bash", "-c", script],
                cwd=self.folder,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=COMMAND_SECONDS,
                check=False,
            )
            variables = exported.read().split("\0")
        self.environ = dict(each.split("=", 1) for each in variables if "=" in each)
        expected = EXIT_CODES.get(command.text, 0)
        assert done.returncode == expected, (
            f"{command}\nran as: {text}\nexit code {done.returncode}, expected {expected}\n"
            f"{done.stdout}{done.stderr}"
        )
        assert '"error":' not in done.stdout, f"{command}\nran as: {text}\n{done.stdout}"
        self._remember(done.stdout)
        return done.stdout + done.stderr

    def replaced(self, text: str) -> str:
        """The command with its replacements."""
        text = text.replace(RECORDINGS, str(self.recordings))
        for example, real in self.shown.items():
            text = text.replace(example, real)
        if self.request_id:
            text = REQUEST_ID.sub(self.request_id, text)
        if text.startswith(UP):
            return f"{text} {self.up_arguments}"
        if "nas-1" in text:
            self.nas = self.nas or self._leader()
            text = text.replace("nas-1", self.nas)
        if text.startswith("clipping-agent ctl "):
            return f"{text} --config clipping-data/run/{self._leader()}.yaml"
        return text

    def close(self) -> None:
        """Stop `clipping up` with Ctrl-C."""
        if self.stack is not None:
            self.stack.send_signal(signal.SIGINT)
            try:
                assert self.stack.wait(STOP_SECONDS) == 0
            finally:
                self.stack.kill()
                self.stack.wait()
                assert self.stack.stdout is not None
                self.stack.stdout.close()
            self.stack = None

    def _remember(self, printed: str) -> None:
        ids = REQUEST_ID.findall(printed)
        if ids and self.stack is not None:  # ids of the demo are unknown to this service
            self.request_id = ids[-1]
            self._finished()

    def _finished(self) -> None:
        """Wait for the clip: a reader is slower than a clip, which has finished by the next command."""
        subprocess.run(
            ["clipping", "watch", self.request_id],
            env=self.environ,
            cwd=self.folder,
            capture_output=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )

    def _up(self, text: str) -> str:
        with (self.folder / "up.log").open("wb") as log:
            self.stack = subprocess.Popen(
                ["bash", "-c", f"exec {text}"],
                cwd=self.folder,
                env=self.environ,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        printed = _until(self.stack, "data, logs")
        self.shown = dict(zip(_endpoints(_example_output()), _endpoints(printed), strict=True))
        return printed

    def _leader(self) -> str:
        done = subprocess.run(
            ["clipping", "agents"],
            env=self.environ,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=True,
        )
        found = re.search(r"(agent-\d) leads", done.stdout)
        assert found is not None, done.stdout
        return found[1]


def _until(process: subprocess.Popen[bytes], words: str) -> str:
    """Read the output up to the line with `words`."""
    assert process.stdout is not None
    printed = ""
    give_up = time.monotonic() + COMMAND_SECONDS
    while words not in printed:
        readable, _, _ = select.select([process.stdout], [], [], max(0.0, give_up - time.monotonic()))
        piece = os.read(process.stdout.fileno(), 65536).decode() if readable else ""
        assert piece, f"it exited or timed out: {process.args!r}: {printed}"
        printed += piece
    return printed


def _example_output() -> str:
    """What the tutorial shows as the output of `clipping up`."""
    found = re.search(r"^```\n(starting broker\n.*?)^```", (ROOT / UP_PAGE).read_text(), re.M | re.S)
    assert found is not None
    return found[1]


def _endpoints(output: str) -> list[str]:
    """The address, the client key and the admin key."""
    return [re.findall(rf"^  {name} +(\S+)", output, re.M)[0] for name in ("API", "client key", "admin key")]


def check_options(command: Command, environ: Mapping[str, str]) -> None:
    """Verify a skipped command's syntax, and that this project's programs support its options."""
    for part in re.split(r"\s*(?:\||&&)\s*", command.text):
        words = part.removeprefix("sudo ").split()
        program = next((ours for ours in OURS if " ".join(words).startswith(ours)), None)
        if program is None:
            script = ROOT / words[0]
            if "/" in words[0] and script.exists():
                assert os.access(script, os.X_OK), command
            continue
        called = [word for word in words if not word.startswith("-")][:2]
        if program.startswith("python"):
            called = words[:3]
        elif "/" in program:
            called = words[:1]
        help_text = subprocess.run(
            [*called, "--help"], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=True
        ).stdout
        for option in re.findall(r"(?<=\s)--[a-z-]+", part):
            assert option in help_text, f"{command}: {' '.join(called)} has no {option}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the commands of README and docs/ in this repository.")
    parser.add_argument("--list", action="store_true", help="only list the commands, and which are skipped")
    parser.add_argument("--recordings", type=Path, help="a folder with poker-night.mp4; default: the demo's")
    arguments = parser.parse_args()
    session = Session(ROOT, arguments.recordings or ROOT / "demo-data" / "recordings")
    ran = 0
    try:
        for command in all_commands():
            reason = None if command.not_run == INSTALLS else command.not_run
            print(f"{command.page}:{command.line}: $ {command.text}", flush=True)
            if reason is not None:
                print(f"    skipped: {reason}")
            elif not arguments.list:
                began = time.monotonic()
                print(session.run(command).rstrip())
                ran += 1
                print(f"    done in {time.monotonic() - began:.1f} s", flush=True)
    finally:
        session.close()
    print(f"{ran} of {len(all_commands())} commands ran, all successfully")
    return 0


if __name__ == "__main__":
    sys.exit(main())
