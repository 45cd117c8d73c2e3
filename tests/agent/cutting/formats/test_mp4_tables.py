"""Sample tables, compared with the same numbers sample by sample."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.cutting.formats.mp4_tables import SampleTable
from tests.support.sample_tables import Samples


@st.composite
def samples(draw: st.DrawFn) -> Samples:
    """Tables in every form that a file may have them in."""
    chunks = draw(st.lists(st.integers(1, 4), min_size=1, max_size=8))
    count = sum(chunks)

    def drawn(low: int, high: int) -> list[int]:
        return draw(st.lists(st.integers(low, high), min_size=count, max_size=count))

    signed, wide = draw(st.booleans()), draw(st.booleans())
    most = 1 << 40 if wide else (1 << 32) - 1
    offsets = st.lists(st.integers(0, most), min_size=len(chunks), max_size=len(chunks))
    return Samples(
        durations=drawn(0, 3),
        shifts=draw(st.none() | st.just(drawn(-3 if signed else 0, 3))),
        sizes=draw(st.none() | st.just(drawn(0, 100_000))),
        chunks=chunks,
        chunk_offsets=draw(offsets),
        keys=draw(st.none() | st.sets(st.integers(0, count - 1)).map(sorted)),
        wide=wide,
        signed=signed,
    )


def places(of: Samples) -> list[int]:
    """Where each sample begins: behind the one before it in its chunk."""
    assert of.chunks is not None
    sizes = [10] * len(of.durations) if of.sizes is None else list(of.sizes)
    found: list[int] = []
    for at, many in zip(of.chunk_offsets, of.chunks, strict=True):
        for _ in range(many):
            found.append(at)
            at += sizes[len(found) - 1]
    return found


@settings(deadline=None)
@given(samples(), st.data())
def test_every_range_of_samples_is_read_as_it_is_stored(of: Samples, data: st.DataObject) -> None:
    table, count = of.table(), len(of.durations)
    assert table.count == count
    assert table.duration == sum(of.durations)
    first = data.draw(st.integers(0, count))
    last = data.draw(st.integers(first, count))
    assert table.durations(first, last).tolist() == list(of.durations[first:last])
    assert table.shown(first, last).tolist() == of.shown[first:last]
    assert table.offsets(first, last).tolist() == places(of)[first:last]
    assert table.sizes(first, last).tolist() == list((of.sizes or [10] * count)[first:last])
    if first < last:
        assert table.decoded(first, last).tolist() == of.decoded[first:last]
    keys = range(count) if of.keys is None else of.keys
    assert table.keys(first, last).tolist() == [key for key in keys if first <= key < last]


@settings(deadline=None)
@given(samples(), st.integers(-3, 100))
def test_the_sample_of_a_moment_is_the_last_decoded_by_then(of: Samples, time: int) -> None:
    by_then = [n for n, at in enumerate(of.decoded) if at <= time]
    found = of.table().at(time)
    assert of.decoded[found] == of.decoded[max(by_then, default=0)]
    if 0 not in of.durations:
        assert found == max(by_then, default=0)


@settings(deadline=None)
@given(samples(), st.sampled_from(["stts", "ctts", "stsz", "stsc", "stco", "co64"]), st.data())
def test_tables_of_different_lengths_or_cut_off_are_not_plain(
    of: Samples, name: str, data: st.DataObject
) -> None:
    boxes = of.boxes()
    if name not in boxes or (name == "stsz" and of.sizes is None):
        return
    boxes[name] = boxes[name][: data.draw(st.integers(0, len(boxes[name]) - 1))]
    with pytest.raises(ValueError):
        SampleTable(boxes)


@pytest.mark.parametrize("name", ["stts", "ctts", "stsz"])
def test_a_table_about_more_samples_than_the_others_is_not_plain(name: str) -> None:
    few, more = Samples([1] * 3, [0] * 3).boxes(), Samples([1] * 4, [0] * 4).boxes()
    assert SampleTable(few).count == 3
    with pytest.raises(ValueError, match="different lengths"):
        SampleTable({**few, name: more[name]})


def test_chunks_with_another_coding_are_not_plain() -> None:
    boxes = Samples([1] * 3).boxes()
    runs = bytearray(boxes["stsc"])
    assert runs[-1] == 1
    runs[-1] = 2
    with pytest.raises(ValueError, match="coding"):
        SampleTable({**boxes, "stsc": memoryview(runs)})
