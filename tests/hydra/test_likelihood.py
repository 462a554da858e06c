from __future__ import annotations

import numpy as np
import pytest

from emotrace.errors import EvidenceError
from emotrace.hydra.likelihood import NAMES, compiled, label_sets, load_table, shipped_table
from emotrace.labels.affects import AFFECT_NAMES, AFFECTS


def test_every_row_names_a_source_and_known_affects() -> None:
    table = shipped_table()
    assert len(table.cues) == len(table.index) == 24 + 17 + 19 + 19
    for cue in table.cues:
        assert cue.source
        assert cue.links
        assert set(cue.links) <= set(AFFECT_NAMES)
        assert set(cue.links.values()) <= {-2, -1, 1, 2}
        assert any(level > 0 for level in cue.links.values())
        assert cue.phrases or cue.key.startswith(NAMES)


def test_rows_of_the_specification() -> None:
    table = shipped_table()
    rows = {cue.key: cue for cue in table.cues}
    assert rows["au01_04"].links == {"sadness": 2, "worry": 2, "fear": 1, "disappointment": 1, "joy": -1}
    assert rows["au06_12"].links["anger"] == -2
    assert rows["even_voice"].links == {"neutral": 2, "calm": 1}
    assert "no reliable source" in rows["still_face"].source
    assert table.probabilities == (0.003, 0.006, 0.02, 0.30, 0.65)


def test_a_cue_only_supports_what_it_is_linked_with() -> None:
    table = shipped_table()
    assert (table.ratios[table.levels <= 0] < 1.0).all()
    strongest = table.ratios.argmax(axis=0)
    assert (np.take_along_axis(table.levels, strongest[None], axis=0) >= 1).all()
    required = {cue for cues in table.required.values() for cue in cues}
    assert required <= set(table.index)
    assert set(table.required) <= {word for affect in AFFECTS for word in affect.words}


def test_a_set_is_the_mean_of_its_affects() -> None:
    sets = label_sets()
    assert len(sets) == 1160
    pair = sets.index((0, 15))
    expected = compiled().affect_ratios[[0, 15]].mean(axis=0)
    np.testing.assert_allclose(compiled().set_ratios[:, pair], expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sadness++", "saddness++"),
        ('source = "emfacs"', 'source = "hearsay"'),
        ("sadness++ worry++", "sadness++ sadness+"),
    ],
)
def test_a_table_with_a_fault_is_refused(old: str, new: str) -> None:
    from importlib.resources import files

    text = files("emotrace.hydra").joinpath("tables/likelihood.toml").read_text(encoding="utf-8")
    assert load_table(text).version == "1"
    with pytest.raises(EvidenceError, match="au01_04"):
        load_table(text.replace(old, new, 1))
