"""Which encoder and which GPU a clip gets."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.cutting.plan.encoder_choice import MODES, Trial, Unusable, choose, report, same
from agent.cutting.plan.encoder_refusals import Refused
from agent.cutting.plan.encoders import (
    CANDIDATES,
    CODECS,
    Card,
    Choice,
    EncoderName,
    RateMode,
    Wanted,
    card,
    families,
    family,
)

OLD = Refused("driver too old", "the NVIDIA driver is too old")
GONE = Refused("absent", "this ffmpeg was built without it")
CPU_WORKS = (Trial("libx264"), Trial("libx265"))


def choice_of(
    *trials: Trial,
    wanted: Wanted = "auto",
    codec: str = "h264",
    capped: bool = False,
    busy: dict[Card, int] | None = None,
    sessions: int = 3,
) -> Choice | Unusable:
    return choose([*trials, *CPU_WORKS], wanted, codec, capped=capped, busy=busy or {}, sessions=sessions)


@pytest.mark.parametrize(
    ("modes", "free", "capped"),
    [
        (MODES, "icq", "vbr"),
        (("icq", "vbr"), "icq", "vbr"),
        (("vbr", "cqp"), "cqp", "vbr"),
        (("cqp",), "cqp", None),
        (("icq",), "icq", None),
        (("vbr",), None, "vbr"),
    ],
)
def test_the_rate_mode_suits_the_clip(
    modes: tuple[RateMode, ...], free: RateMode | None, capped: RateMode | None
) -> None:
    trial = Trial("h264_vaapi", 0, modes)
    for limited, mode in ((False, free), (True, capped)):
        chosen = choice_of(trial, capped=limited)
        expected = Choice("libx264") if mode is None else Choice("h264_vaapi", (), mode, 0)
        assert chosen == expected


def test_a_clip_with_a_limit_is_moved_to_the_cpu_with_a_warning_only_if_the_encoder_was_demanded() -> None:
    trial = Trial("h264_qsv", 0, ("cqp",))
    assert choice_of(trial, capped=True) == Choice("libx264")
    chosen = choice_of(trial, capped=True, wanted="qsv")
    assert isinstance(chosen, Choice)
    (warning,) = chosen.warnings
    assert warning == (
        "h264_qsv is not used, because the GPU's driver can't encode with a limit of the bit rate, which "
        "this clip has: the clip was made by libx264"
    )


def test_the_next_kind_is_used_where_the_best_is_full() -> None:
    nvidia, intel = Trial("h264_nvenc", 0), Trial("h264_qsv", 0, MODES)
    busy: dict[Card, int] = {("nvidia", 0): 2}
    assert choice_of(nvidia, intel, busy=busy, sessions=3) == Choice("h264_nvenc", gpu=0)
    assert choice_of(nvidia, intel, busy=busy, sessions=2) == Choice("h264_qsv", (), "icq", 0)
    busy[("dri", 0)] = 2
    assert choice_of(nvidia, intel, busy=busy, sessions=2) == Choice("libx264")
    full = choice_of(nvidia, intel, busy=busy, sessions=2, wanted="nvenc")
    assert full == Choice(
        "libx264",
        ("h264_nvenc is not used, because all its sessions are taken: the clip was made by libx264",),
    )


def test_a_gpu_that_fails_is_left_out() -> None:
    trials = (Trial("h264_nvenc", 0, (), OLD), Trial("h264_nvenc", 1))
    assert choice_of(*trials, wanted="nvenc") == Choice("h264_nvenc", gpu=1)


def test_hevc_has_no_warning_where_the_demanded_kind_has_none() -> None:
    assert choice_of(Trial("h264_nvenc", 0, (), OLD), wanted="nvenc", codec="hevc") == Choice("libx265")


def test_nothing_is_made_without_an_encoder() -> None:
    refused = [Trial("h264_nvenc", 0, (), OLD), Trial("libx264", refused=GONE)]
    chosen = choose(refused, "auto", "h264", capped=False, busy={}, sessions=3)
    assert chosen == Unusable("libx264 can't be used, because this ffmpeg was built without it")


def test_more_frames_for_a_clip_are_made_by_its_encoder() -> None:
    trials = [Trial("h264_vaapi", 1, ("vbr", "cqp")), *CPU_WORKS]
    assert same(trials, "h264_vaapi", 1, capped=True) == Choice("h264_vaapi", (), "vbr", 1)
    assert same(trials, "h264_vaapi", 1, capped=False) == Choice("h264_vaapi", (), "cqp", 1)
    assert same(trials, "libx264", None, capped=True) == Choice("libx264")
    assert same([], "h264_nvenc", 0, capped=True) == Choice("h264_nvenc", gpu=0)


MODES_OF_A_CHIP = st.lists(st.sampled_from(MODES), unique=True, min_size=1).map(tuple)


def trials_of(encoder: EncoderName) -> st.SearchStrategy[Trial]:
    numbers = st.integers(0, 3)
    modes = MODES_OF_A_CHIP if family(encoder) in ("qsv", "vaapi") else st.just(())
    works = st.builds(Trial, st.just(encoder), numbers, modes)
    return works | st.builds(Trial, st.just(encoder), numbers, st.just(()), st.just(OLD))


TRIALS = st.lists(
    st.sampled_from([name for name in CANDIDATES if family(name) != "cpu"]).flatmap(trials_of),
    unique_by=lambda trial: (trial.encoder, trial.gpu),
)
WANTED: st.SearchStrategy[Wanted] = st.sampled_from(["auto", "nvenc", "qsv", "vaapi", "cpu"])


@settings(max_examples=50)
@given(
    trials=TRIALS,
    wanted=WANTED,
    clips=st.lists(st.tuples(st.sampled_from(["h264", "hevc"]), st.booleans()), max_size=20),
    sessions=st.integers(1, 3),
)
def test_clips_are_spread_over_the_gpus(
    trials: list[Trial], wanted: Wanted, clips: list[tuple[str, bool]], sessions: int
) -> None:
    busy: Counter[Card] = Counter()
    for codec, capped in clips:
        before = dict(busy)
        chosen = choice_of(*trials, wanted=wanted, codec=codec, capped=capped, busy=before, sessions=sessions)
        assert isinstance(chosen, Choice)
        assert CODECS[chosen.encoder] == codec
        assert family(chosen.encoder) in families(wanted)
        usable = [
            t
            for t in trials
            if CODECS[t.encoder] == codec and family(t.encoder) in families(wanted) and t.suits(capped=capped)
        ]
        free = [t for t in usable if before.get(card(t.encoder, t.gpu or 0), 0) < sessions]
        if chosen.gpu is None:
            assert not free
            assert bool(chosen.warnings) <= (wanted not in ("auto", "cpu"))
            continue
        assert (chosen.encoder, chosen.gpu) in [(t.encoder, t.gpu) for t in free]
        best = min(families(wanted).index(family(t.encoder)) for t in free)
        assert families(wanted).index(family(chosen.encoder)) == best
        same_kind = [t for t in free if t.encoder == chosen.encoder]
        least = min(before.get(card(t.encoder, t.gpu or 0), 0) for t in same_kind)
        assert before.get(card(chosen.encoder, chosen.gpu), 0) == least
        assert (chosen.mode == "vbr") == (capped and family(chosen.encoder) != "nvenc")
        busy[card(chosen.encoder, chosen.gpu)] += 1
    assert all(count <= sessions for count in busy.values())


@given(cards=st.integers(1, 4), sessions=st.integers(1, 4))
def test_equal_gpus_work_on_equally_many_clips(cards: int, sessions: int) -> None:
    trials = [Trial("h264_nvenc", gpu) for gpu in range(cards)]
    busy: Counter[Card] = Counter()
    for _ in range(cards * sessions):
        chosen = choice_of(*trials, busy=busy, sessions=sessions)
        assert isinstance(chosen, Choice)
        assert chosen.gpu is not None
        busy[("nvidia", chosen.gpu)] += 1
        counts = sorted(busy[("nvidia", gpu)] for gpu in range(cards))
        assert counts[-1] - counts[0] <= 1
    assert all(one == other for one, other in pairwise(busy.values()))
    assert choice_of(*trials, busy=busy, sessions=sessions) == Choice("libx264")


def test_every_encoder_is_reported_with_the_reason_why_it_is_not_used() -> None:
    trials = [Trial("h264_nvenc", 0, (), OLD), Trial("h264_nvenc", 1), *CPU_WORKS]
    found = {each.name: (each.usable, each.reason) for each in report(trials, "nvenc")}
    assert found["h264_nvenc"] == (True, f"GPU 0: {OLD.reason}")
    assert found["libx264"] == (True, "")
    assert found["hevc_vaapi"] == (False, "not tried: cutting.encoder is nvenc")
    assert report([Trial("libx264", refused=GONE)], "cpu")[-2].reason == GONE.reason
    assert report((), "auto") == ()
