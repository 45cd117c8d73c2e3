"""Whether the API answers to browsers that get the console from this agent."""

from __future__ import annotations

import json

import requests

from clipping.errors import ConfigurationError

SECONDS = 5.0
MAX_BODY_BYTES = 64 * 1024
NAME = "Clipping API"
"""What the API calls itself at `/`."""


def check_api(api_url: str, page: str) -> str:
    """`page`: the origin at which browsers find this agent. Raises `ConfigurationError`."""
    with requests.Session() as session:
        session.trust_env = False
        try:
            _check_name(session, api_url)
            asked = {
                "Origin": page,
                "Access-Control-Request-Method": "GET",
                "Access-Control-Request-Headers": "authorization",
            }
            with session.options(
                f"{api_url}/v1/events", headers=asked, timeout=SECONDS, stream=True, allow_redirects=False
            ) as answer:
                allowed = answer.headers.get("Access-Control-Allow-Origin")
        except requests.RequestException as error:
            raise ConfigurationError(
                [f"preview.api_url: {api_url} does not answer ({type(error).__name__})"]
            ) from None
    if allowed != page:
        raise ConfigurationError(
            [
                f"preview.api_url: the API at {api_url} refuses pages of {page}, where browsers find this "
                "agent: add that to api.cors_origins there, or set health.advertise_url here"
            ]
        )
    return f"{api_url} answers, and pages of {page} may call it"


def _check_name(session: requests.Session, api_url: str) -> None:
    with session.get(
        f"{api_url}/",
        headers={"Accept": "application/json"},
        timeout=SECONDS,
        stream=True,
        allow_redirects=False,
    ) as answer:
        body = answer.raw.read(MAX_BODY_BYTES, decode_content=True)
    try:
        name = json.loads(body).get("name")
    except (ValueError, AttributeError):
        name = None
    if name != NAME:
        raise ConfigurationError(
            [f"preview.api_url: what answers at {api_url} is not the API ({answer.status_code})"]
        )
