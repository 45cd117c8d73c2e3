"""The list of what callers get wrong, with the answers they get: `python -m tests.api.bad_inputs`."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import requests

from tests.api.api_process import ApiProcess
from tests.api.clips.test_batch import BAD_BATCHES
from tests.api.test_bad_requests import BODIES, FIELDS
from tests.api.test_lists import BAD_QUERIES
from tests.support.broker import BrokerProcess

SHOWN = 70


LIMITS = {"requests_per_minute": 0}


def main() -> int:
    """Prints a Markdown table."""
    with tempfile.TemporaryDirectory() as folder, BrokerProcess(Path(folder) / "broker") as broker:
        api = ApiProcess(Path(folder) / "api", emulator=broker.host_port, over={"limits": LIMITS})
        try:
            sys.stdout.write(page(api))
        finally:
            api.close()
    return 0


def page(api: ApiProcess) -> str:
    """`docs/bad-requests.md`, as this service answers."""
    lines = []
    for given, answer in _rows(api):
        assert 400 <= answer.status_code < 500, (given, answer.text)
        error = answer.json()["error"]
        cells = [given, f"{answer.status_code} {error['code']}", error.get("field", ""), error["message"]]
        shown = [cell.replace("|", "\\|").replace(str(api.root), "/nas") for cell in cells]
        lines.append(f"| {' | '.join(shown)} |\n")
    return (
        "# What callers get wrong, and what they are told\n\n"
        f"{len(lines)} inputs; made by `python -m tests.api.bad_inputs`. None leaves anything behind.\n\n"
        "| input | answer | field | message |\n|---|---|---|---|\n"
    ) + "".join(lines)


def _rows(api: ApiProcess) -> Iterator[tuple[str, requests.Response]]:
    root = str(api.root)
    json_body = {"Content-Type": "application/json"}
    for name, over, _ in FIELDS:
        changed = {key: v.replace("ROOT", root) if isinstance(v, str) else v for key, v in over.items()}
        yield f"request, {name}", api.request(**changed)
    for name, body, _ in BODIES:
        yield f"request, body {name}", api.post("/v1/clip/request", data=body, headers=json_body)
    for key in ("", "a b", "x" * 256, "\xe9"):
        headers = {**json_body, "Idempotency-Key": key}
        yield (
            f"request, Idempotency-Key {_short(key)}",
            api.post("/v1/clip/request", data="{}", headers=headers),
        )
    for batch, _ in BAD_BATCHES:
        yield f"batch, `{_short(batch)}`", api.post("/v1/clip/batch", json=batch)
    for query, _ in BAD_QUERIES:
        yield f"list, `?{query}`", api.get(f"/v1/clips?{query}")
    for period in ("1h", "", "24H", "all"):
        yield f"stats, `?period={period}`", api.get(f"/v1/stats?period={period}")
    for path in ("status", "download", "events"):
        for request_id in ("1", "clip-20261120-000000000000", "..%2f..%2fetc", "%00"):
            yield f"{path} of `{request_id}`", api.get(f"/v1/clip/{request_id}/{path}")
    yield "cancel of an unknown clip", api.post("/v1/clip/clip-20261120-000000000000/cancel")
    for method, path in (("GET", "/v1/clip/request"), ("PUT", "/v1/clips"), ("DELETE", "/v1/clip/x/status")):
        yield f"{method} `{path}`", api.session.request(method, api.url + path, timeout=30)


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


if __name__ == "__main__":
    sys.exit(main())
