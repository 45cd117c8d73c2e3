"""The templates for Unraid and TrueNAS say the same as the compose files, in their own forms."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.container.dockerfile import instructions

FOLDER = Path(__file__).parents[3] / "deploy" / "container"
UNRAID = {"clipping-all.xml": "compose.yaml", "clipping-agent.xml": "compose.agent.yaml"}
"""Each template, and the compose file with the same container."""
ELEMENTS = {
    *("Name", "Repository", "Registry", "Network", "MyIP", "Shell", "Privileged", "Support", "Project"),
    *("Overview", "Category", "WebUI", "TemplateURL", "Icon", "ExtraParams", "PostArgs", "CPUset"),
    *("DonateText", "DonateLink", "Requires", "Config"),
}
"""What Unraid itself writes (postToXML in dynamix.docker.manager of github.com/unraid/webgui)."""
REQUIRED = {"Name", "Repository", "Network", "Privileged", "Overview", "Category", "Config"}
ATTRIBUTES = {"Name", "Target", "Default", "Mode", "Description", "Type", "Display", "Required", "Mask"}
VALUES = {
    "Type": {"Path", "Port", "Variable"},
    "Display": {"always", "advanced"},
    "Required": {"true", "false"},
    "Mask": {"true", "false"},
}
MODES = {"Path": {"ro", "rw"}, "Port": {"tcp", "udp"}, "Variable": {""}}


def service(name: str) -> dict[str, Any]:
    """The only service of a compose file."""
    (found,) = yaml.safe_load((FOLDER / name).read_text())["services"].values()
    assert isinstance(found, dict)
    return found


def template(name: str) -> ET.Element:
    return ET.parse(FOLDER / "unraid" / name).getroot()


def text(root: ET.Element, name: str) -> str:
    return root.findtext(name) or ""


def configs(name: str, kind: str) -> dict[str, ET.Element]:
    """The settings of a kind, by what they are in the container."""
    return {
        each.attrib["Target"]: each for each in template(name).findall("Config") if each.get("Type") == kind
    }


def mounts(compose: str) -> dict[str, str]:
    """The mode of each mount in the container."""
    found = {}
    for mount in service(compose)["volumes"]:
        parts = re.sub(r"\$\{[^}]*\}", "HOST", mount).split(":")
        found[parts[1]] = parts[2] if len(parts) == 3 else "rw"
    return found


@pytest.mark.parametrize("name", UNRAID)
def test_an_unraid_template_has_the_form_that_unraid_writes(name: str) -> None:
    root = template(name)
    assert (root.tag, root.attrib) == ("Container", {"version": "2"})
    assert {each.tag for each in root} <= ELEMENTS
    assert all(root.find(each) is not None for each in REQUIRED)
    assert text(root, "Privileged") == "false"
    for config in root.findall("Config"):
        assert set(config.attrib) == ATTRIBUTES
        assert all(config.attrib[key] in values for key, values in VALUES.items()), config.attrib
        assert config.attrib["Mode"] in MODES[config.attrib["Type"]], config.attrib
        # Unraid passes an empty variable to the container.
        assert config.text == config.attrib["Default"] != ""
    names = [config.attrib["Name"] for config in root.findall("Config")]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("name", "compose"), UNRAID.items())
def test_an_unraid_template_configures_what_the_compose_file_does(name: str, compose: str) -> None:
    expected = service(compose)
    image = (
        expected["image"].replace("${CLIPPING_REGISTRY:-}", "").replace("${CLIPPING_VERSION:-0.1.0}", "0.1.0")
    )
    assert text(template(name), "Repository") == image
    assert {path: each.attrib["Mode"] for path, each in configs(name, "Path").items()} == mounts(compose)
    assert set(configs(name, "Port")) == {port.rpartition(":")[2] for port in expected["ports"]}
    assert set(configs(name, "Variable")) == set(expected["environment"]) - {"TZ"}, "Unraid sets TZ itself"
    for variable, value in expected["environment"].items():
        if "$" not in value and variable != "TZ":
            assert configs(name, "Variable")[variable].attrib["Default"] == value


@pytest.mark.parametrize(("name", "compose"), UNRAID.items())
def test_an_unraid_template_has_the_same_restrictions(name: str, compose: str) -> None:
    expected = service(compose)
    assert expected["read_only"] is True
    words = ["--read-only"]
    for key in ("tmpfs", "cap_drop", "cap_add", "security_opt"):
        words += [word for value in expected[key] for word in (f"--{key.replace('_', '-')}", value)]
    words += ["--stop-timeout", expected["stop_grace_period"].removesuffix("s")]
    assert shlex.split(text(template(name), "ExtraParams")) == words


@pytest.mark.parametrize("name", UNRAID)
def test_an_unraid_template_runs_as_the_usual_user_and_names_the_port_of_its_page(name: str) -> None:
    variables = configs(name, "Variable")
    assert (variables["PUID"].text, variables["PGID"].text) == ("99", "100")
    (port,) = re.findall(r"\[PORT:(\d+)\]", text(template(name), "WebUI"))
    assert port in configs(name, "Port")


@pytest.mark.parametrize("name", UNRAID)
def test_an_unraid_template_has_the_port_and_the_volume_of_its_image(name: str) -> None:
    target = text(template(name), "Repository").partition(":")[0].removeprefix("clipping-")
    assert list(configs(name, "Port")) == instructions(target, "EXPOSE")
    (volume,) = instructions(target, "VOLUME")
    assert configs(name, "Path")[volume].attrib["Mode"] == "rw"
    assert [path for path, each in configs(name, "Path").items() if each.attrib["Mode"] == "rw"] == [volume]


def test_the_truenas_file_differs_from_the_compose_file_in_the_user_alone() -> None:
    ours, expected = service("truenas.yaml"), service("compose.yaml")
    # A user from the start; an image that is in no registry; TrueNAS names containers itself.
    assert set(ours) - set(expected) == {"user", "pull_policy"}
    assert set(expected) - set(ours) == {"container_name", "cap_add"}
    assert set(expected["environment"]) - set(ours["environment"]) == {"PUID", "PGID"}
    assert (ours["user"], ours["pull_policy"]) == ("568:568", "never")
    assert mounts("truenas.yaml") == mounts("compose.yaml")
    assert ours["image"] == "clipping-all:0.1.0"
    for key in ("read_only", "tmpfs", "cap_drop", "security_opt", "stop_grace_period", "restart", "logging"):
        assert ours[key] == expected[key], key


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed")
def test_the_truenas_file_is_a_compose_file() -> None:
    done = subprocess.run(
        ["docker-compose", "--file", str(FOLDER / "truenas.yaml"), "config"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(done.stdout)["services"]["clipping"]["user"] == "568:568"


def test_every_file_names_the_version_of_images_env() -> None:
    (version,) = re.findall(r"^CLIPPING_VERSION=(.+)$", (FOLDER / "images.env").read_text(), re.MULTILINE)
    for path in [*FOLDER.rglob("*.y*ml"), *FOLDER.rglob("*.xml"), FOLDER / ".env.example"]:
        named = re.findall(
            r"clipping-(?:agent|all|api):(?:\$\{CLIPPING_VERSION:-)?(\d[\w.]*)|^CLIPPING_VERSION=(.+)$",
            path.read_text(),
            re.MULTILINE,
        )
        assert named, path
        assert {one or other for one, other in named} == {version}, path
