"""The start of the fork server."""

from __future__ import annotations

from contextlib import closing

from agent.cutting.process.client import ForkServer
from agent.cutting.process.context import Context
from agent.cutting.process.protocol import Done
from tests.support.imports import libraries_after
from tests.support.procs import alive
from tests.support.waiting import eventually


def brief(context: Context) -> str:
    """Ends at once."""
    return "done"


def test_a_launched_server_runs_jobs() -> None:
    server = ForkServer(preload=__name__)
    server.launch()
    launched = server._process
    try:
        server.start()
        with closing(server.run(f"{__name__}:brief")) as job:
            assert eventually(lambda: next(job.messages(1), None), "the end of the job") == Done("done")
        assert server._process is launched
    finally:
        server.close()


def test_closing_a_server_that_loads_ends_it() -> None:
    server = ForkServer(preload="time; time.sleep(600)")
    server.launch()
    assert server._process is not None
    pid = server._process.pid
    server.close()
    assert not alive(pid)


def test_starting_the_server_of_the_engine_needs_none_of_its_libraries() -> None:
    assert libraries_after("import agent.commands.cut") == set()


def test_the_engine_does_not_import_what_its_processes_do() -> None:
    assert libraries_after("import agent.cutting.engine") == {"av", "pydantic"}
