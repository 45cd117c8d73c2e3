"""The doctor's findings about encoders: which work, on which GPUs, and what is used instead of the others."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from agent.checks.findings import Finding
from agent.cutting import find_ffmpeg
from agent.cutting.encode.encoder_trial import TRIAL_FRAMES, try_all
from agent.cutting.plan.encoder_choice import Trial
from agent.cutting.plan.encoder_refusals import Refused
from agent.cutting.plan.encoders import (
    CANDIDATES,
    CODECS,
    EncoderName,
    Wanted,
    families,
    family,
    on_gpu,
    render_node,
)
from clipping.config.agent import Cutting
from clipping.errors import EncoderFailed


def tried(ffmpeg: Path | None, cutting: Cutting, stop: threading.Event) -> list[Trial]:
    """The trials of the encoders that the agent would try."""
    try:
        program = find_ffmpeg(ffmpeg)
    except EncoderFailed:
        missing = Refused("absent", "ffmpeg is missing")
        return [Trial(name, refused=missing) for name in CANDIDATES]
    return try_all(program, cutting.encoder, cutting.gpus, stop)


def encoder_findings(wanted: Wanted, trials: Sequence[Trial]) -> list[Finding]:
    """Evaluates the trials: why an encoder is not used, and what is used instead. Pure."""
    return [_finding(name, wanted, trials) for name in CANDIDATES]


def _finding(name: EncoderName, wanted: Wanted, trials: Sequence[Trial]) -> Finding:
    label = f"encoder {name}"
    if family(name) not in families(wanted):
        return Finding(label, True, f"not tried: cutting.encoder is {wanted}")
    own = [trial for trial in trials if trial.encoder == name]
    working = [trial for trial in own if trial.works]
    left_out = [f"{_gpu(t)} is left out, because {t.refused.reason}" for t in own if t.refused]
    demanded = on_gpu(name) and wanted != "auto" and not _beyond_the_chip(name, trials)
    if working:
        how = [_how(trial) for trial in working]
        return Finding(label, not (demanded and left_out), "; ".join(how + left_out))
    instead, ok = _instead(name, trials)
    reasons = "; ".join(dict.fromkeys(_reason(trial, len(own)) for trial in own if trial.refused))
    return Finding(label, ok and not demanded, f"not used, because {reasons}; {instead}")


def _beyond_the_chip(name: EncoderName, trials: Sequence[Trial]) -> bool:
    """Whether it writes HEVC, and the GPU has an encoder, but none for that: nothing can be done about it."""
    own = [trial for trial in trials if trial.encoder == name]
    others = [trial for trial in trials if family(trial.encoder) == family(name) and trial.works]
    incapable = all(trial.refused is not None and trial.refused.kind == "no encoder" for trial in own)
    return CODECS[name] == "hevc" and bool(others) and incapable


def _instead(name: EncoderName, trials: Sequence[Trial]) -> tuple[str, bool]:
    """What is used instead, and whether clips can be made at all."""
    working = {trial.encoder for trial in trials if trial.works and CODECS[trial.encoder] == CODECS[name]}
    others = [other for other in CANDIDATES if other in working]
    if others:
        return f"{others[0]} is used instead", True
    if CODECS[name] == "hevc":
        return "clips in HEVC are refused", True
    return "nothing can be encoded", False


def _how(trial: Trial) -> str:
    text = f"encoded {TRIAL_FRAMES} frames"
    if trial.gpu is not None:
        text += f" on {_gpu(trial)}"
    if not trial.has_modes:
        return text
    which = [word for word, capped in (("with", True), ("without", False)) if not trial.suits(capped=capped)]
    limits = "".join(f"; clips {word} a limit of their bit rate are made by the CPU" for word in which)
    return f"{text} ({', '.join(mode.upper() for mode in trial.modes)}){limits}"


def _reason(trial: Trial, count: int) -> str:
    assert trial.refused is not None
    return trial.refused.reason if count < 2 else f"{_gpu(trial)}: {trial.refused.reason}"


def _gpu(trial: Trial) -> str:
    if trial.gpu is None:
        return "the GPU"
    if family(trial.encoder) == "nvenc":
        return f"GPU {trial.gpu}"
    return f"GPU {trial.gpu} ({render_node(trial.gpu)})"
