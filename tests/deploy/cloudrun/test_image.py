"""What the API's image runs with on Cloud Run, and that its contents are sufficient to serve."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from packaging.requirements import Requirement

from clipping.config import Config, validate
from tests.deploy.container.dockerfile import copied, environment, instructions
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "cloudrun"
EXTRAS = ("api", "postgres")


def filled_in(name: str) -> dict[str, Any]:
    """A YAML file with its placeholders in capitals filled in."""
    text = (FOLDER / name).read_text()
    for word in ("PROJECT", "BUCKET", "CLIPS.EXAMPLE.COM", "WWW.EXAMPLE.COM", "EXAMPLE.COM"):
        text = re.sub(rf"\b{re.escape(word)}\b", "the-" + word.lower(), text)
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def container() -> dict[str, Any]:
    found: dict[str, Any] = filled_in("service.yaml")["spec"]["template"]["spec"]["containers"][0]
    return found


def configuration() -> Config:
    return validate(filled_in("config.yaml"))


def workers() -> int:
    return int(environment("api")["WEB_CONCURRENCY"])


def test_the_configuration_is_valid() -> None:
    config = configuration()
    assert config.api.push is not None
    assert config.api.trusted_proxies == 1
    assert {key.role for key in config.api.keys} == {"client", "admin"}


def test_the_numbers_are_consistent() -> None:
    template = filled_in("service.yaml")["spec"]["template"]
    api = configuration().api
    at_once = workers() * (api.event_streams + api.threads)
    assert at_once <= template["spec"]["containerConcurrency"] <= 1000
    instances = int(template["metadata"]["annotations"]["autoscaling.knative.dev/maxScale"])
    assert instances * workers() * (api.database_pool or 0) < 95
    assert float(container()["resources"]["limits"]["cpu"]) == workers()
    assert template["spec"]["timeoutSeconds"] == 3600


def test_the_environment_variables_are_configuration_keys() -> None:
    written = {name: value for name, value in environment("api").items() if re.match(r"CLIPPING_\w+__", name)}
    for name, value in [*written.items(), ("CLIPPING_API__DATABASE_URL", "sqlite:///x.db")]:
        section, _, key = name.removeprefix("CLIPPING_").lower().partition("__")
        tree = filled_in("config.yaml")
        validate({**tree, section: {**tree.get(section, {}), key: yaml.safe_load(value)}})
    port = int(written["CLIPPING_API__PORT"])
    assert (
        port == container()["ports"][0]["containerPort"] == container()["startupProbe"]["tcpSocket"]["port"]
    )
    job = filled_in("migrate.yaml")["spec"]["template"]["spec"]["template"]["spec"]["containers"][0]
    assert job["image"] == container()["image"]
    assert job["command"][:2] == ["clipping-api", "migrate"]


def distributions() -> set[str]:
    """The distributions that `pip install .[api,postgres]` installs, from this environment's metadata."""
    found: set[str] = set()
    wanted = [("clipping-service", extra) for extra in EXTRAS]
    while wanted:
        name, extra = wanted.pop()
        for line in importlib.metadata.requires(name) or []:
            requirement = Requirement(line)
            if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
                continue
            wanted_name = re.sub(r"[-_.]+", "-", requirement.name).lower()
            extras = ["", *requirement.extras]
            if wanted_name not in found:
                found.add(wanted_name)
                wanted += [(requirement.name, each) for each in extras]
            else:
                wanted += [(requirement.name, each) for each in requirement.extras]
    return found


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A folder with the copied files, where imports of packages that the image lacks fail.

    Nothing is installed, because tests have no network: deploy/cloudrun/check does that.
    """
    folder = tmp_path / "image"
    folder.mkdir()
    for source in copied("api"):
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, folder / source, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, folder / source)
    allowed = distributions()
    refused = {"agent", "health", "embedded", "tests"} | {
        module
        for module, owners in importlib.metadata.packages_distributions().items()
        if not {re.sub(r"[-_.]+", "-", owner).lower() for owner in owners} & allowed
    }
    assert {"av", "numpy", "pytest"} <= refused
    (folder / "sitecustomize.py").write_text(
        "import sys\n"
        f"REFUSED = frozenset({sorted(refused - {'api', 'clipping', 'console'})!r})\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in REFUSED:\n"
        "            raise ModuleNotFoundError(f'{name} is not in the image', name=name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
    )
    return folder


def command() -> list[str]:
    (line,) = instructions("api", "CMD")
    return [sys.executable, "-m", *json.loads(line)]


@pytest.mark.slow
def test_the_image_contains_everything_that_the_service_imports(image: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environ = {
        **os.environ,
        "PYTHONPATH": str(image),
        "CLIPPING_API__PORT": str(port),
        "CLIPPING_API__DATABASE_URL": f"sqlite:///{tmp_path}/clips.db",
        "CLIPPING_STORAGE__PATH": str(tmp_path / "store"),
        "PUBSUB_EMULATOR_HOST": "127.0.0.1:9",
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        python = [sys.executable, *arguments]
        return subprocess.run(
            python, env=environ, cwd=image, capture_output=True, text=True, timeout=60, check=False
        )

    assert run("-c", "import api, psycopg; print(api.__file__)").stdout.strip() == f"{image}/api/__init__.py"
    assert run("-c", "import agent").returncode == 1
    migrated = run("-m", "api.cli", "migrate")
    assert migrated.returncode == 0, migrated.stderr
    log = tmp_path / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(command(), env=environ, cwd=image, stderr=output)

    def answers() -> bool:
        assert server.poll() is None, log.read_text()
        urls = [f"http://127.0.0.1:{port}/{page}" for page in ("health", "docs", "openapi.yaml")]
        try:
            return all(requests.get(url, timeout=30).status_code == 200 for url in urls)
        except requests.ConnectionError:
            return False

    try:
        eventually(answers, "the service", logs=log.read_text)
    finally:
        server.terminate()
        server.wait(60)
