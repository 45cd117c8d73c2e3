"""Polling a status: its ETag, and the answer to a client that has it already."""

from __future__ import annotations

from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event

from api.app import create_app
from api.db import schema
from api.db.watching import Version
from api.services import Services
from clipping import __version__
from clipping.config import validate
from tests.api.api_process import ADMIN, CLIENT, STRANGER, ApiProcess, key
from tests.api.messages import completed, progress
from tests.api.rows import put, report
from tests.support.waiting import eventually


def path_of(request_id: str) -> str:
    return f"/v1/clip/{request_id}/status"


def test_an_unchanged_status_is_not_sent_again(api: ApiProcess) -> None:
    request_id = api.request().json()["request_id"]
    path = path_of(request_id)
    queued = api.get(path)
    known = {"If-None-Match": queued.headers["ETag"]}
    again = api.get(path, headers=known)
    assert (again.status_code, again.content) == (304, b"")
    for name in ("ETag", "Cache-Control"):
        assert again.headers[name] == queued.headers[name]
    assert again.headers["X-Request-Id"]

    api.send(progress(request_id=request_id))
    working = eventually(lambda: _changed(api, path, known))
    assert (working.status_code, working.json()["status"]) == (200, "processing")
    api.send(completed(request_id=request_id))
    known = {"If-None-Match": working.headers["ETag"]}
    done = eventually(lambda: _changed(api, path, known))
    assert done.json()["download_url"] == completed().download_url
    etags = [each.headers["ETag"] for each in (queued, working, done)]
    assert len(set(etags)) == 3
    assert all(f"-{__version__}" in each for each in etags)


def _changed(api: ApiProcess, path: str, known: dict[str, str]):  # type: ignore[no-untyped-def]
    answer = api.get(path, headers=known)
    return answer if answer.status_code != 304 else None


def test_a_status_with_a_link_is_not_kept_by_browsers(api: ApiProcess) -> None:
    request_id = api.request().json()["request_id"]
    path = path_of(request_id)
    assert api.get(path).headers["Cache-Control"] == "private, no-cache"
    api.send(completed(request_id=request_id))
    api.wait_for_status(request_id, "completed")
    done = api.get(path)
    assert done.headers["Cache-Control"] == "no-store"
    again = api.get(path, headers={"If-None-Match": done.headers["ETag"]})
    assert (again.status_code, again.headers["Cache-Control"]) == (304, "no-store")
    link = api.get(path.replace("/status", "/download"))
    assert "ETag" not in link.headers
    assert link.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("form", ["{etag}", "W/{etag}", '"other", {etag}', "*"])
def test_the_forms_of_the_header(api: ApiProcess, form: str) -> None:
    path = path_of(api.request().json()["request_id"])
    header = form.format(etag=api.get(path).headers["ETag"])
    assert api.get(path, headers={"If-None-Match": header}).status_code == 304
    assert api.session.head(api.url + path, headers={"If-None-Match": header}, timeout=30).status_code == 304


@pytest.mark.parametrize("header", ['"other"', "", '"', "unquoted", '"' + "x" * 2000 + '"'])
def test_other_versions_get_the_status(api: ApiProcess, header: str) -> None:
    path = path_of(api.request().json()["request_id"])
    answer = api.get(path, headers={"If-None-Match": header})
    assert (answer.status_code, answer.json()["status"]) == (200, "queued")


def test_an_etag_opens_no_door(api: ApiProcess) -> None:
    path = path_of(api.request().json()["request_id"])
    known = {"If-None-Match": api.get(path).headers["ETag"]}
    nothing = path_of("clip-20261120-000000000000")
    statuses = [
        api.get(at, headers={"Authorization": f"Bearer {secret}", **known}).status_code
        for at in (path, nothing, path_of("no-id"))
        for secret in (ADMIN, STRANGER, "wrong")
    ]
    assert statuses == [304, 404, 401, 404, 404, 401, 404, 404, 401]
    stranger = {"Authorization": f"Bearer {STRANGER}", "If-None-Match": "*"}
    assert api.get(path, headers=stranger).status_code == 404


def test_an_unchanged_status_leaves_the_connection_open(api: ApiProcess) -> None:
    path = path_of(api.request().json()["request_id"])
    headers = {"Authorization": f"Bearer {CLIENT}", "If-None-Match": api.get(path).headers["ETag"]}
    connection = HTTPConnection(api.url.removeprefix("http://"), timeout=30)
    sockets, statuses = set(), []
    for more in ({}, {}, {"If-None-Match": '"other"'}, {}, {"Connection": "close"}):
        connection.request("GET", path, headers={**headers, **more})
        sockets.add(connection.sock)
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)
    assert statuses == [304, 304, 200, 304, 304]
    assert len(sockets) == 1
    assert answer.headers["Connection"] == "close"
    connection.close()


@pytest.fixture
def in_process(tmp_path: Path) -> Iterator[tuple[FlaskClient, Services]]:
    tree = {
        "storage": {"path": str(tmp_path)},
        "api": {"database_url": f"sqlite:///{tmp_path}/x.db", "keys": [key("web", "client", CLIENT)]},
    }
    app = create_app(validate(tree))
    parts: Services = app.extensions["clipping"]
    schema.migrate(parts.database)
    yield app.test_client(), parts
    parts.database.close()


def test_an_unchanged_status_costs_one_narrow_query(in_process: tuple[FlaskClient, Services]) -> None:
    client, parts = in_process
    request_id = put(parts.database)
    report(parts.database, progress(request_id=request_id))
    headers = {"Authorization": f"Bearer {CLIENT}"}
    first = client.get(path_of(request_id), headers=headers)
    ran: list[str] = []
    event.listen(
        parts.database.engine,
        "before_cursor_execute",
        lambda connection, cursor, statement, *_: ran.append(" ".join(statement.split())),
    )
    again = client.get(path_of(request_id), headers={**headers, "If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    selects = [each for each in ran if each.startswith("SELECT")]
    columns = ", ".join(f"requests.{name}" for name in Version._fields)
    assert selects == [f"SELECT {columns} FROM requests WHERE requests.request_id = ?"]
