"""Previews through the API, as `clipping up` sets them up, and from the agents themselves."""

from __future__ import annotations

import io
from pathlib import Path

import av
import requests

from tests.support.stack import RunningStack


def test_a_recording_is_previewed_through_the_api_and_from_each_agent(stack: RunningStack, nas: Path) -> None:
    api = stack.where["api_url"]
    listed = stack.session.get(f"{api}/preview/v1/recordings", params={"q": "night.mp4"}, timeout=30)
    assert listed.status_code == 200, listed.text
    (night,) = listed.json()["recordings"]
    assert night["path"] == str(nas / "night.mp4")
    leader = listed.headers["Preview-Agent"]

    path = f"preview/v1/recordings/{night['id']}"
    window = stack.session.get(f"{api}/{path}/window.mp4", params={"t": "31.5", "d": "2"}, timeout=60)
    assert window.status_code == 200, window.text
    assert window.headers["Content-Type"].startswith('video/mp4; codecs="avc1.')
    with av.open(io.BytesIO(window.content)) as container:
        assert sum(1 for _ in container.decode(video=0)) == int(window.headers["Preview-Frames"])

    issued = stack.session.post(f"{api}/v1/previews/token", timeout=10)
    assert issued.status_code == 200, issued.text
    assert issued.json()["roots"] == [str(nas)]
    token = issued.json()["token"]
    places = [api, *(agent["health_url"].removesuffix("/health") for agent in stack.where["agents"])]
    stills = []
    for place in places:
        shown = requests.get(f"{place}/{path}/still.jpg", params={"t": "2", "token": token}, timeout=60)
        assert shown.status_code == 200, shown.text
        stills.append((shown.headers["Preview-Agent"], shown.content))
    assert stills[0][0] == leader
    assert {agent for agent, _ in stills} == {agent["agent_id"] for agent in stack.where["agents"]}
    assert len({content for _, content in stills}) == 1

    tiles = requests.get(f"{api}/{path}/strip.vtt", params={"n": "3", "token": token}, timeout=60)
    image = next(line for line in tiles.text.splitlines() if line.startswith("strip.jpg"))
    assert requests.get(f"{api}/{path}/{image}", timeout=60).headers["Content-Type"] == "image/jpeg"

    etag = stack.session.get(f"{api}/{path}/still.jpg", timeout=60).headers["ETag"]
    again = stack.session.get(f"{api}/{path}/still.jpg", headers={"If-None-Match": etag}, timeout=60)
    assert (again.status_code, again.content) == (304, b"")
    for given in ("?token=x", f"?token={token[:-2]}"):
        refused = requests.get(f"{api}/{path}{given}", timeout=30)
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "UNAUTHORIZED")
    unknown = stack.session.get(f"{api}/{path}x", timeout=30)
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "NOT_FOUND")


def test_leader_and_standby_serve_the_console_and_ids_that_requests_take(
    stack: RunningStack, nas: Path
) -> None:
    token = stack.session.post(f"{stack.where['api_url']}/v1/previews/token", timeout=10).json()["token"]
    roles, ids = set(), set()
    for agent in stack.where["agents"]:
        place = agent["health_url"].removesuffix("/health")
        roles.add(requests.get(f"{place}/health", timeout=10).json()["role"])
        assert requests.get(f"{place}/console/", timeout=10).headers["Content-Type"].startswith("text/html")
        assert f'"{agent["agent_id"]}"' in requests.get(f"{place}/console/where.js", timeout=10).text
        query = {"q": "night.mp4", "token": token}
        listed = requests.get(f"{place}/preview/v1/recordings", params=query, timeout=30).json()
        ids |= {each["id"] for each in listed["recordings"]}
    assert roles == {"active", "standby"}
    # One for both: it is the path, signed. So it does not matter whose page a clip is requested from.
    (night,) = ids
    done = stack.wait(stack.ask(hand_id="by-id", recording_id=night, start_seconds=3, end_seconds=4))
    assert done["status"] == "completed", done
