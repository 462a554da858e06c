"""Bad features are refused with the clip's name; missing ones are masked and counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from emotrace.errors import DuplicateName, InvalidFeatures, UsageError
from emotrace.priors.clips import joined
from emotrace.testing.tiny_priors import tiny_clips


def test_a_number_that_is_not_finite_is_refused_with_its_clip() -> None:
    clips = tiny_clips(9, whole=True)
    vocal = clips.features["vocal"].copy()
    vocal[4, 2] = np.nan
    with pytest.raises(InvalidFeatures, match="vocal: not finite, for the clips clip00004"):
        replace(clips, features=dict(clips.features) | {"vocal": vocal})


def test_the_same_number_is_borne_where_the_modality_is_masked() -> None:
    clips = tiny_clips(9, whole=True)
    vocal, present = clips.features["vocal"].copy(), clips.present.copy()
    vocal[4], present[4, 1] = np.nan, False
    masked = replace(clips, features=dict(clips.features) | {"vocal": vocal}, present=present)
    assert masked.missing()["vocal"] == 1
    assert masked.missing()["visual"] == 0


def test_traces_and_reliabilities_are_checked() -> None:
    clips = tiny_clips(9)
    assert clips.traces is not None
    with pytest.raises(InvalidFeatures, match=r"rho: outside \[0, 1\].*clip00002"):
        replace(clips, rho=clips.rho + np.eye(9, 4, k=-2, dtype=np.float32) * 2)
    traces = clips.traces.copy()
    traces[:, 3] = np.inf
    with pytest.raises(InvalidFeatures, match="traces: not finite"):
        replace(clips, traces=traces)
    with pytest.raises(InvalidFeatures, match="although there are no traces"):
        replace(clips, traces=None)


def test_shapes_labels_and_names_are_checked() -> None:
    clips = tiny_clips(9)
    with pytest.raises(InvalidFeatures, match="labels: has shape"):
        replace(clips, labels=np.zeros(8, np.int64))
    with pytest.raises(InvalidFeatures, match="visual: has shape"):
        replace(clips, features=dict(clips.features) | {"visual": np.zeros((8, 10), np.float32)})
    with pytest.raises(UsageError, match="below 3"):
        replace(clips, labels=np.full(9, 3))
    with pytest.raises(DuplicateName, match="clip00000"):
        replace(clips, keys=("clip00000",) * 9)
    with pytest.raises(InvalidFeatures, match="frames must be 12 wide"):
        replace(clips, frames={"vocal": [np.zeros((3, 11), np.float32)] * 9})


def test_a_subset_is_the_same_by_number_and_by_mask() -> None:
    clips = replace(tiny_clips(9, valence=True), groups=tuple("aabbccdde"))
    mask = np.arange(9) % 2 == 0
    for chosen in (clips.subset(mask), clips.subset([0, 2, 4, 6, 8])):
        assert chosen.keys == clips.keys[::2]
        assert chosen.groups == tuple("abcde")
        np.testing.assert_array_equal(chosen.features["visual"], clips.features["visual"][::2])
        np.testing.assert_array_equal(chosen.rho, clips.rho[::2])
    assert len(clips.subset([])) == 0


def test_two_sets_are_joined_and_what_one_lacks_is_absent() -> None:
    first, second = tiny_clips(5), tiny_clips(4, first=50, traces=False, labelled=False)
    both = joined(first, second)
    assert both.keys == first.keys + second.keys
    assert both.traces is not None
    assert (both.rho[5:] == 0).all()
    assert (both.labels[5:] == -1).all()
    with pytest.raises(DuplicateName):
        joined(first, first)
    with pytest.raises(UsageError, match="same labels"):
        joined(first, replace(second, label_names=("a", "b", "c")))
