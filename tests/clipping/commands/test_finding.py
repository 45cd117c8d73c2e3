"""`clipping recordings`: what is printed, and requests by what it prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipping.contract.preview_keys import PreviewKeys
from clipping.store.local import LocalStore
from tests.agent.catalog.conftest import Scanner, write
from tests.api.cluster.documents import CLUSTER, Agents
from tests.api.conftest import MakeApi
from tests.clipping.commands.test_commands import clipping, lines
from tests.support.waiting import eventually

SECRET = "a-secret-of-the-API-and-the-agents"


@pytest.mark.slow
def test_recordings_are_found_and_requested(make_api: MakeApi, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SECRET)
    api = make_api(preview={"key": str(tmp_path / "key")})
    none = clipping(api, "recordings")
    assert (none.returncode, none.stderr) == (0, "no agent has scanned its roots yet\n")
    for number in range(3):
        write(api.root / "2026" / f"table {number}.mp4", 2_500_000)
    write(api.root / "night.mp4")
    write(api.root / "odd" / "a\x1b[2J\nb\x9b.mp4")
    store = LocalStore(Path(str(api.config.storage.path)), public_url=api.url)
    Agents(store, CLUSTER).report("nas-1", state="active")
    agent = Scanner(tmp_path, [api.root], store)
    agent.scan()

    def found_lines() -> list[str] | None:
        done = clipping(api, "recordings", "--q", "TABLE 1").stdout
        return done.splitlines() if "table 1" in done else None

    head, row = eventually(found_lines, "the API to read the list again")
    assert head.split() == ["SIZE", "AGE", "LENGTH", "PATH"]
    assert row.startswith("2.5 MB  ")
    assert row.endswith(f"  {api.root}/2026/table 1.mp4")
    listed = clipping(api, "recordings").stdout.splitlines()
    assert [line.split()[-1] for line in listed[1:]] == ["2026/", "odd/", f"{api.root}/night.mp4"]
    odd = clipping(api, "recordings", "--prefix", "odd").stdout.splitlines()
    assert [line.split()[-1] for line in odd[1:]] == [f"{api.root}/odd/a?[2J?b?.mp4"]
    assert len(lines(clipping(api, "recordings", "--prefix", "2026", "--limit", "2", "--json"))) == 2
    assert len(lines(clipping(api, "recordings", "--q", "mp4", "--limit", "0", "--json"))) == 5
    (found,) = lines(clipping(api, "recordings", "--q", "night", "--json"))
    assert found["id"] == PreviewKeys(SECRET).recording_id(str(api.root / "night.mp4"))
    assert found["id"] in clipping(api, "recordings", "--q", "night", "--ids").stdout
    asked = clipping(api, "request", "--recording", found["id"], "1", "2", "--hand-id", "h")
    assert (asked.returncode, asked.stdout.startswith("clip-")) == (0, True), asked.stderr
    unknown = clipping(api, "recordings", "--prefix", "none")
    assert (unknown.returncode, "NOT_FOUND: there is no such folder" in unknown.stderr) == (1, True)
    wrong = clipping(api, "request", "--recording", "none", "1", "2", "--hand-id", "h")
    assert (wrong.returncode, "recording_id must be the id" in wrong.stderr) == (1, True)
    agent.catalog.close()
