"""A pytest plugin that reruns failed slow tests alone, and lists all failures in the last lines.

`scripts/test` loads it with `-p tests.support.reruns`. A slow test that passes when it is rerun alone is
reported as flaky and does not fail the run; any other failure does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass, field

import pytest

MAX_RERUNS = 10
"""Maximum number of reruns. More failures are not caused by timing, and reruns would take too long."""
REASON_LENGTH = 160


@dataclass
class Failures:
    """The failures of a session."""

    reasons: dict[str, str] = field(default_factory=dict)
    """The first failure reason of each test."""
    slow: set[str] = field(default_factory=set)
    reports: int = 0
    """Number of failed phases; a test can fail in its call and in its teardown."""

    def add(self, report: pytest.TestReport) -> None:
        """Record a failed phase of a test."""
        self.reports += 1
        self.reasons.setdefault(report.nodeid, reason_of(report))
        if "slow" in report.keywords:
            self.slow.add(report.nodeid)

    def may_rerun(self, session: pytest.Session) -> bool:
        """Whether the run succeeds if the reruns pass.

        Not after a failure of a fast test, when the run was stopped early, or after a failure outside of
        tests: a file that can't be imported, or a worker that died."""
        return (
            session.exitstatus == pytest.ExitCode.TESTS_FAILED
            and not session.shouldfail
            and not session.shouldstop
            and session.testsfailed == self.reports
            and 0 < len(self.reasons) <= MAX_RERUNS
            and self.slow == set(self.reasons)
        )


def reason_of(report: pytest.TestReport) -> str:
    """The first line of the failure."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(crash.message if crash is not None else report.longrepr or "")
    return (text.strip().splitlines() or ["no reason given"])[0][:REASON_LENGTH]


class Reruns:
    """The plugin's state in the controller process."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._failures = Failures()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record failures."""
        if report.failed:
            self._failures.add(report)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        """Rerun failed slow tests after all workers have exited, then list every failure below the
        summary."""
        yield
        if not self._failures.reasons:
            return
        flaky: set[str] = set()
        if self._failures.may_rerun(session):
            flaky = {test for test in self._failures.reasons if self._passes_alone(test)}
        if flaky == set(self._failures.reasons):
            session.exitstatus = pytest.ExitCode.OK
        terminal = self._terminal
        terminal.write_sep("=", "flaky and failed tests")
        for verdict in ("FLAKY", "FAILED"):
            for test, reason in sorted(self._failures.reasons.items()):
                if (test in flaky) == (verdict == "FLAKY"):
                    terminal.write_line(f"{verdict} {test} - {reason}")

    def _passes_alone(self, test: str) -> bool:
        self._terminal.write_sep("=", f"once more, alone: {test}")
        command = [sys.executable, "-m", "pytest", "--quiet", "--no-header", "-o", "addopts=", test]
        if self._config.pluginmanager.hasplugin("xdist"):
            command += ["-p", "xdist", "-n", "0"]
        return subprocess.run(command, cwd=self._config.invocation_params.dir, check=False).returncode == 0

    @property
    def _terminal(self) -> pytest.TerminalReporter:
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        assert isinstance(terminal, pytest.TerminalReporter)
        return terminal


def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin in the controller only, not in pytest-xdist workers."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Reruns(config), "reruns")
