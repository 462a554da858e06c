"""`results.md`, and the same tables as rows of text for a terminal. Shares are printed as per cent, as in the field."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from emotrace.grace.corpora.fold_results import BEST, CHOSEN, LAST, ORDERS, Results
from emotrace.grace.corpora.fold_scores import Estimate, FoldMean, Scores

UNUSED = 1e-3
"""A gate that opened no further: its branch is not used."""
_HEAD = ("clips", "UAR %", "WAR %", "macro-F1 %", "worst class", "ECE %")
_ORDER_WORDS = {"shuffled": "shuffled", "reversed": "reversed", "first": "the first frame throughout"}


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table, with what must be said of it."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def page_of(results: Results) -> str:
    """The results as Markdown."""
    lines = [f"# {results.title}", "", results.disclaimer, ""]
    lines += [f"{name}: {value}  " for name, value in facts(results)]
    for table in (*headline(results), *details(results)):
        lines += ["", f"## {table.title}", "", _row(table.head), _row(["---"] * len(table.head))]
        lines += [_row(row) for row in table.rows]
        lines += ["", table.note] if table.note else []
    return "\n".join(lines) + "\n"


def facts(results: Results) -> Iterator[tuple[str, str]]:
    """What decides the numbers, in a few lines."""
    experiment, model, training = results.experiment, results.experiment["model"], results.experiment["training"]
    yield "protocol", f"{experiment['protocol_sha256'][:16]} (lists {experiment['lists_sha256'][:16]})"
    yield "clips", experiment["media_folder"]
    yield "model", f"{model['encoder']} ({model['adaptation']}), {model['frames']} frames"
    motion = model["motion"] if model["motion"] == "off" else f"{model['motion']} ({model['rigid']})"
    yield "arm", f"alignment {model['alignment']}, motion {motion}, text {_texts(results)}"
    yield "training", f"{training['epochs']} epochs, batch {training['batch_size']}, sampler {_sampler(results)}"
    yield "seed", f"{training['seed']}, emotrace {results.emotrace}"


def headline(results: Results) -> Iterator[Table]:
    """The two columns: the last epoch, and what peers would report."""
    yield Table(
        title="Last epoch (headline); best: best_on_test (peer protocol)",
        head=("fold", "sampler", *_HEAD, "best: UAR %", "best: WAR %", "best epoch"),
        rows=(*_fold_rows(results), *_mean_rows(results)),
        note=" ".join(_notes(results)),
    )
    yield Table(
        title="Is the order of the frames used?",
        head=("frames", "UAR %", "WAR %", "UAR lost"),
        rows=tuple(
            (
                _ORDER_WORDS[order],
                percent(results.mean[order].uar),
                percent(results.mean[order].war),
                percent(results.drops[order], sign=True),
            )
            for order in ORDERS
        ),
        note="The same weights on the same clips. A loss near 0 means that what was learned is in single pictures.",
    )
    if (words := results.text_alone) is not None:
        yield Table(
            title="What the words alone tell (TF-IDF and logistic regression on the same folds)",
            head=("text", "UAR %", "WAR %"),
            rows=tuple((name, f"{100 * words.uar[name]:.2f}", f"{100 * words.war[name]:.2f}") for name in words.uar),
            note=f"The model reads: {words.read_by_model}. "
            + ("**Text decides**: the pictures add less than 1 point of UAR." if results.text_decides else ""),
        )
    if results.failed:
        rows = tuple(results.failed.items())
        yield Table(title="Folds that failed", head=("fold", "why"), rows=rows)


def details(results: Results) -> Iterator[Table]:
    """Gates and confusion matrices."""
    gates = list(dict.fromkeys(name for record in results.records.values() for name in record.gates))
    unused = [
        f"fold {fold}: {name}"
        for fold, record in results.records.items()
        for name, value in record.gates.items()
        if abs(value) < UNUSED and (name != "text" or results.experiment["model"]["text_mode"] == "train_and_test")
    ]
    yield Table(
        title="How far the branches have opened (gates after the last epoch; 0 is shut)",
        head=("fold", *gates),
        rows=tuple(
            (fold, *(f"{record.gates.get(name, 0.0):.4f}" for name in gates))
            for fold, record in results.records.items()
        ),
        note=f"Unused, below {UNUSED}: {', '.join(unused)}." if unused else "",
    )
    yield Table(
        title="Confusion, all folds together (rows are truth)",
        head=("", *results.labels),
        rows=tuple(
            (label, *map(str, row)) for label, row in zip(results.labels, results.pooled.confusion, strict=True)
        ),
    )
    yield Table(
        title="The same, each row as per cent of its class",
        head=("", *results.labels),
        rows=tuple(
            (label, *(f"{100 * share:.1f}" for share in row))
            for label, row in zip(results.labels, results.pooled_shares, strict=True)
        ),
    )


def sampler_name(model: dict[str, Any], training: dict[str, Any]) -> str:
    """How classes were balanced: a column of every table, since it trades WAR for UAR."""
    name: str = training["sampler"]
    return f"{name}, logit adjustment" if model["logit_adjustment"] else name


def _texts(results: Results) -> str:
    model, texts = results.experiment["model"], results.experiment["texts"]
    source = f" from {texts['source']}" if texts["source"] else " (class bank alone)"
    return f"{model['text']}{source}, {model['text_mode']}"


def _fold_rows(results: Results) -> Iterator[tuple[str, ...]]:
    sampler = _sampler(results)
    for fold, record in results.records.items():
        best = results.scores[BEST][fold]
        epoch = f"{record.best_on_test_epoch} of {record.epochs}"
        yield (fold, sampler, *_scores(results.scores[LAST][fold]), percent(best.uar), percent(best.war), epoch)


def _mean_rows(results: Results) -> Iterator[tuple[str, ...]]:
    last, best, clips = results.mean[LAST], results.mean[BEST], str(results.pooled.clips)
    sampler = _sampler(results)
    yield ("**mean over folds**", sampler, clips, *_means(last), percent(best.uar), percent(best.war), "")
    if last.deviation:
        yield ("deviation over folds", sampler, "", *_deviations(last), "", "", *_deviations(best)[:2], "")
    if (held := results.mean.get(CHOSEN)) is not None:
        yield ("mean, epoch chosen on validation", sampler, clips, *_means(held), "", "", "")
    if len(results.records) > 1:
        yield ("all clips together", sampler, *_scores(results.pooled), "", "", "")


def _scores(scores: Scores) -> tuple[str, ...]:
    return (
        str(scores.clips),
        percent(scores.uar),
        percent(scores.war),
        f"{100 * scores.macro_f1.value:.2f}",
        f"{scores.worst.label} {100 * scores.worst.recall:.1f} ({scores.worst.clips})",
        f"{100 * scores.calibration_error:.1f}",
    )


def _means(mean: FoldMean) -> tuple[str, ...]:
    error = f"{100 * mean.calibration_error:.1f}"
    return percent(mean.uar), percent(mean.war), f"{100 * mean.macro_f1.value:.2f}", "", error


def _deviations(mean: FoldMean) -> tuple[str, ...]:
    return tuple(f"± {100 * mean.deviation[name]:.2f}" for name in ("uar", "war", "macro_f1"))


def _sampler(results: Results) -> str:
    return sampler_name(results.experiment["model"], results.experiment["training"])


def _notes(results: Results) -> Iterator[str]:
    yield "In brackets 95 % intervals: 10,000 resamples of the clips inside each fold."
    yield "The best epoch is picked on the test clips themselves, as peers do; nothing here depends on it."
    if absent := sorted({label for scores in results.scores[LAST].values() for label in scores.absent}):
        yield f"Classes without a test clip in some fold, left out of its UAR: {', '.join(absent)}."


def percent(estimate: Estimate, *, sign: bool = False) -> str:
    """A score with its interval: `61.82 [60.1, 63.4]`."""
    form = "+.2f" if sign else ".2f"
    return f"{100 * estimate.value:{form}} [{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
