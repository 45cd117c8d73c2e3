"""Reruns of failed tests: see tests/support/reruns.py."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[1]
MARKERS = "[pytest]\nmarkers =\n    slow: takes long\n"

PASSES_THE_SECOND_TIME = """
    import pathlib, pytest

    @pytest.mark.slow
    @pytest.mark.parametrize("how", ["by chance", "a/b::c"])
    def test_hasty(how):
        mark = pathlib.Path(how.replace("/", "-"))
        tried = mark.exists()
        mark.touch()
        assert tried, "the machine was busy\\nand here is a long log"
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A separate project, whose pytest uses the plugin without the options of this run."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # other plugins take seconds to load
    pytester.makefile(".ini", pytest=MARKERS)
    return pytester


def outcome(run: pytest.Pytester, *arguments: str, workers: int = 0) -> pytest.RunResult:
    """Run pytest. With workers, as in scripts/test, reports cross a process boundary."""
    plugins = ("-p", "xdist", "-p", "tests.support.reruns")
    return run.runpytest_subprocess(*plugins, "-n", str(workers), *arguments)


def last_lines(result: pytest.RunResult) -> list[str]:
    """The lines below the last heading."""
    lines = [line for line in result.outlines if line]
    heading = max(at for at, line in enumerate(lines) if line.startswith("=="))
    assert "flaky and failed tests" in lines[heading]
    return lines[heading + 1 :]


def test_a_slow_test_that_passes_alone_is_flaky_and_does_not_fail_the_run(run: pytest.Pytester) -> None:
    run.makepyfile(test_it=PASSES_THE_SECOND_TIME)
    result = outcome(run, workers=2)
    assert result.ret == 0
    assert last_lines(result) == [
        "FLAKY test_it.py::test_hasty[a/b::c] - AssertionError: the machine was busy",
        "FLAKY test_it.py::test_hasty[by chance] - AssertionError: the machine was busy",
    ]


def test_a_slow_test_that_also_fails_alone_fails_the_run(run: pytest.Pytester) -> None:
    run.makepyfile(
        test_it=PASSES_THE_SECOND_TIME,
        test_broken="import pytest\n@pytest.mark.slow\ndef test_broken(): raise ValueError('bad')",
    )
    result = outcome(run)
    assert result.ret == 1
    assert [line.split()[0] for line in last_lines(result)] == ["FLAKY", "FLAKY", "FAILED"]
    assert last_lines(result)[-1] == "FAILED test_broken.py::test_broken - ValueError: bad"


def test_a_failure_of_a_fast_test_fails_the_run_without_reruns(run: pytest.Pytester) -> None:
    run.makepyfile(test_it=PASSES_THE_SECOND_TIME, test_quick="def test_quick(): assert 1 == 2")
    result = outcome(run)
    assert result.ret == 1
    assert "once more, alone" not in result.stdout.str()
    assert [line.split(" - ")[0] for line in last_lines(result)] == [
        "FAILED test_it.py::test_hasty[a/b::c]",
        "FAILED test_it.py::test_hasty[by chance]",
        "FAILED test_quick.py::test_quick",
    ]


def test_a_failed_teardown_is_rerun(run: pytest.Pytester) -> None:
    run.makepyfile(
        test_it="""
            import pathlib, pytest

            @pytest.fixture
            def process():
                yield
                tried = pathlib.Path("mark").exists()
                pathlib.Path("mark").touch()
                assert tried, "left behind"

            @pytest.mark.slow
            def test_it(process): pass
        """
    )
    result = outcome(run)
    assert result.ret == 0
    assert last_lines(result) == ["FLAKY test_it.py::test_it - AssertionError: left behind"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("an import that fails", "import nothing_of_that_name"),
        ("a worker that dies", "import os\ndef test_dies(): os._exit(3)"),
    ],
)
def test_a_failure_outside_of_slow_tests_fails_the_run(run: pytest.Pytester, name: str, text: str) -> None:
    run.makepyfile(test_it=PASSES_THE_SECOND_TIME, test_other=text)
    result = outcome(run, workers=2)
    assert result.ret not in (0, 5)
    assert "once more, alone" not in result.stdout.str()


def test_a_run_that_is_stopped_early_fails(run: pytest.Pytester) -> None:
    run.makepyfile(test_it=PASSES_THE_SECOND_TIME)
    result = outcome(run, "-x")
    assert result.ret != 0
    assert "once more, alone" not in result.stdout.str()


def test_very_many_failures_are_not_rerun(run: pytest.Pytester) -> None:
    run.makepyfile(
        test_it="""
            import pytest

            @pytest.mark.slow
            @pytest.mark.parametrize("number", range(11))
            def test_it(number): assert not number + 1
        """
    )
    result = outcome(run)
    assert result.ret == 1
    assert "once more, alone" not in result.stdout.str()
    assert len(last_lines(result)) == 11


def test_a_run_without_failures_ends_normally(run: pytest.Pytester) -> None:
    run.makepyfile("def test_it(): pass")
    result = outcome(run)
    assert result.ret == 0
    assert "flaky and failed" not in result.stdout.str()
    result.assert_outcomes(passed=1)


def test_every_nth_case_of_a_sampled_matrix_is_fast(run: pytest.Pytester) -> None:
    run.makeini(MARKERS + "    sampled(n, slow): every n-th case is fast\n    exhaustive: the rest\n")
    run.makeconftest((ROOT / "tests" / "conftest.py").read_text())
    run.makepyfile(
        """
        import pytest

        @pytest.mark.sampled(3)
        @pytest.mark.parametrize("b", "xy")
        @pytest.mark.parametrize("a", range(5))
        def test_it(a, b): pass

        @pytest.mark.sampled(3, slow=2)
        @pytest.mark.parametrize("a", range(10))
        def test_more(a): pass
        """
    )
    outcome(run, "-m", "not slow").assert_outcomes(passed=4 + 4, deselected=6 + 6)
    outcome(run, "-m", "not exhaustive").assert_outcomes(passed=10 + 7, deselected=3)
    outcome(run).assert_outcomes(passed=20)
