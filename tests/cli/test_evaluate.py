from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from emotrace.cli.evaluate import evaluate
from emotrace.errors import (
    DuplicateName,
    EmotraceError,
    ExitCode,
    InvalidScores,
    NamesDoNotMatch,
    TablesNotFound,
    UnknownLabel,
    UnreadableTable,
    UnsafePickle,
    UsageError,
)
from emotrace.labels.official_tables import ENVIRONMENT_VARIABLE
from emotrace.metrics.benchmark import DATA_SETS
from emotrace.metrics.protocols import NOT_COMPARABLE, PROTOCOLS
from emotrace.metrics.report import EvaluationReport

app = typer.Typer()
app.command()(evaluate)
MER6 = ("neutral", "angry", "happy", "sad", "worried", "surprise")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTRACE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if isinstance(result.exception, EmotraceError):
        raise result.exception
    return result


def table(path: Path, head: list[str], rows: list[Any]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, delimiter="\t" if path.suffix == ".tsv" else ",").writerows([head, *rows])
    return path


@pytest.fixture
def mer(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Truth, a good system and a poor one over 60 clips of MER2023's layout."""
    generator = np.random.default_rng(0)
    truth = [
        (f"samplenew_{i:08d}", MER6[i % 6], round(float(v), 2)) for i, v in enumerate(generator.uniform(-5, 5, 60))
    ]
    good = [(n, e if i % 5 else "neutral", v + 0.1) for i, (n, e, v) in enumerate(truth)]
    poor = [(n, e if i % 2 else "neutral", v + 1.0) for i, (n, e, v) in enumerate(truth)]
    head = ["name", "discrete", "valence"]
    paths = [tmp_path / name for name in ("truth.csv", "good.csv", "poor.tsv")]
    return tuple(table(path, head, rows) for path, rows in zip(paths, (truth, good, poor), strict=True))  # type: ignore[return-value]


def report_of(*arguments: object) -> EvaluationReport:
    result = run(*arguments, "--format", "json", "--bootstrap", 200)
    assert result.exit_code == 0
    return EvaluationReport.from_json(result.stdout)


def test_mer2023_scores_a_comparison_and_what_they_were_made_of(mer) -> None:
    truth, good, poor = mer
    report = report_of("-p", "mer2023-multi", "--truth", truth, "--pred", good, "--pred-b", poor)
    scores = {name: score.value for name, score in report.scores.items()}
    assert scores["combined"] == pytest.approx(scores["waf"] - 0.25 * 0.01)
    assert report.scores["combined"].interval.low < scores["combined"] < report.scores["combined"].interval.high
    (difference,) = report.differences
    assert (difference.rival, difference.p_holm) == ("poor.tsv", None)
    assert difference.value > 0.2
    assert difference.p_permutation < 0.05
    assert (report.clips.truth, report.clips.missing, report.clips.ignored) == (60, 0, 0)
    assert set(report.inputs) == {"truth", "pred", "pred_b"}
    assert report.details["labels"] == list(MER6)


def test_the_same_call_prints_the_same_bytes_and_row_order_changes_no_score(mer, tmp_path: Path) -> None:
    truth, good, _ = mer
    arguments = ("-p", "mer2024", "--truth", truth, "--pred", good, "--format", "json", "--bootstrap", "50")
    assert run(*arguments).stdout == run(*arguments).stdout
    lines = good.read_text(encoding="utf-8").splitlines()
    good.write_text("\n".join([lines[0], *reversed(lines[1:])]), encoding="utf-8")
    a, b = (report_of("-p", "mer2024", "--truth", truth, "--pred", path) for path in (truth, good))
    assert a.clips.split_sha256 == b.clips.split_sha256


def test_kept_predictions_score_the_same_again(mer, tmp_path: Path) -> None:
    truth, good, _ = mer
    before = report_of("-p", "mer2024", "--truth", truth, "--pred", good, "--out", tmp_path / "out")
    kept = tmp_path / "out" / "predictions.jsonl"
    first = json.loads(kept.read_text(encoding="utf-8").splitlines()[0])
    assert set(first) == {"doc_id", "target", "prediction", "scores"}
    again = report_of("-p", "mer2024", "--truth", kept, "--pred", kept)
    assert again.scores == before.scores
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "report.json", "report.html", "per_clip.csv", "predictions.jsonl",
    }  # fmt: skip


def test_the_own_wheel_says_that_it_is_not_comparable_everywhere(tmp_path: Path) -> None:
    truth = table(tmp_path / "t.csv", ["name", "openset"], [("a", "['happy', 'proud']"), ("b", "sad")])
    answers = tmp_path / "p.jsonl"
    answers.write_text('{"name": "a", "labels": ["joyful"]}\n{"name": "b", "text": "x", "labels": "grieving"}\n')
    base = ("-p", "emotrace-wheel", "--truth", truth, "--pred", answers)
    for form in ("text", "json", "html"):
        assert NOT_COMPARABLE in run(*base, "--format", form).stdout.replace("\n", " ")
    assert run(*base, "--format", "csv").stdout.startswith("score,value,low,high,undefined\nf,")
    page = run(*base, "--format", "html").stdout
    assert "<script" not in page
    assert "http://" not in page.replace("http://schemas", "")
    report = report_of(*base, "--explain", tmp_path / "labels.csv")
    assert report.protocol == "emotrace-wheel"
    assert report.scores["mean F of inner"].value == pytest.approx(1.0)
    rows = list(csv.DictReader((tmp_path / "labels.csv").read_text(encoding="utf-8").splitlines()))
    assert {row["label"] for row in rows} == {"happy", "proud", "sad", "joyful", "grieving"}


def test_official_protocols_without_tables_are_refused(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    with pytest.raises(TablesNotFound, match=r"--tables DIR.*wheel_mapping\.npz.*emotrace-wheel") as caught:
        run("-p", "mer2026", "--truth", tmp_path / "t.csv", "--pred", tmp_path / "p.csv")
    assert caught.value.exit_code is ExitCode.BAD_INPUT


def test_probabilities_give_answers_and_calibration(tmp_path: Path) -> None:
    truth = table(tmp_path / "t.csv", ["name", "label"], [(f"c{i}", MER6[i % 6]) for i in range(12)])
    row = {f"prob_{label}": 0.1 for label in MER6}
    rows = [{**row, f"prob_{MER6[i % 6]}": 0.5} for i in range(12)]
    answers = table(tmp_path / "p.csv", ["name", *row], [(f"c{i}", *each.values()) for i, each in enumerate(rows)])
    scores = report_of("-p", "mer2026-semi", "--truth", truth, "--pred", answers).scores
    assert scores["uar"].value == 1.0
    assert scores["ece"].value == pytest.approx(0.5)
    assert scores["brier"].value == pytest.approx(0.25 + 5 * 0.01)


def test_missing_answers_are_an_error_or_empty(mer) -> None:
    truth, good, _ = mer
    lines = good.read_text(encoding="utf-8").splitlines()
    good.write_text("\n".join(lines[:-7]), encoding="utf-8")
    with pytest.raises(NamesDoNotMatch, match=r"samplenew_00000053, .* and 2 more \(7 in all\), of 60 clips") as caught:
        run("-p", "mer2024", "--truth", truth, "--pred", good)
    assert caught.value.exit_code is ExitCode.BAD_INPUT
    report = report_of("-p", "mer2024", "--truth", truth, "--pred", good, "--missing", "empty")
    assert (report.clips.missing, report.clips.abstained, len(report.clips.missing_names)) == (7, 7, 5)
    assert "7 clips without an answer are scored as empty answers." in report.notes
    assert report.scores["answered_waf"].value > report.scores["waf"].value


def test_bad_data_are_refused_by_name_row_and_number(mer, tmp_path: Path) -> None:
    truth, good, _ = mer
    text = good.read_text(encoding="utf-8")
    good.write_text(text + "\n".join(text.splitlines()[1:9]) + "\n", encoding="utf-8")
    with pytest.raises(DuplicateName, match=r"samplenew_00000000 \(rows 1 and 61\).*and 3 more \(8 in all\)"):
        run("-p", "mer2024", "--truth", truth, "--pred", good)
    good.write_text(text.replace("angry", "cross"), encoding="utf-8")
    with pytest.raises(UnknownLabel, match=r"'cross' \(row 2\).*The known labels are: neutral, angry"):
        run("-p", "mer2024", "--truth", truth, "--pred", good)
    truth.write_text(
        truth.read_text(encoding="utf-8").replace("name,discrete,valence\n", "name,discrete,valence\nz,sad,7\n")
    )
    with pytest.raises(InvalidScores, match=r"outside \[-5, 5\]: z \(7\)"):
        run("-p", "mer2023-multi", "--truth", truth, "--pred", tmp_path / "poor.tsv", "--missing", "empty")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.csv", b"name,label\na,sad,more\n"),
        ("p.csv", "name,label\na,été\n".encode("latin-1")),
        ("p.csv", b"label\nsad\n"),
        ("p.csv", b"name,other\na,b\n"),
        ("p.jsonl", b"{\n"),
        ("p.jsonl", b"[1]\n"),
        ("p.json", b"{}"),
        ("p.npz", b"PK"),
        ("p.parquet", b""),
    ],
)
def test_files_that_cannot_be_read(name: str, content: bytes, tmp_path: Path) -> None:
    truth = table(tmp_path / "t.csv", ["name", "label"], [("a", "sad")])
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableTable, match=name):
        run("-p", "mer2024", "--truth", truth, "--pred", tmp_path / name)


def test_npz_answers_and_labels(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", test_corpus={"a": {"emo": "sad", "val": -10}, "b": {"emo": "happy", "val": 2.0}})
    np.savez(tmp_path / "p.npz", filenames=np.array(["a", "b"]), fileitems=np.array(["[sad]", "['happy']"]))
    report = report_of("-p", "mer2024", "--truth", tmp_path / "t.npz", "--pred", tmp_path / "p.npz")
    assert report.scores["waf"].value == 1.0
    np.savez(tmp_path / "r.npz", name2reason={"a": "She feels sad.", "b": "<ans>happy</ans>"})
    report = report_of("-p", "mer2024", "--truth", tmp_path / "t.npz", "--pred", tmp_path / "r.npz")
    assert report.scores["waf"].value == 1.0
    assert report.details["answers"]["methods"] == {"statement": 0.5, "answer_tag": 0.5}


def test_a_hostile_npz_is_refused(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "touched",)

    np.savez(tmp_path / "p.npz", name2reason={"a": Hostile()})
    with pytest.raises(UnsafePickle):
        run("-p", "mer2024", "--truth", table(tmp_path / "t.csv", ["name", "label"], []), "--pred", tmp_path / "p.npz")
    assert not (tmp_path / "touched").exists()


def test_values_preference_sentiment_and_groups(tmp_path: Path) -> None:
    truth = table(tmp_path / "t.csv", ["name", "valence"], [("a", 1), ("b", 2), ("c", 3)])
    own = table(tmp_path / "p.csv", ["name", "valence"], [("a", 2), ("b", 3), ("c", 4)])
    scores = report_of("-p", "valence", "--truth", truth, "--pred", own).scores
    assert (scores["ccc"].value, scores["mse"].value) == pytest.approx((4 / 7, 1.0))
    words = table(tmp_path / "w.csv", ["name", "label"], [("a", "positive"), ("b", "negative"), ("c", "Positive")])
    assert report_of("-p", "sentiment", "--truth", truth, "--pred", words).scores["accuracy"].value == pytest.approx(
        2 / 3
    )
    labels = table(tmp_path / "l.csv", ["name", "openset"], [("a", "happy"), ("b", "sad"), ("c", "proud, glad")])
    report = report_of("-p", "sentiment", "--truth", truth, "--pred", labels)
    assert report.protocol == "sentiment (emotrace polarity)"
    one = table(tmp_path / "o.csv", ["name", "preference"], [("a", "a1"), ("b", "a2"), ("c", "a1")])
    assert report_of("-p", "preference", "--truth", one, "--pred", one).scores["waf"].value == 1.0
    sets = table(tmp_path / "s.csv", ["name", "openset"], [("a", "['happy']"), ("b", "['sad']")])
    said = table(tmp_path / "q.csv", ["name", "openset"], [("a", "['glad', 'cross']"), ("b", "['sad']")])
    groups = table(tmp_path / "g.csv", ["name", "groups"], [("a", "[['happy', 'glad']]"), ("b", "[['sad']]")])
    scores = report_of("-p", "mer2024-ov", "--truth", sets, "--pred", said, "--groups", groups).scores
    assert (scores["score"].value, scores["precision"].value) == (0.875, 0.75)


def test_groups_and_clusters_by_column(tmp_path: Path) -> None:
    rows = [(f"c{i}", MER6[i % 6], "f" if i < 40 else "m", f"s{i // 10}") for i in range(60)]
    truth = table(tmp_path / "t.csv", ["name", "label", "sex", "speaker"], rows)
    own = table(tmp_path / "p.csv", ["name", "label"], [row[:2] for row in rows])
    report = report_of(
        "-p", "closed", "--scheme", "mer6", "--truth", truth, "--pred", own, "--group-by", "sex", "--cluster", "speaker"
    )
    women, men = report.groups["f"], report.groups["m"]
    assert (women.clips, women.scores["uar"].value, women.scores["coverage"].value) == (40, 1.0, 1.0)
    assert women.scores["war"].interval.clusters == 4
    assert (men.clips, men.scores) == (20, {})
    assert report.scores["uar"].interval.clusters == 6


def test_official_tables_from_the_command_line(tmp_path: Path, official_folder: Path) -> None:
    folder = official_folder
    truth = table(tmp_path / "t.csv", ["name", "openset"], [("a", "happy"), ("b", "sad")])
    answers = table(tmp_path / "p.csv", ["name", "openset"], [("a", "furious"), ("b", "amused")])
    base = ("--truth", truth, "--pred", answers, "--tables", folder)
    text = run("-p", "mer2025", *base).stdout
    assert "nan (official)" in text
    assert "f with 0 for 0/0" in text
    assert report_of("-p", "mer2026", *base).scores["f"].value == 0.0
    assert report_of("-p", "mer2026", *base, "--table-version", "v1").protocol.startswith("custom(mer2026")
    assert report_of("-p", "unibench", "--dataset", "meld", *base).main == "hit_rate"
    assert "fearful" in run("-p", "unibench", "--tables", folder, "--explain-word", "fear").stdout


def test_usage() -> None:
    listed = run("--list").stdout
    assert all(name in listed for name in PROTOCOLS)
    for arguments in (
        ("-p", "nothing"),
        (),
        ("-p", "mer2024"),
        ("-p", "mer2024", "--truth", "t", "--pred", "p", "--missing", "maybe"),
        ("-p", "mer2024", "--dataset", "meld"),
        ("-p", "mer2024", "--truth", "t", "--pred", "p", "--extract", "llm"),
        ("-p", "mer2024", "--truth", "t", "--pred", "p", "--llm-url", "http://127.0.0.1"),
        ("-p", "mer2024", "--explain-word", "fear"),
    ):
        with pytest.raises(UsageError) as caught:
            run(*arguments)
        assert int(caught.value.exit_code) == 2


def test_one_word_is_explained_without_a_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    text = run("--explain-word", "Terrified").stdout
    assert "terrified: scored; tables emotrace-wheel/1:" in text
    assert "fear" in text


def test_several_rivals_are_adjusted_by_holm_and_a_sweep_says_what_picking_does(mer, tmp_path: Path) -> None:
    truth, good, poor = mer
    worse = tmp_path / "worse.csv"
    worse.write_text(good.read_text(encoding="utf-8").replace(",happy,", ",sad,"), encoding="utf-8")
    report = report_of("-p", "mer2024", "--truth", truth, "--pred", poor, "--pred-b", good, "--pred-b", worse)
    one, other = report.differences
    assert (one.rival, other.rival) == ("good.csv", "worse.csv")
    assert one.value == pytest.approx(report.scores["waf"].value - one.rival_value)
    assert min(one.p_holm, other.p_holm) == pytest.approx(2 * min(one.p_permutation, other.p_permutation))
    assert "Of 3 systems good.csv is best on this very truth" in report.notes[-1]
    assert "0.8 to 3.0 points" in report.notes[-1]
    assert report.notes[-1].endswith("The score above is that of poor.tsv alone.")
    assert set(report.inputs) == {"truth", "pred", "pred_b", "pred_b1"}


def test_folds_give_their_mean_beside_the_pooled_score_and_a_test(tmp_path: Path) -> None:
    rows = [(f"c{i}", MER6[i % 6], f"set_{1 + i % 5}") for i in range(60)]
    truth = table(tmp_path / "t.csv", ["name", "label", "fold"], rows)
    # Fold k answers k of its twelve clips wrongly: accuracy 1 - k / 12.
    seen: dict[str, int] = {}
    answers = []
    for name, label, fold in rows:
        seen[fold] = seen.get(fold, 0) + 1
        answers.append((name, "neutral" if label != "neutral" and seen[fold] <= int(fold[-1]) else label))
    own = table(tmp_path / "p.csv", ["name", "label"], answers)
    perfect = table(tmp_path / "q.csv", ["name", "label"], [row[:2] for row in rows])
    base = ("-p", "closed", "--scheme", "mer6", "--truth", truth, "--folds", "fold")
    report = report_of(*base, "--pred", own, "--pred-b", perfect)
    folds = report.folds
    assert folds.clips == {f"set_{k}": 12 for k in range(1, 6)}
    accuracies = list(folds.scores["war"].values())
    assert folds.mean["war"] == pytest.approx(float(np.mean(accuracies)))
    assert folds.deviation["war"] == pytest.approx(float(np.std(accuracies, ddof=1)))
    # Folds of equal size and balance: means of recalls are the pooled ones, F1 is not linear and differs.
    assert report.scores["war"].value == pytest.approx(folds.mean["war"])
    assert report.scores["waf"].value != pytest.approx(folds.mean["waf"])
    assert report.differences[0].t_folds < 0 < report.differences[0].p_folds < 1
    assert "mean of folds" in run(*base, "--pred", own, "--bootstrap", 0).stdout
    one_fold = table(tmp_path / "one.csv", ["name", "label", "fold"], [(*row[:2], "a") for row in rows])
    with pytest.raises(InvalidScores, match="has one fold, a"):
        run("-p", "dfer", "--scheme", "mer6", "--truth", one_fold, "--pred", own, "--folds", "fold")


def test_groups_carry_coverage_calibration_and_intervals(tmp_path: Path) -> None:
    rows = [(f"c{i}", MER6[i % 6], "f" if i < 40 else "m") for i in range(80)]
    truth = table(tmp_path / "t.csv", ["name", "label", "sex"], rows)
    head = ["name", *(f"prob_{label}" for label in MER6)]
    own = table(
        tmp_path / "p.csv",
        head,
        [(name, *(0.75 if (each == label) == (i % 4 > 0 or sex == "f") else 0.05 for each in MER6))
         if i % 4 or sex == "f" else (name, *(0.75 if each == MER6[(i + 1) % 6] else 0.05 for each in MER6))
         for i, (name, label, sex) in enumerate(rows)],
    )  # fmt: skip
    report = report_of("-p", "dfer", "--scheme", "mer6", "--truth", truth, "--pred", own, "--group-by", "sex")
    women, men = report.groups["f"].scores, report.groups["m"].scores
    assert women["ece"].value == pytest.approx(0.25)  # always right at confidence 0.75
    assert men["ece"].value == pytest.approx(0.0, abs=1e-9)  # right three times in four
    assert men["war"].value == 0.75
    assert men["uar"].interval.low < men["uar"].value < men["uar"].interval.high
    assert set(women) >= {"uar", "war", "waf", "coverage", "ece", "brier", "nll"}


SEVEN = ("happy", "sad", "neutral", "angry", "surprise", "disgust", "fear")
KINDS: dict[str, tuple[list[str], list[Any], list[str], list[Any]]] = {
    "mer2023-multi": (
        ["name", "discrete", "valence"], [("a", "sad", 1), ("b", "happy", -10), ("c", "angry", 3)],
        ["name", "discrete", "valence"], [("a", "sad", 2), ("b", "sad", 0), ("c", "angry", 3)],
    ),
    "valence": (
        ["name", "valence"], [("a", 1), ("b", 2), ("c", 3)],
        ["name", "valence"], [("a", 2), ("b", 3), ("c", 5)],
    ),
    "sentiment": (
        ["name", "sentiment"], [("a", 1), ("b", -2), ("c", 0)],
        ["name", "label"], [("a", "positive"), ("b", "neutral"), ("c", "negative")],
    ),
    "preference": (
        ["name", "preference"], [("a", "a1"), ("b", "a2"), ("c", "a1")],
        ["name", "preference"], [("a", "a1"), ("b", "a1"), ("c", "")],
    ),
    "emotrace-wheel": (
        ["name", "openset"], [("a", "happy, proud"), ("b", "sad"), ("c", "")],
        ["name", "openset"], [("a", "joyful"), ("b", "lonely, happy"), ("c", "sad")],
    ),
    "dfer": (
        ["name", "label"], [("a", "happy"), ("b", "sad"), ("c", "fear")],
        ["name", *(f"prob_{label}" for label in SEVEN)],
        [("a", 0.4, *[0.1] * 6), ("b", 0.4, *[0.1] * 6), ("c", *[0.1] * 6, 0.4)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("protocol", KINDS)
def test_kept_predictions_of_every_kind_score_the_same_again(protocol: str, tmp_path: Path) -> None:
    true_head, true_rows, head, rows = KINDS[protocol]
    files = (
        "--truth", table(tmp_path / "t.csv", true_head, true_rows),
        "--pred", table(tmp_path / "p.csv", head, rows),
    )  # fmt: skip
    scheme = ("--scheme", "dfew") if protocol == "dfer" else ()
    before = report_of("-p", protocol, *scheme, *files, "--out", tmp_path / "out")
    kept = tmp_path / "out" / "predictions.jsonl"
    assert report_of("-p", protocol, *scheme, "--truth", kept, "--pred", kept).scores == before.scores


def test_reasons_of_abstentions_are_counted_and_their_labels_do_not_count(tmp_path: Path) -> None:
    truth = table(tmp_path / "t.csv", ["name", "label"], [(c, "sad") for c in "abcd"])
    answers = tmp_path / "p.jsonl"
    answers.write_text(
        '{"name": "a", "label": "sad"}\n{"name": "b", "label": "sad", "abstained": "no_face"}\n'
        '{"name": "c", "label": "", "abstained": true}\n{"name": "d", "label": "sad", "abstained": false}\n'
    )
    report = report_of("-p", "mer2024", "--truth", truth, "--pred", answers)
    assert report.clips.reasons == {"no_face": 1, "unnamed": 1}
    assert (report.scores["war"].value, report.scores["coverage"].value) == (0.5, 0.5)
    assert report.scores["answered_war"].value == 1.0


def test_a_distribution_over_other_labels_is_refused(tmp_path: Path) -> None:
    truth = table(tmp_path / "t.csv", ["name", "label"], [("a", "sad")])
    answers = table(tmp_path / "p.csv", ["name", "label", "prob_sad", "prob_bored"], [("a", "sad", 0.5, 0.5)])
    with pytest.raises(UnknownLabel, match="prob_bored is unknown"):
        run("-p", "mer2024", "--truth", truth, "--pred", answers)


def test_clips_that_were_trained_on_are_said(mer, tmp_path: Path) -> None:
    truth, good, _ = mer
    (tmp_path / "train.txt").write_text("samplenew_00000007\nother\n")
    report = report_of("-p", "mer2024", "--truth", truth, "--pred", good, "--train-names", tmp_path / "train.txt")
    assert "1 of 60 clips were trained on, such as samplenew_00000007." in report.notes


def test_names_that_the_answers_must_have(mer, tmp_path: Path) -> None:
    truth, good, _ = mer
    (tmp_path / "names.txt").write_text("samplenew_00000000\nsomebody\n")
    with pytest.raises(NamesDoNotMatch, match="lacking: somebody; too many: samplenew_00000001"):
        run("-p", "mer2024", "--truth", truth, "--pred", good, "--names", tmp_path / "names.txt")


def test_the_nine_sets_of_the_benchmark(tmp_path: Path, official_folder: Path) -> None:
    for side, words in (("t", ("happy", "sad", "anger")), ("p", ("joyful", "sad", "fear"))):
        (tmp_path / side).mkdir()
        for name, protocol in DATA_SETS.items():
            values = (1.0, -1.0, 2.0) if side == "t" else ("positive", "negative", "neutral")
            cells = values if protocol == "sentiment" else words
            column = "sentiment" if protocol == "sentiment" else "openset"
            table(tmp_path / side / f"{name}.csv", ["name", column], list(zip("abc", cells, strict=True)))
    base = ("-p", "unibench", "--truth", tmp_path / "t", "--tables", official_folder)
    report = report_of(*base, "--pred", tmp_path / "p", "--pred-b", tmp_path / "p")
    assert (report.protocol, report.main) == ("unibench", "mean")
    primary = [score.value for name, score in report.scores.items() if name != "mean"]
    assert len(primary) == 9
    assert report.scores["mean"].value == pytest.approx(float(np.mean(primary)))
    assert next(iter(report.details["sweep"])) == "fixed"
    assert list(report.details["sweep"])[-1] == "best per data set (picked on the test sets)"
    (tmp_path / "t" / "mosi.csv").unlink()
    partial = report_of(*base, "--pred", tmp_path / "p")
    assert partial.scores["mean"].value is None
    assert partial.scores["mean"].undefined == "needs all nine data sets; lacks mosi"
    (tmp_path / "p" / "meld.csv").unlink()
    with pytest.raises(UnreadableTable, match="no answers for meld"):
        run(*base, "--pred", tmp_path / "p")
    with pytest.raises(UsageError, match="one data set at a time"):
        run(*base, "--pred", tmp_path / "p", "--folds", "x")
