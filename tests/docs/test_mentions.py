"""What the pages mention exists: commands, options, keys, codes, metrics, events, modules and files."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest
import yaml

from clipping.config import validate
from tests.docs import cli, configuration, errors, events, metrics
from tests.docs.pages import blocks, codes, pages, text
from tests.docs.tables import DOCS, ROOT

HISTORY = {ROOT / "CHANGELOG.md", DOCS / "how-to" / "migrate-web-ui-and-dashboard.md"}
"""Pages that also name what was there before."""
PAGES = [page for page in pages() if page not in HISTORY and "decisions" not in page.parts]
SECTIONS = "agent|pubsub|storage|health|ha|cutting|api|limits|log"
NOT_CODES = re.compile(
    r"(AWS|CLIPPING|GOOGLE|PUBSUB|PROMETHEUS|CLOCK)_\w+|WEB_CONCURRENCY|ADMIN_KEY|PROJECT_NUMBER"
)
METRIC_PARTS = ("_bucket", "_sum", "_count")
FOLDERS = "scripts|deploy|tests|bench|clipping|agent|api|health|embedded|requirements"


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="module")
def known_commands() -> dict[str, set[str]]:
    """The options of each command."""
    found = {}
    for parser in cli.parsers():
        found[parser.prog] = {"--help", "--version"}
        for command, _, sub in cli.commands(parser):
            found[f"{parser.prog} {command}"] = cli.options(sub)
    return found


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_and_their_options_exist(page: Path, known_commands: dict[str, set[str]]) -> None:
    for code in codes(page):
        found = re.match(r"(?:sudo )?(clipping(?:-agent|-api)?) ([a-z][a-z-]*)", code)
        if found is None:
            continue
        command = f"{found[1]} {found[2]}"
        assert command in known_commands, f"there is no `{command}`: {code}"
        for option in re.findall(r"(?<=\s)--[a-z-]+", code):
            assert option in known_commands[command], f"`{command}` has no {option}: {code}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_configuration_keys_exist(page: Path) -> None:
    known = configuration.all_paths()
    known |= {event for package in events.PARTS for event in events.events(package)}
    for code in codes(page):
        found = re.fullmatch(rf"((?:{SECTIONS})\.[a-z_.]+[a-z_])(?:: .*)?", code)
        if found is not None and not code.endswith((".py", ".txt")):
            assert found[1] in known, f"there is no key {found[1]}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_overrides_name_keys(page: Path) -> None:
    for section, key in re.findall(r"CLIPPING_([A-Z]+)__([A-Z_]+)", text(page) + blocks(page)):
        path = ".".join([section, *key.split("__")]).lower()
        assert path == "section.key" or path in configuration.all_paths(), path


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_error_codes_exist(page: Path) -> None:
    known = errors.all_codes()
    for code in codes(page):
        if re.fullmatch(r"[A-Z]+(_[A-Z]+)+", code) and not NOT_CODES.fullmatch(code):
            assert code in known, f"there is no error {code}"


@pytest.fixture(scope="module")
def known_metrics() -> set[str]:
    found = {each.name for each in (*metrics.of_agent(), *metrics.of_api())}
    return found | {each + part for each in found for part in METRIC_PARTS}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_metrics_exist(page: Path, known_metrics: set[str]) -> None:
    for code in codes(page):
        for metric in re.findall(r"\bclipping_[a-z0-9_]+", code):
            assert metric in known_metrics, f"there is no metric {metric}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_modules_and_files_exist(page: Path) -> None:
    for code in codes(page):
        for module in re.findall(r"python3? -m ((?:bench|tests|embedded)[\w.]*)", code):
            path = ROOT / module.replace(".", "/")
            assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module
        if re.fullmatch(rf"(\./)?({FOLDERS})/[\w./-]*", code):
            assert (ROOT / code).exists(), f"there is no {code}"


def test_the_api_page_lists_every_route() -> None:
    routes = re.findall(r"^  (/\S*):$", (ROOT / "openapi.yaml").read_text(encoding="utf-8"), re.M)
    page = (DOCS / "reference" / "api.md").read_text(encoding="utf-8")
    for route in routes:
        assert re.search(rf"(GET|POST|PUT) {re.escape(route)}`", page), f"{route} is not listed"


def blocks_of(language: str) -> list[tuple[Path, str]]:
    return [
        (page, block)
        for page in PAGES
        for block in re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    ]


def test_configurations_are_valid() -> None:
    assert blocks_of("yaml")
    for page, block in blocks_of("yaml"):
        assert validate(yaml.safe_load(block)), page


def test_programs_compile_and_import_what_exists() -> None:
    assert blocks_of("python")
    for page, block in blocks_of("python"):
        for node in ast.walk(ast.parse(block, str(page))):
            if isinstance(node, ast.ImportFrom):
                assert node.module is not None
                module = importlib.import_module(node.module)
                assert all(hasattr(module, alias.name) for alias in node.names), ast.unparse(node)
