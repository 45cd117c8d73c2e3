"""Clients that users generate from `openapi.yaml` with two generators, against a running service."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.api.api_process import CLIENT, ApiProcess

ROOT = Path(__file__).parents[3]
TOOLS = ROOT / ".openapi-tools"
CONTRACT = ROOT / "openapi.yaml"
HERE = Path(__file__).parent
METHODS = ("get", "head", "post", "put", "delete", "patch")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (TOOLS / "installed-from").exists(),
        reason="the client generators are not installed: scripts/openapi-tools installs them",
    ),
]


def run(*command: str | Path, cwd: Path, **environ: str) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": "", **environ},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def operations() -> set[str]:
    paths: dict[str, Any] = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))["paths"]
    return {item[method]["operationId"] for item in paths.values() for method in METHODS if method in item}


def check_answers(text: str) -> None:
    accepted, batch, status, stats = json.loads(text)
    assert (accepted["hand_id"], accepted["status"]) == ("generated-1", "queued")
    assert [item["client_item_id"] for item in batch["items"]] == ["a", "b"]
    assert batch["items"][0]["request_id"]
    assert batch["items"][1]["error"]["field"] == "end_seconds"
    assert (status["request_id"], status["progress_percent"]) == (accepted["request_id"], 0)
    assert (stats["period"], stats["total_requests"] >= 2) == ("7d", True)


def test_openapi_python_client_makes_every_route(api: ApiProcess, tmp_path: Path) -> None:
    python = TOOLS / "python" / "bin"
    package = tmp_path / "generated"
    said = run(
        python / "openapi-python-client",
        *("generate", "--path", CONTRACT, "--output-path", package, "--meta", "none"),
        cwd=tmp_path,
        PATH=f"{python}:{os.environ['PATH']}",
    )
    # Files and the contract itself have media types of which it makes no models; the calls are there.
    problems = [line for line in said.splitlines() if re.match(r"Cannot|Unable|ERROR", line)]
    assert [line for line in problems if "Unsupported content_type" not in line] == []
    made = {path.stem for path in (package / "api").glob("*/*.py")} - {"__init__"}
    routes = {re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in operations()}
    assert made == routes - {"receive_upload"}, "its body is a file of any type"
    nameless = [path.name for path in (package / "models").glob("*.py") if "VALUE_" in path.read_text()]
    assert nameless == []
    recording = f"{api.root}/table.mp4"
    command = (python / "python", HERE / "use.py", api.url, CLIENT, recording)
    check_answers(run(*command, cwd=tmp_path, PYTHONPATH=str(tmp_path)))


@pytest.mark.exhaustive
def test_openapi_typescript_makes_types_that_check(api: ApiProcess, tmp_path: Path) -> None:
    programs = TOOLS / "node_modules" / ".bin"
    (tmp_path / "node_modules").symlink_to(TOOLS / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    # As docs/how-to/use-from-programs.md says: without it, request fields with a default are required.
    made_as = ("--default-non-nullable=false", "-o", tmp_path / "generated.d.ts")
    run(programs / "openapi-typescript", CONTRACT, *made_as, cwd=tmp_path)
    made = set(re.findall(r'operations\["(\w+)"\]', (tmp_path / "generated.d.ts").read_text()))
    assert made == operations()
    shutil.copy(HERE / "use.ts", tmp_path)
    options = ("--strict", "--noUncheckedIndexedAccess", "--target", "es2022", "--module", "esnext")
    run(programs / "tsc", *options, "--moduleResolution", "bundler", "use.ts", cwd=tmp_path)
    recording = f"{api.root}/table.mp4"
    check_answers(run("node", "use.js", api.url, CLIENT, recording, cwd=tmp_path))
    wrong = tmp_path / "wrong.ts"
    wrong.write_text((HERE / "use.ts").read_text().replace('= "7d"', '= "8d"'))
    with pytest.raises(AssertionError, match='"8d"'):
        run(programs / "tsc", *options, "--moduleResolution", "bundler", "--noEmit", "wrong.ts", cwd=tmp_path)
