"""The roles that `set-up` grants: it runs with a `gcloud` that records its arguments."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "deploy" / "cloudrun"


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """The arguments of each call of `gcloud`."""
    folder = tmp_path_factory.mktemp("gcloud")
    gcloud = folder / "gcloud"
    gcloud.write_text(f"#!/bin/bash\nprintf '%q ' \"$@\" >>{folder}/calls\necho >>{folder}/calls\n")
    gcloud.chmod(0o755)
    environ = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "PROJECT": "p", "BUCKET": "b"}
    done = subprocess.run([FOLDER / "set-up"], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [shlex.split(line) for line in (folder / "calls").read_text().splitlines()]


def secrets_used() -> set[str]:
    """The secrets that the service and the migration mount or read."""
    names = re.compile(r"secretKeyRef: \{name: ([\w-]+)|secretName: ([\w-]+)")
    text = "".join((FOLDER / name).read_text() for name in ("service.yaml", "migrate.yaml"))
    return {reference or volume for reference, volume in names.findall(text)}


def test_the_service_can_read_only_its_own_secrets(calls: list[list[str]]) -> None:
    granted = [call for call in calls if "roles/secretmanager.secretAccessor" in call]
    assert all(call[:2] == ["secrets", "add-iam-policy-binding"] for call in granted), granted
    assert {call[2] for call in granted} == secrets_used()


def test_the_service_writes_below_its_own_prefixes_only(calls: list[list[str]]) -> None:
    granted = [call for call in calls if call[:3] == ["storage", "buckets", "add-iam-policy-binding"]]
    conditions = {
        call[call.index("--condition") + 1].partition("/objects/")[2]: call[call.index("--role") + 1]
        for call in granted
        if "--condition" in call
    }
    user, creator = "roles/storage.objectUser", "roles/storage.objectCreator"
    assert conditions == {"ha/')": user, "cancels/')": user, "shorts/')": user, "uploads/')": creator}
    (everywhere,) = [call for call in granted if "--condition" not in call]
    assert "roles/storage.objectViewer" in everywhere


def test_project_wide_roles_are_minimal(calls: list[list[str]]) -> None:
    wide = [
        call[call.index("--role") + 1] for call in calls if call[:2] == ["projects", "add-iam-policy-binding"]
    ]
    assert wide == ["roles/cloudsql.client"]
