"""Events with a sidecar, under names that the BIDS rules allow."""

from __future__ import annotations

import io
import json
import re

import pandas
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emotrace.export import to_bids
from emotrace.results import Analysis
from emotrace.testing.analysis import every_abstention, synthetic_analysis

NAME = r"sub-([0-9A-Za-z]+)/beh/sub-\1_task-[0-9A-Za-z]+_events\.(tsv|json)"


@given(data=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_result_gives_ordered_events_that_the_sidecar_describes(
    data: st.DataObject, analyses: st.SearchStrategy[Analysis]
) -> None:
    files = to_bids(data.draw(analyses))
    assert all(re.fullmatch(NAME, name) for name in files)
    events, sidecar = files.values()
    table = pandas.read_csv(io.BytesIO(events.encode()), sep="\t", keep_default_na=False, dtype=str)
    assert list(table.columns[:2]) == ["onset", "duration"]
    onsets = [float(onset) for onset in table.onset]
    assert onsets == sorted(onsets)
    assert all(float(duration) >= 0.0 for duration in table.duration)
    assert "" not in set(table.to_numpy().ravel())
    about = json.loads(sidecar)
    assert set(table.columns) <= about.keys()
    assert set(table.trial_type) - {"n/a"} == set(about["trial_type"]["Levels"])


def test_an_abstention_has_no_trial_type() -> None:
    events = next(iter(to_bids(every_abstention()).values()))
    table = pandas.read_csv(io.StringIO(events), sep="\t")
    assert (table.trial_type.isna() == table.abstain.notna()).all()
    assert table.abstain.notna().sum() == 5


def test_different_files_of_one_name_do_not_meet() -> None:
    first, second = (set(to_bids(synthetic_analysis(sha256=digit * 64))) for digit in "ab")
    assert not first & second
    assert next(iter(to_bids(synthetic_analysis(name="笑い.mp4", sha256="c" * 64)))).startswith("sub-cccccccc/")
