"""Chooses the encoder and the GPU for a clip from what the test encodes found. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.cutting.plan.encoder_refusals import Refused
from agent.cutting.plan.encoders import (
    CANDIDATES,
    CODECS,
    CPU,
    Card,
    Choice,
    EncoderName,
    Family,
    RateMode,
    Wanted,
    card,
    families,
    family,
)
from clipping.contract.cluster import EncoderProbe

MODES: tuple[RateMode, ...] = ("icq", "vbr", "cqp")
"""In the order in which they are tried."""
_HAVE_MODES: frozenset[Family] = frozenset({"qsv", "vaapi"})


@dataclass(frozen=True)
class Trial:
    """What came of the test encodes of one encoder on one GPU."""

    encoder: EncoderName
    gpu: int | None = None
    """None: on the CPU, or no GPU was found to try it on."""
    modes: tuple[RateMode, ...] = ()
    """Those that work, of an encoder that has several."""
    refused: Refused | None = None
    """Why it is not used; None when it works."""

    @property
    def works(self) -> bool:
        """Whether it can be used."""
        return self.refused is None

    @property
    def has_modes(self) -> bool:
        """Whether its rate mode depends on the clip."""
        return family(self.encoder) in _HAVE_MODES

    def mode(self, *, capped: bool) -> RateMode | None:
        """The mode for a clip; None where it has none that will do."""
        wanted: tuple[RateMode, ...] = ("vbr",) if capped else ("icq", "cqp")
        return next((mode for mode in wanted if mode in self.modes), None)

    def suits(self, *, capped: bool) -> bool:
        """Whether a clip can be made with it. `capped`: its bit rate has a limit."""
        return self.works and (not self.has_modes or self.mode(capped=capped) is not None)


@dataclass(frozen=True)
class Unusable:
    """No encoder here makes the clip."""

    reason: str


def choose(
    trials: Sequence[Trial],
    wanted: Wanted,
    codec: str,
    *,
    capped: bool,
    busy: Mapping[Card, int],
    sessions: int,
) -> Choice | Unusable:
    """The encoder for a clip: of the best kind that is free, on the GPU with the fewest encodes.

    `busy`: the encodes that each GPU works on; `sessions`: how many one may. The choice warns where a kind
    that was asked for is not used.
    """
    reason: str | None = None
    for kind in families(wanted):
        if kind == "cpu":
            continue
        found = [t for t in trials if family(t.encoder) == kind and CODECS[t.encoder] == codec]
        usable = [t for t in found if t.gpu is not None and t.suits(capped=capped)]
        free = [t for t in usable if _encodes(t, busy) < sessions]
        if free:
            least = min(free, key=lambda t: _encodes(t, busy))
            mode = least.mode(capped=capped) if least.has_modes else None
            return Choice(least.encoder, (), mode, least.gpu)
        if found:
            reason = f"{found[0].encoder} is not used, because {_why_not(found, usable, capped=capped)}"
    return _on_cpu(trials, codec, reason if wanted != "auto" else None)


def report(trials: Sequence[Trial], wanted: Wanted) -> tuple[EncoderProbe, ...]:
    """Every encoder, and why it can't be used; nothing before the trials."""
    return tuple(_probed(name, trials, wanted) for name in CANDIDATES) if trials else ()


def _probed(name: EncoderName, trials: Sequence[Trial], wanted: Wanted) -> EncoderProbe:
    if family(name) not in families(wanted):
        return EncoderProbe(name=name, usable=False, reason=f"not tried: cutting.encoder is {wanted}")
    own = [trial for trial in trials if trial.encoder == name]
    usable = any(trial.works for trial in own)
    refused = [trial for trial in own if trial.refused]
    reasons = [
        trial.refused.reason
        if trial.gpu is None or len(own) < 2
        else f"GPU {trial.gpu}: {trial.refused.reason}"
        for trial in refused
        if trial.refused
    ]
    return EncoderProbe(name=name, usable=usable, reason="; ".join(dict.fromkeys(reasons)))


def same(trials: Sequence[Trial], encoder: EncoderName, gpu: int | None, *, capped: bool) -> Choice:
    """The same encoder again, for frames that must fit those it has made."""
    found = next((t for t in trials if (t.encoder, t.gpu) == (encoder, gpu)), None)
    mode = found.mode(capped=capped) if found is not None and found.has_modes else None
    return Choice(encoder, (), mode, gpu)


def _encodes(trial: Trial, busy: Mapping[Card, int]) -> int:
    assert trial.gpu is not None
    return busy.get(card(trial.encoder, trial.gpu), 0)


def _why_not(found: Sequence[Trial], usable: Sequence[Trial], *, capped: bool) -> str:
    if usable:
        return "all its sessions are taken"
    if any(trial.works for trial in found):
        what = "a limit of the bit rate, which this clip has" if capped else "constant quality"
        return f"the GPU's driver can't encode with {what}"
    return "; ".join(dict.fromkeys(trial.refused.reason for trial in found if trial.refused))


def _on_cpu(trials: Sequence[Trial], codec: str, reason: str | None) -> Choice | Unusable:
    encoder = CPU[codec]
    refused = next((trial.refused for trial in trials if trial.encoder == encoder), None)
    if refused is not None:
        return Unusable(f"{encoder} can't be used, because {refused.reason}")
    return Choice(encoder, (f"{reason}: the clip was made by {encoder}",) if reason is not None else ())
