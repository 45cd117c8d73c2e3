"""What callers get wrong: the code, the field, and nothing left behind."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from sqlalchemy import delete

from api.db.tables import Clip
from clipping.bus.subscriber import Delivery, Subscription
from tests.api.api_process import CLIENT, HTTP_SECONDS, ApiProcess, emulator_host
from tests.support.waiting import eventually

INVALID = (400, "INVALID_REQUEST")

CROP = {"time": 0, "x": 0, "y": 0, "width": 607.5, "height": 1080}
POINT = {"time": 0, "x": 100, "y": 50, "radiusX": 20, "radiusY": 40}
REGION = {"start_time": 0, "end_time": 2, "keyframes": [POINT]}

# What is changed in a good request (None: left out), and the field that is to blame.
FIELDS: list[tuple[str, dict[str, Any], str]] = [
    ("no hand_id", {"hand_id": None}, "hand_id"),
    ("no path", {"nas_video_path": None}, "nas_video_path"),
    ("no start", {"start_seconds": None}, "start_seconds"),
    ("no end", {"end_seconds": None}, "end_seconds"),
    ("hand_id with slash", {"hand_id": "a/b"}, "hand_id"),
    ("hand_id going up", {"hand_id": "../x"}, "hand_id"),
    ("hand_id with dot first", {"hand_id": ".hidden"}, "hand_id"),
    ("hand_id empty", {"hand_id": ""}, "hand_id"),
    ("hand_id too long", {"hand_id": "h" * 129}, "hand_id"),
    ("hand_id with newline", {"hand_id": "hand\n"}, "hand_id"),
    ("hand_id with quote", {"hand_id": 'h";rm'}, "hand_id"),
    ("hand_id not ASCII", {"hand_id": "händ"}, "hand_id"),
    ("hand_id a number", {"hand_id": 7}, "hand_id"),
    ("hand_id a list", {"hand_id": ["h"]}, "hand_id"),
    ("path relative", {"nas_video_path": "table.mp4"}, "nas_video_path"),
    ("path outside", {"nas_video_path": "/etc/passwd"}, "nas_video_path"),
    ("path beside the root", {"nas_video_path": "ROOT-2/a.mp4"}, "nas_video_path"),
    ("path the root itself", {"nas_video_path": "ROOT"}, "nas_video_path"),
    ("path the root with slashes", {"nas_video_path": "ROOT///."}, "nas_video_path"),
    ("path going up", {"nas_video_path": "ROOT/../../etc/passwd"}, "nas_video_path"),
    ("path with NUL", {"nas_video_path": "ROOT/a\0.mp4"}, "nas_video_path"),
    ("path with newline", {"nas_video_path": "ROOT/a\n.mp4"}, "nas_video_path"),
    ("path with DEL", {"nas_video_path": "ROOT/a\x7f.mp4"}, "nas_video_path"),
    ("path with NEL (U+0085)", {"nas_video_path": "ROOT/a\x85.mp4"}, "nas_video_path"),
    ("path with a line separator (U+2028)", {"nas_video_path": "ROOT/a\u2028.mp4"}, "nas_video_path"),
    ("path with half a character", {"nas_video_path": "ROOT/\ud800.mp4"}, "nas_video_path"),
    ("path too long", {"nas_video_path": "ROOT/" + "a" * 5000}, "nas_video_path"),
    ("path a URL", {"nas_video_path": "http://example.com/a.mp4"}, "nas_video_path"),
    ("path empty", {"nas_video_path": ""}, "nas_video_path"),
    ("path a number", {"nas_video_path": 1}, "nas_video_path"),
    ("recording_id and a path", {"recording_id": "x"}, "recording_id"),
    ("recording_id a number", {"recording_id": 7, "nas_video_path": None}, "recording_id"),
    ("recording_id without previews", {"recording_id": "x", "nas_video_path": None}, "recording_id"),
    ("start negative", {"start_seconds": -1}, "start_seconds"),
    ("start a boolean", {"start_seconds": True}, "start_seconds"),
    ("start an object", {"start_seconds": {}}, "start_seconds"),
    ("start words", {"start_seconds": "soon"}, "start_seconds"),
    ("start 61 seconds", {"start_seconds": "1:61"}, "start_seconds"),
    ("start empty", {"start_seconds": ""}, "start_seconds"),
    ("start a huge integer", {"start_seconds": 10**400}, "start_seconds"),
    ("end not after start", {"start_seconds": 31}, "end_seconds"),
    ("end before start", {"start_seconds": "0:40"}, "end_seconds"),
    ("end a boolean", {"end_seconds": False}, "end_seconds"),
    ("too long", {"end_seconds": 602}, "end_seconds"),
    ("too long by rolls", {"end_seconds": 600, "post_roll_seconds": 5}, "end_seconds"),
    ("pre-roll negative", {"pre_roll_seconds": -0.5}, "pre_roll_seconds"),
    ("post-roll a word", {"post_roll_seconds": "x"}, "post_roll_seconds"),
    ("quality unknown", {"output_quality": "ultra"}, "output_quality"),
    ("quality of other case", {"output_quality": "HIGH"}, "output_quality"),
    ("mode unknown", {"mode": "turbo"}, "mode"),
    ("mode a number", {"mode": 1}, "mode"),
    ("priority unknown", {"priority": "urgent"}, "priority"),
    ("metadata a list", {"metadata": ["a"]}, "metadata"),
    ("metadata of numbers", {"metadata": {"a": 1}}, "metadata.a"),
    ("metadata of 17 pairs", {"metadata": {str(n): "" for n in range(17)}}, "metadata"),
    ("metadata with long value", {"metadata": {"a": "x" * 1025}}, "metadata"),
    ("metadata with half a character", {"metadata": {"a": "\ud800"}}, "metadata.a"),
    ("metadata with empty key", {"metadata": {"": "x"}}, "metadata"),
    ("output a list", {"output": ["9:16"]}, "output"),
    ("output a word", {"output": "9:16"}, "output"),
    ("output with unknown field", {"output": {"size": 3}}, "output.size"),
    ("aspect unknown", {"output": {"aspect": "2:3"}}, "output.aspect"),
    ("aspect a number", {"output": {"aspect": 1.78}}, "output.aspect"),
    ("fit unknown", {"output": {"aspect": "9:16", "fit": "stretch"}}, "output.fit"),
    ("fit without a shape", {"output": {"fit": "blur"}}, "output.fit"),
    ("fit with one side", {"output": {"width": 640, "fit": "blur"}}, "output.fit"),
    ("width odd", {"output": {"width": 641}}, "output.width"),
    ("width zero", {"output": {"width": 0}}, "output.width"),
    ("width too small", {"output": {"width": 14}}, "output.width"),
    ("width too large", {"output": {"width": 7682}}, "output.width"),
    ("width a string", {"output": {"width": "640"}}, "output.width"),
    ("width a boolean", {"output": {"width": True}}, "output.width"),
    ("width a fraction", {"output": {"width": 640.5}}, "output.width"),
    ("height negative", {"output": {"height": -480}}, "output.height"),
    ("height a list", {"output": {"height": [480]}}, "output.height"),
    ("size of another aspect", {"output": {"aspect": "9:16", "width": 640, "height": 480}}, "output.height"),
    ("too many pixels", {"output": {"width": 7680, "height": 7680}}, "output.height"),
    ("too high for its width", {"output": {"aspect": "9:16", "width": 7680}}, "output.width"),
    ("quality of output unknown", {"output": {"quality": "best"}}, "output.quality"),
    ("codec unknown", {"output": {"video_codec": "av1"}}, "output.video_codec"),
    ("codec copy with a rate", {"output": {"video_codec": "copy", "fps": 25}}, "output.video_codec"),
    (
        "codec copy in an encode",
        {"mode": "encode", "output": {"video_codec": "copy"}},
        "output.video_codec",
    ),
    ("fps zero", {"output": {"fps": 0}}, "output.fps"),
    ("fps too high", {"output": {"fps": 121}}, "output.fps"),
    ("fps a string", {"output": {"fps": "25"}}, "output.fps"),
    ("max_bytes too small", {"output": {"max_bytes": 99_999}}, "output.max_bytes"),
    ("max_bytes a fraction", {"output": {"max_bytes": 2e6 + 0.5}}, "output.max_bytes"),
    ("container unknown", {"output": {"container": "avi"}}, "output.container"),
    ("container null", {"output": {"container": None}}, "output.container"),
    ("audio a word", {"output": {"audio": "no"}}, "output.audio"),
    ("audio null", {"output": {"audio": None}}, "output.audio"),
    ("aspect and copy", {"mode": "copy", "output": {"aspect": "9:16"}}, "mode"),
    ("size and copy", {"mode": "copy", "output": {"width": 640}}, "mode"),
    ("rate and copy", {"mode": "copy", "output": {"fps": 30}}, "mode"),
    ("bytes and copy", {"mode": "copy", "output": {"max_bytes": 1_000_000}}, "mode"),
    ("effects a list", {"effects": []}, "effects"),
    ("effects with unknown field", {"effects": {"zoom": 2}}, "effects.zoom"),
    ("effects and copy", {"mode": "copy", "effects": {"title": {"name": "Goal"}}}, "mode"),
    (
        "effects and codec copy",
        {"output": {"video_codec": "copy"}, "effects": {"title": {"name": "Goal"}}},
        "output.video_codec",
    ),
    (
        "captions of a wrong line",
        {"effects": {"captions": {"format": "srt", "text": "1\n00:00:01 --> 00:00:02\nHi"}}},
        "effects.captions.text",
    ),
    (
        "captions of another format",
        {"effects": {"captions": {"format": "vtt", "text": "1\n00:00:01,000 --> 00:00:02,000\nHi"}}},
        "effects.captions.text",
    ),
    (
        "captions without text",
        {"effects": {"captions": {"format": "srt", "text": ""}}},
        "effects.captions.text",
    ),
    ("captions without a format", {"effects": {"captions": {"text": "Hi"}}}, "effects.captions.format"),
    (
        "captions to burn and copy",
        {
            "mode": "copy",
            "effects": {"captions": {"format": "srt", "text": "1\n00:00:01,000 --> 00:00:02,000\nHi"}},
        },
        "mode",
    ),
    ("framing without keyframes", {"effects": {"framing": {"keyframes": []}}}, "effects.framing.keyframes"),
    (
        "keyframe without width",
        {"effects": {"framing": {"keyframes": [CROP, CROP, CROP, {**CROP, "width": 0}]}}},
        "effects.framing.keyframes[3].width",
    ),
    (
        "keyframe with time and frame",
        {"effects": {"framing": {"keyframes": [{**CROP, "frame": 3}]}}},
        "effects.framing.keyframes[0]",
    ),
    (
        "keyframe before the clip",
        {"effects": {"framing": {"keyframes": [{**CROP, "time": -1}]}}},
        "effects.framing.keyframes[0].time",
    ),
    (
        "framing and another size",
        {"output": {"aspect": "1:1"}, "effects": {"framing": {"keyframes": [CROP]}}},
        "output.aspect",
    ),
    (
        "crop_keyframes and framing",
        {"effects": {"crop_keyframes": [CROP], "framing": {"keyframes": [CROP]}}},
        "effects.crop_keyframes",
    ),
    (
        "speed too high",
        {"effects": {"segments": [{"start": 0, "end": 5, "speed": 8}]}},
        "effects.segments[0].speed",
    ),
    (
        "segment beyond the end",
        {"effects": {"segments": [{"start": 0, "end": 31}]}},
        "effects.segments[0].end",
    ),
    (
        "segments that overlap",
        {"effects": {"segments": [{"start": 0, "end": 5}, {"start": 4, "end": 6}]}},
        "effects.segments[1].start",
    ),
    (
        "too long by speed",
        {"end_seconds": 300, "effects": {"segments": [{"start": 0, "end": 290, "speed": 0.25}]}},
        "effects.segments",
    ),
    (
        "colour a word",
        {"effects": {"highlight_regions": [{**REGION, "keyframes": [{**POINT, "color": "yellow"}]}]}},
        "effects.highlight_regions[0].keyframes[0].color",
    ),
    (
        "opacity too high",
        {"effects": {"overlay": {"regions": [{**REGION, "keyframes": [{**POINT, "opacity": 2}]}]}}},
        "effects.overlay.regions[0].keyframes[0].opacity",
    ),
    ("highlight of no kind", {"effects": {"effect_type": "glow"}}, "effects.effect_type"),
    ("title empty", {"effects": {"title": {"name": ""}}}, "effects.title.name"),
    ("rating of six", {"effects": {"title": {"name": "Goal", "rating": 6}}}, "effects.title.rating"),
    ("short too long", {"end_seconds": 220, "output": {"aspect": "9:16"}}, "end_seconds"),
    ("unknown field", {"end_second": 3}, "end_second"),
    ("field of the message", {"request_id": "clip-20261120-000000000000"}, "request_id"),
    ("owner", {"owner": "ops"}, "owner"),
]

# A whole body, and the field where one is to blame.
BODIES: list[tuple[str, bytes, str | None]] = [
    ("empty", b"", None),
    ("broken", b'{"hand_id": "h",', None),
    ("words", b"please", None),
    ("a list", b"[]", None),
    ("a string", b'"x"', None),
    ("null", b"null", None),
    ("NaN alone", b"NaN", None),
    ("no fields", b"{}", "hand_id"),
    ("NaN", b'{"hand_id": "h", "start_seconds": NaN}', "start_seconds"),
    ("Infinity", b'{"hand_id": "h", "end_seconds": Infinity}', "end_seconds"),
    ("overflow", b'{"hand_id": "h", "end_seconds": 1e999}', "end_seconds"),
    ("twice", b'{"hand_id": "h", "hand_id": "h2"}', "hand_id"),
    ("deep", b'{"metadata":' * 50_000, None),
    ("not UTF-8", b'{"hand_id": "\xff"}', None),
    ("a key of half a character", b'{"\\ud800": 1}', None),
    ("an inner key of half a character", b'{"metadata": {"\\ud800": "a"}}', "metadata"),
    ("an inner NaN", b'{"hand_id": "h", "output": {"fps": NaN}}', "output.fps"),
    ("an inner key twice", b'{"hand_id": "h", "metadata": {"a": "1", "a": "2"}}', "metadata.a"),
    ("NaN in a list", b'{"hand_id": [NaN]}', "hand_id[0]"),
    ("digits", b'{"start_seconds": ' + b"9" * 5000 + b"}", None),
]


@pytest.fixture(autouse=True)
def _nothing_left(api: ApiProcess) -> Iterator[None]:
    yield
    assert {name: count for name, count in api.counts().items() if count} == {}


def check(answer: requests.Response, expected: tuple[int, str], field: str | None = None) -> str:
    body = answer.json()
    assert (answer.status_code, body["error"]["code"]) == expected, answer.text
    assert body["error"].get("field") == field, answer.text
    assert set(body) == {"error", "timestamp"}
    assert body["timestamp"].endswith("Z")
    assert answer.headers["X-Request-Id"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    message: str = body["error"]["message"]
    assert message
    assert "Traceback" not in message
    return message


@pytest.mark.parametrize(("over", "field"), [row[1:] for row in FIELDS], ids=[row[0] for row in FIELDS])
def test_a_bad_field_is_named(api: ApiProcess, over: dict[str, Any], field: str) -> None:
    root = str(api.root)
    over = {name: v.replace("ROOT", root) if isinstance(v, str) else v for name, v in over.items()}
    message = check(api.request(**over), INVALID, field)
    assert field.partition(".")[0] in message
    assert root not in message


@pytest.mark.parametrize(("body", "field"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES])
def test_a_bad_body_is_refused(api: ApiProcess, body: bytes, field: str | None) -> None:
    headers = {"Content-Type": "application/json"}
    check(api.post("/v1/clip/request", data=body, headers=headers), INVALID, field)
    # Its hash is taken before it is understood.
    headers["Idempotency-Key"] = "bad-body"
    check(api.post("/v1/clip/request", data=body, headers=headers), INVALID, field)


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer wrong", "Basic Y2xpZW50LWtleTo=", f"Token {CLIENT}"]
)
def test_a_wrong_key_learns_nothing(api: ApiProcess, authorization: str) -> None:
    # The body is bad too: who has no key does not learn that.
    answer = api.post("/v1/clip/request", data=b"{", headers={"Authorization": authorization})
    check(answer, (401, "UNAUTHORIZED"))
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"],
)
def test_a_body_of_another_type_is_refused(api: ApiProcess, content_type: str) -> None:
    answer = api.post("/v1/clip/request", data=b"{}", headers={"Content-Type": content_type})
    check(answer, (415, "UNSUPPORTED_MEDIA_TYPE"))


@pytest.mark.parametrize("size", [1_000_001, 10_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_body_is_refused(api: ApiProcess, size: int, *, chunked: bool) -> None:
    body = b'{"hand_id": "' + b"h" * size + b'"}'
    data = iter([body[:100_000], body[100_000:]]) if chunked else body
    answer = api.post("/v1/clip/request", data=data, headers={"Content-Type": "application/json"})
    check(answer, (413, "PAYLOAD_TOO_LARGE"))


def test_large_bodies_do_not_stay_in_memory(api: ApiProcess) -> None:
    def resident() -> int:
        with open(f"/proc/{api.pid}/statm") as statm:
            return int(statm.read().split()[1]) * 4096

    headers = {"Content-Type": "application/json"}
    body = b"x" * 15_000_000
    api.post("/v1/clip/request", data=body, headers=headers)
    before = resident()
    for _ in range(10):
        api.post("/v1/clip/request", data=body, headers=headers)
    assert resident() - before < 30_000_000


def test_a_body_shorter_than_it_says_stores_nothing(api: ApiProcess) -> None:
    where = urlsplit(api.url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=HTTP_SECONDS)
    connection.putrequest("POST", "/v1/clip/request")
    connection.putheader("Authorization", f"Bearer {CLIENT}")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", "1000")
    connection.endheaders(b'{"hand_id": "h"}')
    connection.close()


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/nothing", (404, "NOT_FOUND")),
        ("GET", "/v1/clip/request", (405, "METHOD_NOT_ALLOWED")),
        ("DELETE", "/v1/clip/clip-20261120-000000000000/status", (405, "METHOD_NOT_ALLOWED")),
        ("GET", "/v1/clip/1/status", (404, "NOT_FOUND")),
        ("GET", "/v1/clip/clip-20261120-000000000000%0a/status", (404, "NOT_FOUND")),
        ("GET", "/v1/clip/..%2f..%2fetc/status", (404, "NOT_FOUND")),
        ("GET", "/docs/assets/..%2f..%2fapp.py", (404, "NOT_FOUND")),
        ("GET", "/docs/assets/other.js", (404, "NOT_FOUND")),
        ("POST", "/v1/internal/pubsub", (404, "NOT_FOUND")),
    ],
)
def test_unknown_paths_get_the_error_schema(
    api: ApiProcess, method: str, path: str, expected: tuple[int, str]
) -> None:
    answer = api.session.request(method, api.url + path, timeout=HTTP_SECONDS)
    check(answer, expected)


def test_no_bad_input_is_published(api: ApiProcess) -> None:
    """Last in this file: after all the bad ones, the first message of the topic is a good one's."""
    check(api.request(end_seconds=0), INVALID, "end_seconds")
    seen: list[str] = []

    def keep(delivery: Delivery) -> None:
        delivery.acknowledge()
        seen.append(json.loads(delivery.data)["request_id"])

    bus = api.config.pubsub
    subscriptions = [
        Subscription(
            bus.project, name, slots=1, handler=keep, max_lease_seconds=60, thread_name=f"test-{name}"
        )
        for name in (bus.worker_subscription, bus.batch_subscription)
    ]
    good = [api.request().json()["request_id"], api.request(priority="low").json()["request_id"]]
    # Other tests of this process may have made another broker the default since.
    with emulator_host(api.emulator):
        for subscription in subscriptions:
            subscription.start()
        eventually(
            lambda: len(seen) >= 2,
            f"{good} from Pub/Sub",
            logs=lambda: f"seen {seen}, streams {[one.state for one in subscriptions]}, rows {api.counts()}",
        )
        for subscription in subscriptions:
            subscription.drain(10)
            subscription.close()
    assert sorted(seen) == sorted(good)
    assert eventually(lambda: api.counts()["outbox"] == 0)
    with api.database() as database, database.write() as session:
        session.execute(delete(Clip))
