"""The client against the real service."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from clipping.client import (
    Client,
    Conflict,
    NewClip,
    NewReel,
    NotAllowed,
    NotFound,
    Refused,
    Retries,
    WaitedTooLong,
    annotate,
)
from clipping.store.layout import output_key
from clipping.store.local import LocalStore
from tests.api.api_process import ADMIN, CLIENT, STRANGER, ApiProcess
from tests.api.cluster.documents import Agents
from tests.api.cluster.test_admin_routes import agents_of, obeying
from tests.api.conftest import MakeApi
from tests.api.messages import completed, progress
from tests.support.waiting import eventually


@pytest.fixture
def client(api: ApiProcess) -> Iterator[Client]:
    with Client(api.url, key=CLIENT) as made:
        yield made


@pytest.fixture
def admin(api: ApiProcess) -> Iterator[Client]:
    with Client(api.url, key=ADMIN) as made:
        yield made


def wanted(api: ApiProcess, hand_id: str = "hand-1", **over: float | str) -> NewClip:
    more = dict(over)
    return NewClip(hand_id, f"{api.root}/a.mp4", more.pop("start", 1.0), more.pop("end", "0:05"), more=more)


def test_a_clip_from_the_request_to_the_link(api: ApiProcess, client: Client) -> None:
    accepted = client.request(wanted(api))
    assert (accepted.status, accepted.mode) == ("queued", "copy")
    assert client.status(accepted.request_id).stage == "waiting"
    assert client.status(accepted.request_id) == client.status(accepted.request_id)
    with pytest.raises(WaitedTooLong):
        client.wait(accepted.request_id, timeout=0.2)
    with pytest.raises(Conflict, match="nothing to download"):
        client.download(accepted.request_id)
    api.send(completed(request_id=accepted.request_id))
    done = client.wait(accepted.request_id, timeout=60)
    assert (done.status, done.finished) == ("completed", True)
    assert done.report is not None
    with pytest.raises(Conflict) as caught:
        client.cancel(accepted.request_id)
    assert caught.value.code == "ALREADY_FINISHED"


def test_the_same_key_is_the_same_clip(api: ApiProcess, client: Client) -> None:
    first = client.request(wanted(api), idempotency_key="once")
    assert client.request(wanted(api), idempotency_key="once") == first
    with pytest.raises(Conflict) as caught:
        client.request(wanted(api, "hand-2"), idempotency_key="once")
    assert caught.value.code == "IDEMPOTENCY_CONFLICT"


def test_a_reel_from_the_request_to_the_table(api: ApiProcess, client: Client, tmp_path: Path) -> None:
    parts = [api.part(), api.part(20, 30)]
    reel = NewReel("reel-1", parts, transition={"type": "fade"}, tsv=True, metadata={"a": "b"})
    accepted = client.request_reel(reel, idempotency_key="reel")
    assert (accepted.reel_id, accepted.mode) == ("reel-1", "smart")
    assert client.request_reel(reel.body(), idempotency_key="reel") == accepted
    waiting = client.status(accepted.request_id)
    assert (waiting.kind, waiting.reel_id, len(waiting.parts or ())) == ("reel", "reel-1", 2)
    assert client.page(kind="reel", hand_id="reel-1").clips == [waiting]
    assert list(client.clips(kind="clip", hand_id="reel-1")) == []

    store = LocalStore(Path(str(api.config.storage.path)), public_url=api.url)
    for extension in ("mp4", "tsv"):
        (tmp_path / extension).write_bytes(extension.encode())
        key = output_key(accepted.request_id, "reel-1", extension, short=False)
        store.create(key, tmp_path / extension, content_type="video/mp4", metadata={})
    uri = store.uri(output_key(accepted.request_id, "reel-1", "mp4", short=False))
    sha256 = hashlib.sha256(b"mp4").hexdigest()
    api.send(completed(request_id=accepted.request_id, output_uri=uri, sha256=sha256))
    kinds = [event.kind for event in client.events(accepted.request_id, timeout=60)]
    assert (kinds[0], kinds[-1]) == ("status", "completed")
    assert client.save(accepted.request_id, tmp_path).path == tmp_path / "reel-1.mp4"
    table = client.save(accepted.request_id, tmp_path, file="tsv")
    assert (table.path, table.path.read_bytes()) == (tmp_path / "reel-1.tsv", b"tsv")
    with pytest.raises(Conflict):
        client.cancel(accepted.request_id)


def test_a_wrong_reel_is_refused(api: ApiProcess, client: Client) -> None:
    with pytest.raises(Refused) as caught:
        client.request_reel(NewReel("reel-1", [api.part(), api.part(5, 15)]))
    assert caught.value.field == "clips[1]"


def test_annotations_become_a_reel_and_clips(api: ApiProcess, client: Client) -> None:
    clips = [{"start_time": n, "end_time": n + 5, "rating": 1 + n % 5, "tags": ["Goal"]} for n in range(10)]
    found = annotate({"clips": clips}, recording=f"{api.root}/a.mp4", name="game-7")
    accepted, items = client.request_annotations(found, idempotency_key="annotated")
    assert accepted is not None
    assert len(client.status(accepted.request_id).parts or ()) == 10
    statuses = [client.status(item.request_id or "") for item in items]
    assert [status.hand_id for status in statuses] == [
        "game-7-04-Good-Goal",
        "game-7-05-Brilliant-Goal",
        "game-7-09-Good-Goal",
        "game-7-10-Brilliant-Goal",
    ]
    assert statuses[0].metadata["title"] == "Good Goal"
    assert client.request_annotations(found, idempotency_key="annotated") == (accepted, items)
    assert client.request_annotations(found, review=False, clips=False) == (None, [])


def test_a_batch_accepts_valid_clips_and_reports_invalid_ones(api: ApiProcess, client: Client) -> None:
    batch = client.batch([wanted(api), wanted(api, end=0.5), wanted(api, "no hand")])
    assert [item.request_id is not None for item in batch.items] == [True, False, False]
    assert batch.items[1].error is not None
    assert batch.items[1].error.field == "end_seconds"
    with pytest.raises(Refused, match="first one"):
        client.batch([wanted(api, "no hand")])


def test_an_invalid_request_names_the_field(api: ApiProcess, client: Client) -> None:
    with pytest.raises(Refused) as caught:
        client.request(wanted(api, end=0.5))
    assert (caught.value.code, caught.value.field) == ("INVALID_REQUEST", "end_seconds")
    assert caught.value.request_id


def test_a_cancelled_clip_is_cancelled(api: ApiProcess, client: Client) -> None:
    accepted = client.request(wanted(api))
    assert client.cancel(accepted.request_id).status == "cancelled"
    assert [event.kind for event in client.events(accepted.request_id)][-1] == "cancelled"


def test_events_are_sent_as_they_happen(api: ApiProcess, client: Client) -> None:
    request_id = client.request(wanted(api)).request_id
    events = client.events(request_id, timeout=60)
    assert next(events).data["status"] == "queued"
    api.send(progress(request_id=request_id))
    assert next(events).data["status"] == "processing"
    api.send(completed(request_id=request_id))
    last = list(events)[-1]
    assert (last.kind, last.final, last.data["status"]) == ("completed", True, "completed")
    assert list(client.events(request_id, last_event_id=last.event_id)) == []


@pytest.mark.slow
def test_events_go_on_over_a_kill_of_the_service(make_api: MakeApi) -> None:
    api = make_api()
    with Client(api.url, key=CLIENT) as client:
        request_id = client.request(wanted(api)).request_id
        events = client.events(request_id, timeout=100)
        first = next(events)
        api.kill()
        api.start()
        api.send(completed(request_id=request_id))
        rest = list(events)
    assert first.kind == "status"
    assert [event.kind for event in rest if event.kind != "status"] == ["completed"]


def test_lists_are_read_page_by_page(make_api: MakeApi) -> None:
    api = make_api()
    with Client(api.url, key=CLIENT) as client:
        asked = [item.request_id for _ in range(3) for item in client.batch([wanted(api)] * 100).items]
        client.request(wanted(api, "another"))
        found = [clip.request_id for clip in client.clips(hand_id="hand-1")]
        assert sorted(found) == sorted(str(request_id) for request_id in asked)
        assert len(client.page(limit=7).clips) == 7
        assert list(client.clips(created_after=datetime.now(UTC) + timedelta(minutes=1))) == []
        assert client.stats("7d").total_requests == 301


@pytest.mark.slow
def test_a_request_survives_a_kill_of_the_service_and_is_one_clip(make_api: MakeApi) -> None:
    api = make_api()
    retries = Retries(tries=100, within_seconds=60, first_wait_seconds=0.05, longest_wait_seconds=0.2)
    asked, found = 12, set()
    with Client(api.url, key=CLIENT, retries=retries) as client:
        some = threading.Event()
        killer = threading.Thread(target=_kill_and_start, args=(api, some), name="killer", daemon=True)
        killer.start()
        for number in range(asked):
            if number == asked // 3:
                some.set()
            found.add(client.request(wanted(api)).request_id)
        killer.join(60)
        assert {clip.request_id for clip in client.clips()} == found
        assert len(found) == asked


def _kill_and_start(api: ApiProcess, when: threading.Event) -> None:
    assert when.wait(60)
    api.kill()
    api.start()


def test_the_agents_are_led(api: ApiProcess, admin: Client, client: Client) -> None:
    agents: Agents = agents_of(api)
    agents.pair()
    assert admin.agents().leader == "nas-1"
    with obeying(agents):
        done = admin.failover(from_agent="nas-1", reason="upgrade", wait_seconds=30)
        assert admin.failover(to_agent="nas-2").nothing_to_do
    assert (done.state, done.finished, done.new_primary) == ("done", True, "nas-2")
    assert not done.nothing_to_do
    assert admin.failover_status(done.operation_id) == done
    until = datetime.now(UTC) + timedelta(hours=1)
    paused = admin.pause(reason="upgrade", until=until).pause
    assert paused is not None
    assert (paused.reason, paused.paused_by) == ("upgrade", "ops")
    assert not admin.resume().paused
    with pytest.raises(NotFound):
        admin.failover(from_agent="nas-9")
    with pytest.raises(ValueError, match="needs from_agent"):
        admin.failover()
    with pytest.raises(NotAllowed):
        client.agents()


def test_a_stranger_sees_nothing(api: ApiProcess, client: Client) -> None:
    request_id = client.request(wanted(api)).request_id
    with Client(api.url, key=STRANGER) as stranger:
        for look in (stranger.status, stranger.download, stranger.cancel):
            with pytest.raises(NotFound):
                look(request_id)
        with pytest.raises(NotFound):
            next(stranger.events(request_id))
    with Client(api.url) as keyless, pytest.raises(NotAllowed):
        keyless.status(request_id)


def test_health_needs_no_key(api: ApiProcess) -> None:
    with Client(api.url) as keyless:
        assert eventually(lambda: keyless.health().api_status == "healthy")
