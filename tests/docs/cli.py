"""docs/reference/cli.md: the commands, from their parsers."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from agent.commands.parser import _parser as agent_parser
from api.process.commands import _parser as api_parser
from clipping.cli import all_commands, parser_of
from tests.docs.tables import code, table

HEAD = """# Command line

Generated from the programs by `scripts/reference`. `--help` prints the same.

`clipping` calls a service: at `CLIPPING_URL` with the key in `CLIPPING_KEY`, or with `--url` and `--key`.
`clipping-agent` runs on the NAS, `clipping-api` runs the API. Exit codes: 0 success, 1 failure, 2 usage, 78
configuration, 130 and 143 ended by SIGINT and SIGTERM ([exit codes](../how-to/operate.md#exit-codes)).
"""


def parsers() -> list[argparse.ArgumentParser]:
    """Those of our programs."""
    return [parser_of(all_commands()), agent_parser(), api_parser()]


def commands(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """Name, help and parser of each command of a program."""
    subs = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    helps = {choice.dest: choice.help or "" for choice in subs._choices_actions}
    for name in sorted(subs.choices):
        yield name, helps.get(name, ""), subs.choices[name]


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for parser in parsers():
        parts.append(f"## `{parser.prog}`\n\n{_sentence(parser.description or '')}\n")
        for name, help_text, command in commands(parser):
            parts.append(_command(f"{parser.prog} {name}", help_text, command))
    return "\n".join(parts)


def options(command: argparse.ArgumentParser) -> set[str]:
    """The options that a command knows."""
    return {option for action in command._actions for option in action.option_strings}


def _command(name: str, help_text: str, command: argparse.ArgumentParser) -> str:
    actions = [
        action
        for action in command._actions
        if not isinstance(action, argparse._HelpAction) and action.help != argparse.SUPPRESS
    ]
    positional = " ".join(_shown(action) for action in actions if not action.option_strings)
    usage = " ".join(part for part in (name, "[options]" if _optional(actions) else "", positional) if part)
    required = [f"{action.option_strings[-1]} {_shown(action)}" for action in actions if _needed(action)]
    lines = [f"### `{name}`", "", _sentence(help_text or command.description or ""), ""]
    lines += ["```", " ".join([usage, *required]), "```", ""]
    if actions:
        lines.append(
            table(["argument", "meaning"], [(_name(action), _meaning(action)) for action in actions])
        )
    return "\n".join(lines).rstrip() + "\n"


def _optional(actions: list[argparse.Action]) -> bool:
    return any(action.option_strings and not action.required for action in actions)


def _needed(action: argparse.Action) -> bool:
    return bool(action.option_strings) and action.required


def _shown(action: argparse.Action) -> str:
    if isinstance(action.metavar, tuple):
        return " ".join(action.metavar)
    name = action.metavar or (action.dest.upper() if action.choices is None else "|".join(action.choices))
    if action.nargs == "+":
        return f"{name} [{name} ...]"
    return name


def _name(action: argparse.Action) -> str:
    if not action.option_strings:
        return code(_shown(action))
    value = "" if action.nargs == 0 else f" {_shown(action)}"
    return ", ".join(code(option + value) for option in action.option_strings)


def _meaning(action: argparse.Action) -> str:
    text = (action.help or "") % {**vars(action), "prog": ""}
    if "default" not in text and action.default not in (None, False, argparse.SUPPRESS, []):
        text = "; ".join(part for part in (text, f"default: {action.default}") if part)
    return text


def _sentence(text: str) -> str:
    """With a capital and a full stop."""
    text = re.sub(r"\s+", " ", text.split("\n\n")[0]).strip()
    return f"{text[:1].upper()}{text[1:]}".rstrip(".") + "." if text else ""
