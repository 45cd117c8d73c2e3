"""The console's files: what is served, with which headers, and that they load nothing from elsewhere."""

from __future__ import annotations

import configparser
import gzip
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest
import requests

from console import STATIC
from tests.api.api_process import ApiProcess

FILES = sorted(path.name for path in STATIC.iterdir())
SCRIPTS = [name for name in FILES if name.endswith(".js")]
MOST_BYTES = 150_000
"""Of the first view, compressed."""


def test_the_page_and_its_files_are_served_without_a_key(api: ApiProcess) -> None:
    page = requests.get(f"{api.url}/console/", timeout=30)
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    for name in FILES:
        answer = requests.get(f"{api.url}/console/{name}", timeout=30)
        assert (answer.status_code, answer.content) == (200, (STATIC / name).read_bytes()), name
    moved = requests.get(f"{api.url}/console", timeout=30, allow_redirects=False)
    assert (moved.status_code, moved.headers["Location"]) == (308, f"{api.url}/console/")


def test_every_answer_has_the_strict_policy(api: ApiProcess) -> None:
    for name in ("", *FILES):
        headers = requests.get(f"{api.url}/console/{name}", timeout=30).headers
        policy = headers["Content-Security-Policy"]
        rules = dict(each.strip().split(" ", 1) for each in policy.split(";"))
        assert rules["default-src"] == "'none'"
        assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
        assert rules["require-trusted-types-for"] == "'script'"
        assert rules["frame-ancestors"] == rules["base-uri"] == rules["form-action"] == "'none'"
        assert "unsafe" not in policy
        assert "http" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"


def test_files_are_compressed_and_sent_once(api: ApiProcess) -> None:
    plain = requests.get(f"{api.url}/console/app.js", headers={"Accept-Encoding": "identity"}, timeout=30)
    small = requests.get(f"{api.url}/console/app.js", headers={"Accept-Encoding": "gzip"}, timeout=30)
    assert "Content-Encoding" not in plain.headers
    assert small.headers["Content-Encoding"] == "gzip"
    assert small.content == plain.content
    assert int(small.headers["Content-Length"]) < len(plain.content) / 2
    assert {"Accept-Encoding"} <= {each.strip() for each in small.headers["Vary"].split(",")}
    again = {"Accept-Encoding": "gzip", "If-None-Match": small.headers["ETag"]}
    kept = requests.get(f"{api.url}/console/app.js", headers=again, timeout=30)
    assert (kept.status_code, kept.content) == (304, b"")
    assert "script-src" in kept.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "name", ["__init__.py", "..%2f__init__.py", "%2e%2e/__init__.py", "nothing.js", "a/b.js", "."]
)
def test_nothing_else_is_served(api: ApiProcess, name: str) -> None:
    with requests.Session() as session:
        sent = session.prepare_request(requests.Request("GET", f"{api.url}/console/x"))
        sent.url = f"{api.url}/console/{name}"
        answer = session.send(sent, timeout=30, allow_redirects=False)
    assert answer.status_code == 404


def test_browsers_are_led_from_the_root_to_the_console(api: ApiProcess) -> None:
    accept = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    root = requests.get(f"{api.url}/", headers=accept, timeout=30, allow_redirects=False)
    assert (root.status_code, root.headers["Location"]) == (302, "/console/")


def test_the_page_names_only_files_that_are_there() -> None:
    page = (STATIC / "index.html").read_text()
    named = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert "app.js" in named
    assert set(named) <= set(FILES)
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page)
    for name in SCRIPTS:
        imported = re.findall(r'from "\./([^"]+)"', (STATIC / name).read_text())
        assert set(imported) <= set(FILES), name


def test_nothing_is_parsed_as_html_or_code_and_nothing_comes_from_elsewhere() -> None:
    parses = r"(inner|outer)HTML|AdjacentHTML|document\.write|DOMParser|\beval\(|new Function|\.cookie"
    for name in FILES:
        text = (STATIC / name).read_text()
        assert not re.search(parses, text), name
        assert set(re.findall(r"https?://[^\s\"'`)]+", text)) <= {"http://www.w3.org/2000/svg"}, name


def first_view() -> set[str]:
    """The page and what it loads by itself: not what screens load once opened, nor other languages."""
    found, names = {"index.html"}, ["index.html"]
    while names:
        text = (STATIC / names.pop()).read_text()
        loaded = re.findall(r'(?:href|src|from|import)[= ]"(?:\./)?([^"#]+)"', text)
        names += [name for name in loaded if name in FILES and name not in found]
        found.update(names)
    return found


def test_the_first_view_is_small() -> None:
    names = first_view()
    assert {"app.js", "player.js", "console.css", "icon.svg"} <= names
    assert not names & {"agents.js", "reels.js", "korean.js"}
    sizes = {name: len(gzip.compress((STATIC / name).read_bytes(), mtime=0)) for name in names}
    assert sum(sizes.values()) < MOST_BYTES, sizes


def test_the_package_contains_every_file() -> None:
    root = Path(__file__).parents[2]
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(root / "setup.cfg", encoding="utf-8")
    patterns = setup["options.package_data"]["console"].split(",")
    for name in FILES:
        assert any(fnmatch(f"static/{name}", each.strip()) for each in patterns), name
    assert "console" in setup["options.packages.find"]["include"].split()
