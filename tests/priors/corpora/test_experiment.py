from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emotrace.errors import UsageError
from emotrace.files import sha256_of
from emotrace.metrics.classification import classify
from emotrace.priors.card import read_card
from emotrace.priors.corpora.experiment import Choices, Plan, folds_of, prepare, seeds_of
from emotrace.priors.corpora.protocol import make_folds
from emotrace.priors.corpora.study import Study, run_study
from emotrace.priors.corpora.study_page import page_of, percent, said
from emotrace.priors.model import load_prior_fusion, predict_logits
from emotrace.testing.mertools_corpus import MiniatureMer, write_mer

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def mer(tmp_path_factory: pytest.TempPathFactory) -> MiniatureMer:
    return write_mer(tmp_path_factory.mktemp("mer") / "root", labelled=60, pool=20)


@pytest.fixture(scope="module")
def choices(mer: MiniatureMer) -> Choices:
    return Choices(
        data=mer.corpus,
        root=mer.root,
        features=mer.features,
        traces=mer.traces,
        text_encoder="hashed",
        folds=(1, 2),
        epochs=3,
        tuning_epochs=2,
        batch_size=16,
    )


@pytest.fixture(scope="module")
def ran(choices: Choices, tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Study, list[str]]:
    """All five views on one fold."""
    lines: list[str] = []
    plan = prepare(replace(choices, view="all", folds=(1,)), out=tmp_path_factory.mktemp("runs"), tell=lines.append)
    return plan, run_study(plan, tell=lines.append), lines


def test_what_is_missing_is_said_before_anything_is_trained(choices: Choices, tmp_path: Path) -> None:
    lines: list[str] = []
    plan = prepare(choices, out=tmp_path, tell=lines.append)
    told = "\n".join(lines)
    assert "made-vocal-UTT: 79 of 80 clips" in told
    assert "features, verbal" in told
    assert "2 lines that are no trace" in told
    parts = plan.parts("full")
    assert parts.labelled.missing()["vocal"] == 1
    assert not parts.labelled.present[0, 1]


def test_a_modality_without_features_is_absent_everywhere(choices: Choices, tmp_path: Path) -> None:
    lines: list[str] = []
    plan = prepare(replace(choices, features=choices.features[:2]), out=tmp_path, tell=lines.append)
    assert any("verbal: none given" in line for line in lines)
    clips = plan.parts("none").labelled
    assert clips.widths["verbal"] == 1
    assert not clips.present[:, 2].any()


def test_clips_without_any_feature_stay_where_they_are_scored_and_go_where_they_are_guessed(
    choices: Choices, tmp_path: Path
) -> None:
    folder = tmp_path / "only"
    folder.mkdir()
    for number in range(1, 70):
        np.save(folder / f"samplenew_{number:08d}.npy", np.ones(4, np.float32) * number)
    lines: list[str] = []
    plan = prepare(replace(choices, features=(f"visual={folder}",)), out=tmp_path, tell=lines.append)
    assert (len(plan.corpus.labelled), len(plan.corpus.unlabelled)) == (60, 10)
    assert any("unlabelled: 10 of 20" in line for line in lines)
    assert any("labelled: 1 clips have no features" in line for line in lines)
    assert len(plan.parts("none").tests["unlabeled"]) == 20  # each of them is to be answered


def test_the_views_show_what_they_are_called_after(choices: Choices, tmp_path: Path) -> None:
    plan = prepare(replace(choices, view="all"), out=tmp_path)
    assert plan.views == ("none", "full", "masked", "verdict", "shuffled")
    parts = {view: plan.parts(view) for view in plan.views}
    full, none, shuffled = parts["full"].labelled, parts["none"].labelled, parts["shuffled"].labelled
    assert none.traces is None
    assert not none.rho.any()
    assert full.traces is not None
    assert shuffled.traces is not None
    folds = make_folds(none).fold_of
    for fold in range(1, 6):  # the same traces, dealt anew within each fold
        own, other = (np.sort(each[folds == fold].sum(axis=(1, 2))) for each in (full.traces, shuffled.traces))
        np.testing.assert_allclose(own, other, atol=1e-5)
    assert not np.array_equal(full.traces, shuffled.traces)
    for view, each in parts.items():  # who does not see the answer is not told it through guessed labels either
        assert (each.labelled.verdicts is not None) == (view in ("full", "verdict"))
        np.testing.assert_array_equal(each.labelled.features["visual"], full.features["visual"])
    assert plan.config("none").injection == "none"
    assert plan.config("masked").injection == "gated"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"traces": None}, "needs traces"),
        ({"view": "all", "injection": "none"}, "shows no trace"),
        ({"epochs": 0}, "at least 1"),
    ],
)
def test_choices_that_cannot_go_together_are_refused(
    choices: Choices, tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        prepare(replace(choices, **changes), out=tmp_path)  # type: ignore[arg-type]


def test_folds_and_seeds_are_read_from_text() -> None:
    assert folds_of("all") == folds_of("1-5") == (1, 2, 3, 4, 5)
    assert folds_of("2, 4") == (2, 4)
    assert seeds_of("5") == (0, 1, 2, 3, 4)
    assert seeds_of("0,7") == (0, 7)
    for wrong in ("0", "6", "1-", "2-1", "x", ""):
        with pytest.raises(UsageError):
            folds_of(wrong)
    for wrong in ("0", "a", ""):
        with pytest.raises(UsageError):
            seeds_of(wrong)


def test_a_run_leaves_tables_weights_cards_and_a_submission(ran: tuple[Plan, Study, list[str]]) -> None:
    plan, study, lines = ran
    assert Study.model_validate_json((plan.folder / "views.json").read_bytes()) == study
    page = (plan.folder / "views.md").read_text()
    for words in ("# emotrace's priors on mer2024", "Our reconstruction", "| shuffled |", "sad x 1.75", "Label leak"):
        assert words in page
    assert list(study.views) == list(plan.views)
    assert study.views["none"].gap is None
    assert study.views["full"].gap is not None
    assert all(any(f"view {view}: WAF" in line for line in lines) for view in plan.views)
    for view in plan.views:
        assert study.views[view].tests == {"unlabeled": None}  # hidden: no score
        rows = list(csv.DictReader((plan.folder / view / "submission.csv").read_text().splitlines()))
        assert [row["name"] for row in rows] == [example.id for example in plan.corpus.tests["unlabeled"]]
        assert {row["discrete"] for row in rows} <= set(study.labels)
        assert set(rows[0]) == {"name", "discrete"}


def test_the_card_says_what_the_weights_are(ran: tuple[Plan, Study, list[str]]) -> None:
    plan, study, _ = ran
    folder = plan.folder / "full/f1/s0/tuned/last"
    card = read_card(folder)
    assert card is not None
    assert card.weights_sha256 == sha256_of(folder / "weights.safetensors")
    assert (card.corpus, card.scheme, card.labels) == ("mer2024", "mer6", study.labels)
    assert {name: each.width for name, each in card.features.items()} == {"visual": 24, "vocal": 20, "verbal": 28}
    assert card.traces is not None
    assert (card.traces.text_encoder, card.traces.view, card.traces.text_width) == ("hashed", "full", 1024)
    assert card.test is None
    parts = plan.parts("full")
    held_out = parts.labelled.subset(make_folds(parts.labelled).test(1))
    logits = predict_logits(load_prior_fusion(folder), held_out)
    names = [study.labels[number] for number in held_out.labels]
    scored = classify(names, [study.labels[each] for each in logits.argmax(axis=1)], labels=study.labels, engine="base")
    assert card.validation is not None
    assert (card.validation.waf, card.validation.uar) == (scored.waf, scored.uar)
    assert study.views["full"].validation.waf.value == pytest.approx(scored.waf)
    none = read_card(plan.folder / "none/f1/s0/tuned/last")
    assert none is not None
    assert none.traces is None


def test_a_finished_run_is_only_read_and_a_new_one_says_the_same(
    ran: tuple[Plan, Study, list[str]], choices: Choices, tmp_path: Path
) -> None:
    plan, study, _ = ran
    weights = plan.folder / "none/f1/s0/tuned/last/weights.safetensors"
    before = weights.stat().st_mtime_ns
    one = replace(plan, views=("none",))
    again = run_study(replace(one, folder=plan.folder))
    assert again.views["none"].validation == study.views["none"].validation
    assert weights.stat().st_mtime_ns == before
    anew = run_study(one, resume=False)
    assert weights.stat().st_mtime_ns > before
    assert anew.views["none"].validation == study.views["none"].validation


def test_each_of_several_tests_has_its_own_scores_and_files(tmp_path: Path) -> None:
    made = write_mer(tmp_path / "root", corpus="mer2023", labelled=60, tested=12)
    labels = (tmp_path / "root/test1-label.csv").read_text().splitlines()
    (tmp_path / "root/test1-label.csv").write_text("\n".join(labels[:7]) + "\n")
    (tmp_path / "root/test2-label.csv").write_text("\n".join([labels[0], *labels[7:]]) + "\n")
    choices = Choices(
        data="mer2023",
        root=made.root,
        features=made.features,
        view="none",
        folds=(1,),
        seeds=(0, 1),
        epochs=1,
        tuning_epochs=1,
        valence=True,
    )
    plan = prepare(choices, out=tmp_path / "runs")
    study = run_study(plan)
    tests = study.views["none"].tests
    assert {name: each.clips for name, each in tests.items() if each is not None} == {"test1": 6, "test2": 6}
    assert all(each is not None and each.valence_mse is not None for each in tests.values())
    for name in tests:
        rows = list(csv.DictReader((plan.folder / f"none/submission_{name}.csv").read_text().splitlines()))
        assert len(rows) == 6
        assert np.isfinite(float(rows[0]["valence"]))
        assert json.loads((plan.folder / f"none/results_{name}.json").read_text())["test_clips"] == 6
    card = read_card(plan.folder / "none/f1/s1/tuned/last")
    assert card is not None
    assert card.test is not None
    assert card.test.clips == 6
    assert study.views["none"].validation.valence_mse is not None


def test_the_leak_sentence_stands_where_the_verdict_explains_the_gain(ran: tuple[Plan, Study, list[str]]) -> None:
    _, study, _ = ran
    values = study.model_dump()
    assert said({**values, "leak": "most of it"}) == "Label leak: most of it."
    assert "less than nine tenths" in said({**values, "leak": None})
    assert said({**values, "views": {"full": values["views"]["full"]}}) == ""
    assert "Label leak" not in page_of({**values, "views": {"full": values["views"]["full"]}})
    assert percent(float("nan")) == "-"
