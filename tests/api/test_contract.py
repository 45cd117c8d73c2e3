"""`openapi.yaml` against the app and its models."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate as validate_contract
from pydantic import BaseModel

import api as package
from api.app import create_app
from api.events import changes
from api.routes import admin
from clipping import __version__, text
from clipping.client import NewClip, NewReel
from clipping.config import validate
from clipping.contract import (
    caption_file,
    choices,
    effect_values,
    effects,
    messages,
    output,
    plan,
    preview,
    reel,
    reel_parts,
    report,
    results,
    uploads,
)
from clipping.contract.choices import FailoverMode
from clipping.contract.cluster import AgentStatus
from clipping.contract.effects_forms import KEYS
from clipping.errors import ClippingError, LeaseLost, PermanentError, TransientError

CONTRACT: dict[str, Any] = yaml.safe_load(
    (Path(package.__path__[0]).parent / "openapi.yaml").read_text(encoding="utf-8")
)
SCHEMAS: dict[str, Any] = CONTRACT["components"]["schemas"]

INPUT: dict[str, type[BaseModel]] = {
    "ClipRequest": messages.ClipRequest,
    "ReelRequest": reel.ReelRequest,
    "ReelPart": reel_parts.ReelPart,
    "Transition": reel_parts.Transition,
    "Output": output.Output,
    "Effects": effects.Effects,
    "Framing": effects.Framing,
    "CropKeyframe": effects.CropKeyframe,
    "SpeedSegment": effects.SpeedSegment,
    "Overlay": effects.Overlay,
    "Region": effects.Region,
    "HighlightKeyframe": effects.HighlightKeyframe,
    "Title": effects.Title,
    "Captions": effects.Captions,
    "UploadRequest": uploads.UploadRequest,
    "FailoverRequest": admin.FailoverRequest,
    "PauseRequest": admin.PauseRequest,
    "ResumeRequest": admin.ResumeRequest,
}
"""What callers send: unknown fields are errors."""
RESULTS: dict[str, type[BaseModel]] = {
    "Error": results.Error,
    "ErrorDetail": results.Problem,
    "QuotaDetails": results.QuotaDetails,
    "ClipAccepted": results.Accepted,
    "ReelAccepted": results.ReelAccepted,
    "Upload": results.Upload,
    "BatchAccepted": results.Batch,
    "BatchItem": results.BatchItem,
    "ClipSource": results.ClipSource,
    "ClipStatus": results.ClipStatus,
    "ClipList": results.ClipPage,
    "Download": results.Download,
    "Stats": results.Stats,
    "StatsTimeseries": results.StatsTimeseries,
    "StatsBucket": results.StatsBucket,
    "Quota": results.Quota,
    "Longest": results.Longest,
    "ShortsLeft": results.ShortsLeft,
    "Cluster": results.Cluster,
    "LeaseAge": results.LeaseAge,
    "FailoverSeconds": results.FailoverSeconds,
    "EncoderProbe": results.Encoder,
    "InFlightClip": results.InFlightClip,
    "Takeovers": results.Takeovers,
    "Takeover": results.Takeover,
    "AgentStatus": results.Agent,
    "Pause": results.Pause,
    "PauseState": results.PauseState,
    "Failover": results.Failover,
    "AgentWords": results.AgentsHealth,
    "Health": results.Health,
    "Index": results.Index,
}
"""What the API builds and the client parses."""
PREVIEWS: dict[str, type[BaseModel]] = {
    "PreviewToken": preview.PreviewTokenIssued,
    "RecordingList": preview.RecordingList,
    "RecordingFolder": preview.RecordingFolder,
    "RecordingEntry": preview.RecordingEntry,
    "RecordingRoot": preview.RecordingRoot,
    "RecordingCatalog": preview.RecordingCatalog,
    "RecordingDescription": preview.RecordingDescription,
    "PreviewStream": preview.PreviewStream,
    "KeyframeList": preview.KeyframeList,
    "ClipPlan": plan.ClipPlan,
}
"""What agents answer to previews, and the API passes on, and the list of recordings."""
FROM_AGENTS: dict[str, type[BaseModel]] = {
    "ErrorInfo": messages.ErrorInfo,
    "LastError": messages.LastError,
    "PartProgress": messages.PartProgress,
    "Report": report.Report,
    "PartReport": report.PartReport,
    "Range": report.Range,
    "VideoReport": report.VideoReport,
    "AudioReport": report.AudioReport,
    "DroppedStream": report.DroppedStream,
    "SourceReport": report.SourceReport,
    "FramingReport": report.FramingReport,
    "WindowReport": report.WindowReport,
}
"""Parts of results that come from agents, which may be newer."""
MODELS = INPUT | RESULTS | PREVIEWS | FROM_AGENTS
READ_BEFORE = {
    "ClipRequest": {*messages.TO_METADATA, "recording_id"},
    "ReelPart": {"recording_id"},
    "Effects": set(KEYS),
}
"""Fields that are translated into others before the model reads them."""


def test_the_contract_is_openapi() -> None:
    validate_contract(CONTRACT)
    assert CONTRACT["openapi"].startswith("3.1")
    assert CONTRACT["info"]["version"] == __version__


def test_browsers_can_read_it() -> None:
    # The viewer's parser knows JSON's types only: neither merge keys nor dates.
    text = (Path(package.__path__[0]).parent / "openapi.yaml").read_text(encoding="utf-8")
    assert "<<:" not in text
    json.dumps(CONTRACT)
    clip, in_batch = SCHEMAS["ClipRequest"]["properties"], SCHEMAS["BatchClip"]["properties"]
    assert list(in_batch) == [*clip, "client_item_id"]


def test_every_route_is_written_down_and_every_written_route_is_there(tmp_path: Path) -> None:
    app = create_app(
        validate({"storage": {"path": str(tmp_path)}, "api": {"database_url": f"sqlite:///{tmp_path}/x.db"}})
    )
    served = set()
    for rule in app.url_map.iter_rules():
        path = rule.rule.replace("<path:", "<").replace("<", "{").replace(">", "}")
        served |= {(path, method.lower()) for method in (rule.methods or set()) - {"OPTIONS"}}
    written = {
        (path, method)
        for path, item in CONTRACT["paths"].items()
        for method in item
        if method in ("get", "head", "post", "put", "delete", "patch")
    }
    # Flask answers HEAD wherever it answers GET; it is documented where it is useful.
    unwritten = {(path, method) for path, method in served - written if method != "head"}
    assert unwritten == set()
    assert written - served == set()


@pytest.mark.parametrize("name", MODELS)
def test_a_model_has_the_fields_that_are_written(name: str) -> None:
    schema = SCHEMAS[name]
    fields = {field.alias or key: field for key, field in MODELS[name].model_fields.items()}
    assert set(schema["properties"]) == set(fields) | READ_BEFORE.get(name, set())
    if name in INPUT:
        required = {key for key, field in fields.items() if field.is_required()}
    else:  # a result leaves out what is absent, and nothing else
        required = {
            key
            for key, field in fields.items()
            if field.is_required() or field.get_default(call_default_factory=True) is not None
        }
    assert set(schema["required"]) == required
    assert (MODELS[name].model_config.get("extra") == "forbid") == (name in INPUT)
    assert (schema.get("additionalProperties") is False) == (name not in FROM_AGENTS)


def test_every_result_is_written() -> None:
    models = {
        value
        for value in vars(results).values()
        if isinstance(value, type) and issubclass(value, results.Result)
    }
    assert models - {results.Result} == {*RESULTS.values()}


def test_the_client_asks_for_all_that_is_written() -> None:
    fields = {field.name for field in dataclasses.fields(NewClip)} - {"more"}
    assert fields == set(SCHEMAS["BatchClip"]["properties"]) - set(messages.TO_METADATA)
    fields = {field.name for field in dataclasses.fields(NewReel)} - {"more"}
    assert fields == set(SCHEMAS["ReelRequest"]["properties"])


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (SCHEMAS["Mode"]["enum"], choices.Mode),
        (SCHEMAS["Kind"]["enum"], choices.Kind),
        (SCHEMAS["DownloadFile"]["enum"], choices.DownloadFile),
        (SCHEMAS["Transition"]["properties"]["type"]["enum"], choices.TransitionType),
        (SCHEMAS["PartProgress"]["properties"]["stage"]["enum"], choices.PartStage),
        (SCHEMAS["Quality"]["enum"], choices.Quality),
        (SCHEMAS["Priority"]["enum"], choices.Priority),
        (SCHEMAS["Output"]["properties"]["aspect"]["enum"], choices.Aspect),
        (SCHEMAS["Output"]["properties"]["fit"]["enum"], choices.Fit),
        (SCHEMAS["Output"]["properties"]["video_codec"]["enum"], choices.VideoCodec),
        (SCHEMAS["Output"]["properties"]["container"]["enum"], choices.ContainerName),
        (SCHEMAS["Status"]["enum"], choices.Status),
        (SCHEMAS["Event"]["properties"]["event"]["enum"], changes.Name),
        (SCHEMAS["FeedEvent"]["properties"]["event"]["enum"], changes.FeedName),
        (SCHEMAS["Failover"]["properties"]["state"]["enum"], results.FailoverState),
        (SCHEMAS["FailoverRequest"]["properties"]["mode"]["enum"], FailoverMode),
        (SCHEMAS["AgentStatus"]["properties"]["status"]["enum"], AgentStatus),
        (SCHEMAS["Period"]["enum"], choices.Period),
        (SCHEMAS["StatsTimeseries"]["properties"]["interval"]["enum"], choices.Interval),
        (SCHEMAS["AgentWord"]["enum"], results.AgentHealth),
        (SCHEMAS["ClipStatus"]["properties"]["stage"]["enum"], choices.Stage),
        (SCHEMAS["Interpolation"]["enum"], choices.Interpolation),
        (SCHEMAS["HighlightEffect"]["enum"], choices.HighlightEffect),
        (SCHEMAS["CaptionFormat"]["enum"], choices.CaptionFormat),
        (SCHEMAS["CaptionsMode"]["enum"], choices.CaptionsMode),
    ],
)
def test_the_words_are_the_same(written: list[str], meant: Any) -> None:
    assert written == list(get_args(meant))


def test_the_documented_events_are_those_that_there_are() -> None:
    page = (Path(package.__path__[0]).parent / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    table = re.search(r"\| event \| when \|\n\|---\|---\|\n((?:\|.*\n)+)", page)
    assert table is not None
    named = [name for line in table[1].splitlines() for name in re.findall(r"`(\w+)`", line.split("|")[1])]
    assert named == list(get_args(changes.Name))


def test_patterns_and_defaults_are_the_same() -> None:
    assert SCHEMAS["RequestId"]["pattern"] == messages.REQUEST_ID
    assert SCHEMAS["HandId"]["pattern"] == messages.HAND_ID
    assert SCHEMAS["Reason"]["pattern"] == text.PLAIN_TEXT
    upload = SCHEMAS["UploadRequest"]["properties"]
    assert upload["filename"]["pattern"] == text.PLAIN_TEXT
    assert upload["filename"]["maxLength"] == uploads.MAX_FILENAME
    assert upload["content_type"]["pattern"] == uploads.CONTENT_TYPE
    assert CONTRACT["components"]["parameters"]["ReelRequestId"]["schema"]["pattern"] == reel.REEL_ID
    for schema in ("ClipRequest", "ReelRequest", "ReelPart", "Transition"):
        for name, field in INPUT[schema].model_fields.items():
            written = SCHEMAS[schema]["properties"][name]
            if "default" in written:
                assert written["default"] == field.default


def test_the_limits_of_a_reel_are_the_same() -> None:
    part, request = SCHEMAS["ReelPart"]["properties"], SCHEMAS["ReelRequest"]["properties"]
    assert (request["clips"]["minItems"], request["clips"]["maxItems"]) == (1, reel.MAX_PARTS)
    assert part["tags"]["maxItems"] == reel_parts.MAX_TAGS
    assert SCHEMAS["Transition"]["properties"]["duration"]["maximum"] == reel_parts.MAX_TRANSITION_SECONDS
    assert part["hand_id"]["pattern"] == messages.HAND_ID


def test_the_limits_of_an_output_are_the_same() -> None:
    written = SCHEMAS["Output"]["properties"]
    for side in ("width", "height"):
        assert (written[side]["minimum"], written[side]["maximum"]) == (output.MIN_SIDE, output.MAX_SIDE)
    assert written["max_bytes"]["minimum"] == output.MIN_BYTES
    assert written["aspect"]["default"] == output.Output().aspect


@pytest.mark.parametrize("name", [name for name, model in INPUT.items() if issubclass(model, effects.Part)])
def test_the_defaults_of_effects_are_the_same(name: str) -> None:
    for key, field in INPUT[name].model_fields.items():
        written = SCHEMAS[name]["properties"][field.alias or key]
        assert written.get("default", field.default) == field.default or field.is_required()
        assert ("default" in written) == (not field.is_required() and field.default not in (None, ()))


def test_the_limits_of_effects_are_the_same() -> None:
    assert SCHEMAS["Coordinate"]["maximum"] == SCHEMAS["Length"]["maximum"] == effect_values.MAX_COORDINATE
    assert SCHEMAS["Framing"]["properties"]["keyframes"]["maxItems"] == effect_values.MAX_KEYFRAMES
    assert SCHEMAS["Overlay"]["properties"]["regions"]["maxItems"] == effect_values.MAX_REGIONS
    assert SCHEMAS["Effects"]["properties"]["segments"]["oneOf"][0]["maxItems"] == effect_values.MAX_SEGMENTS
    assert SCHEMAS["CropKeyframe"]["properties"]["frame"]["maximum"] == effect_values.MAX_TIME
    speed, title = SCHEMAS["SpeedSegment"]["properties"]["speed"], SCHEMAS["Title"]["properties"]
    assert (speed["minimum"], speed["maximum"]) == (effect_values.MIN_SPEED, effect_values.MAX_SPEED)
    assert title["name"]["maxLength"] == effect_values.MAX_NAME
    assert title["notes"]["maxLength"] == effect_values.MAX_NOTES
    assert SCHEMAS["Captions"]["properties"]["text"]["maxLength"] == caption_file.MAX_BYTES


def test_every_example_of_a_request_is_accepted() -> None:
    content = CONTRACT["paths"]["/v1/clip/request"]["post"]["requestBody"]["content"]["application/json"]
    for example in content["examples"].values():
        messages.parse_clip_request(example["value"], max_clip_seconds=600)
    content = CONTRACT["paths"]["/v1/reel/request"]["post"]["requestBody"]["content"]["application/json"]
    for example in content["examples"].values():
        reel.parse_reel_request(example["value"], max_reel_seconds=1800, max_clip_seconds=600)


def _examples(node: Any) -> list[tuple[Any, Any]]:
    """Every (schema, example) below a media type."""
    found: list[tuple[Any, Any]] = []
    if isinstance(node, dict):
        if "schema" in node:
            if "example" in node:
                found.append((node["schema"], node["example"]))
            found += [(node["schema"], each["value"]) for each in node.get("examples", {}).values()]
        for value in node.values():
            found += _examples(value)
    elif isinstance(node, list):
        for value in node:
            found += _examples(value)
    return found


def test_every_example_is_valid() -> None:
    examples = _examples({"paths": CONTRACT["paths"], "components": CONTRACT["components"]["responses"]})
    assert len(examples) >= 20
    for schema, example in examples:
        complete = {**schema, "components": CONTRACT["components"]}
        errors = list(OAS31Validator(complete).iter_errors(example))
        assert errors == [], f"{example}: {errors[0].message}"


def test_every_code_that_a_clip_can_fail_with_is_written() -> None:
    written = set(re.findall(r"`([A-Z_]{3,})`", SCHEMAS["ErrorInfo"]["properties"]["code"]["description"]))
    # An agent that has lost its lease says nothing.
    own = {error.code for error in (*_below(PermanentError), *_below(TransientError))} - {LeaseLost.code}
    assert written == own


def _below(kind: type[ClippingError]) -> set[type[ClippingError]]:
    direct = {each for each in kind.__subclasses__() if each.__module__ == kind.__module__}
    return direct.union(*(_below(each) for each in direct))


def test_every_error_has_the_one_shape() -> None:
    for path, item in CONTRACT["paths"].items():
        for method, operation in item.items():
            if method == "parameters":
                continue
            for status, response in operation["responses"].items():
                if int(status) < 400 or (path, status) == ("/health", "503"):
                    continue
                if "$ref" in response:
                    response = CONTRACT["components"]["responses"][response["$ref"].rpartition("/")[2]]
                schema = response["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Error"}, (path, method, status)
