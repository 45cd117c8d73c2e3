"""Schemathesis against the running service: many calls made up from `openapi.yaml`, with every check on."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.api_process import ADMIN, ApiProcess
from tests.api.fuzz.running import UNLIMITED, at_work
from tests.support.broker import BrokerProcess

ROOT = Path(__file__).parents[3]
SETTINGS = Path(__file__).with_name("schemathesis.toml")
SECONDS = 560


@pytest.fixture(scope="module")
def api(broker: BrokerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    running = ApiProcess(tmp_path_factory.mktemp("fuzz") / "api", emulator=broker.host_port, over=UNLIMITED)
    with at_work(running):
        yield running
    running.close()


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 20)
@pytest.mark.parametrize(
    ("phases", "paths", "examples", "cases"),
    [
        ("examples,coverage", "^/(?!v1/(reel/|(events|clip/plan|clip/batch)$)|preview/)", 1, 600),
        pytest.param(
            "examples,coverage", "^/v1/(reel/request|clip/batch)", 1, 300, marks=pytest.mark.exhaustive
        ),
        ("fuzzing", "^/(?!v1/(events|clip/plan)$)", 8, 150),
        ("stateful", "^/v1/(clip|reel)", 20, 50),
        ("stateful", "^/v1/(admin|stats)", 6, 15),
    ],
)
def test_nothing_made_up_from_the_contract_breaks_the_service(
    api: ApiProcess, tmp_path: Path, phases: str, paths: str, examples: int, cases: int
) -> None:
    """`cases` is what there should be at least, so that a run that found nothing to do is noticed.

    `GET /v1/events` is left out, as its stream has no end; `tests/api/test_feed.py` tries its parameters.
    `POST /v1/clip/plan` is, too: it needs an agent, and reads the same body as a request for a clip.
    """
    report = tmp_path / "report.json"
    done = subprocess.run(
        [
            Path(sys.executable).with_name("st"),
            *("--config-file", SETTINGS, "run", ROOT / "openapi.yaml", "--url", api.url),
            *("--header", f"Authorization: Bearer {ADMIN}", "--checks", "all", "--phases", phases),
            *("--include-path-regex", paths, "--max-examples", str(examples), "--request-timeout", "30"),
            *("--generation-deterministic", "--no-color"),
            # How long a call takes says something of the machine that runs the tests.
            *("--suppress-health-check", "all", "--report", "json", "--report-json-path", report),
        ],
        cwd=tmp_path,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.api.fuzz.hooks", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    found = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert found, done.stdout[-2000:]
    print(f"\n{phases} of {paths}: {found[0]}")
    assert int(found[1]) == int(found[2]) >= cases
    assert json.loads(report.read_text())
