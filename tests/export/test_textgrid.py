"""A TextGrid covers the whole time on every tier, and praatio reads from it what the result holds."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from praatio import textgrid

from emotrace.export import to_textgrid
from emotrace.export.channels import tiers
from emotrace.export.wording import one_line
from emotrace.results import Analysis
from emotrace.testing.analysis import synthetic_analysis

PRAATIO_MISREADS = re.compile(r"item ?\[|intervals ?\[|xm(in|ax) ?=|text ?=|name ?=|class =")
"""praatio cuts at these wherever they stand; Praat does not."""


@given(data=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_result_fills_every_tier_without_gap_and_keeps_its_texts(
    data: st.DataObject, analyses: st.SearchStrategy[Analysis], tmp_path_factory: pytest.TempPathFactory
) -> None:
    analysis = data.draw(analyses)
    if PRAATIO_MISREADS.search(str(analysis.persons)):
        return
    path = tmp_path_factory.getbasetemp() / "any.TextGrid"
    path.write_text(to_textgrid(analysis), encoding="utf-8", newline="")
    grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=True, reportingMode="error")
    made = tiers(analysis)
    assert grid.tierNames == tuple(tier.name for tier in made)
    assert grid.maxTimestamp > 0.0
    assert grid.maxTimestamp >= analysis.source.duration_seconds - 0.0005
    for tier in made:
        entries = grid.getTier(tier.name).entries
        assert entries[0].start == 0.0
        assert entries[-1].end == grid.maxTimestamp
        assert all(first.end == second.start for first, second in pairwise(entries))
        assert all(entry.start < entry.end for entry in entries)
        told = [(entry.start, entry.end, entry.label) for entry in entries if entry.label]
        held = [(each.start_ms / 1000, each.end_ms / 1000, each.text.strip()) for each in tier.intervals]
        assert told == [each for each in held if each[2]]


def test_quotes_are_doubled_and_breaks_become_spaces() -> None:
    text = to_textgrid(synthetic_analysis(texts=['he said "no"\r\nand 笑い 😀 \x00\x1b[0m left']))
    assert 'text = "he said ""no"" and 笑い 😀 [0m left" ' in text
    assert one_line("a\u2028b\u0085c") == "a b c"


def test_a_photograph_and_nobody_give_a_grid_of_a_millisecond() -> None:
    text = to_textgrid(synthetic_analysis(persons=0, seconds=0.0))
    assert "xmin = 0 \nxmax = 0.001 \ntiers? <exists> \nsize = 1 " in text
    assert 'text = "abstains: no_person"' in text
