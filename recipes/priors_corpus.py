"""What the recipes of MER2023 and MER2024 share: check the copy, the peers' baseline, our arms, the five views.

    1. what its user must have is printed: the corpus under its agreement, features, traces
    2. `verify`: counts, labels, files and features of the copy; a fault ends the recipe
    3. MERBench's attention fusion by its own recipe: it must come near what its authors report first
    4. prior-free: `none` with cross-entropy alone, then with BDCL
    5. `gated` with BDCL under the five views of the traces, with the label-leak sentence; then `gated` without BDCL
    6. a table of all, on held-out clips with intervals, on tests whose labels are held, and submission files

Expected columns: arm, WAF with its 95 % interval over clips, accuracy, UAR, macro-F1, WAF of each test. No number of
the paper is a target: its tables are not known to us.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from priors_baseline import run_baseline

from emotrace.datasets.corpora import open_corpus
from emotrace.datasets.verify import verify
from emotrace.encoders.text import DEFAULT_TRACE_ENCODER
from emotrace.errors import EmotraceError
from emotrace.files import write_atomically
from emotrace.priors.corpora.experiment import Choices, folds_of, prepare, seeds_of
from emotrace.priors.corpora.scores import PriorScores
from emotrace.priors.corpora.study import Study, run_study
from emotrace.priors.corpora.study_page import Table, percent
from emotrace.priors.trace_views import View
from emotrace.testing.mertools_corpus import write_mer


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is particular to one corpus."""

    corpus: Literal["mer2023", "mer2024"]
    owner: str
    """Where its owners give it away, and under what."""
    holds: str
    """What a complete copy holds."""
    peers: str
    """What to reach first, with the baseline."""


Row = tuple[str, PriorScores, dict[str, PriorScores | None]]
"""Arm, scores on held-out clips, scores on tests."""


def main(recipe: Recipe, arguments: Sequence[str] | None = None) -> int:
    """Runs the recipe; the exit code of the command line."""
    chosen = _parser(recipe).parse_args(arguments)
    print(_needs(recipe))
    try:
        if chosen.dry_run:
            with tempfile.TemporaryDirectory(prefix="emotrace-") as folder:
                return _dry_run(recipe, Path(folder))
        if chosen.root is None or not chosen.features or chosen.traces is None:
            print("\nName --root, --features for three modalities and --traces, or try every step with --dry-run.")
            return 2
        return _run(recipe, chosen)
    except EmotraceError as error:
        print(f"{recipe.corpus}: {error}", file=sys.stderr)
        return int(error.exit_code)


def _parser(recipe: Recipe) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=f"emotrace's priors on {recipe.corpus}: the whole protocol.")
    parser.add_argument("--root", type=Path, help="folder that the owners' archive unpacks to")
    parser.add_argument("--features", action="append", help="visual=NAME, vocal=NAME, verbal=NAME; see docs/priors.md")
    parser.add_argument("--traces", type=Path, help="JSON lines of `emotrace trace`")
    parser.add_argument("--text-encoder", default=DEFAULT_TRACE_ENCODER, help=f"(default: {DEFAULT_TRACE_ENCODER})")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder of runs (default: runs)")
    parser.add_argument("--folds", default="all", help="1-5, or 1,2, or all (default: all)")
    parser.add_argument("--seeds", default="5", help="how many, or which as 0,1 (default: 5)")
    parser.add_argument("--test", help="splits to answer, or a csv file with a column `name` (default: all)")
    parser.add_argument("--budget", type=int, default=12, help="settings that the baseline may try (default: 12)")
    parser.add_argument("--dry-run", action="store_true", help="every step on a made-up miniature; under a minute")
    return parser


def _needs(recipe: Recipe) -> str:
    return "\n".join(
        (
            f"emotrace's priors on {recipe.corpus}. You need:",
            f"  corpus    {recipe.holds}",
            f"            {recipe.owner}",
            "  features  one set per modality in MERTools' layout: the organisers', or of `emotrace features`",
            "  traces    of `emotrace trace`, from a model on your own machine: the agreement forbids uploading clips",
            "  machine   two CPU cores do; a GPU only for making features and traces",
            f"First to reach, with the baseline: {recipe.peers}",
        )
    )


def _run(recipe: Recipe, chosen: argparse.Namespace) -> int:
    report = verify(open_corpus(recipe.corpus, chosen.root))
    for finding in report.faults:
        print(f"fault: {finding.check}: {finding.text} ({', '.join(finding.examples)})")
    if not report.clean:
        print("The copy is not as its owners published it; numbers from it could not be compared.")
        return 3
    choices = Choices(
        data=recipe.corpus,
        root=chosen.root,
        features=tuple(chosen.features),
        traces=chosen.traces,
        text_encoder=chosen.text_encoder,
        folds=folds_of(chosen.folds),
        seeds=seeds_of(chosen.seeds),
        tests=chosen.test,
    )
    _all_steps(choices, out=chosen.out, budget=chosen.budget, baseline_epochs=100)
    return 0


def _dry_run(recipe: Recipe, folder: Path) -> int:
    made = write_mer(folder / recipe.corpus, corpus=recipe.corpus, labelled=90, pool=40, tested=24)
    report = verify(open_corpus(recipe.corpus, made.root), expect="none")
    print(f"verify: {len(report.faults)} faults in the miniature, sha256 {report.sha256[:16]}")
    choices = Choices(
        data=recipe.corpus,
        root=made.root,
        features=made.features,
        traces=made.traces,
        text_encoder="hashed",
        folds=(1, 2),
        epochs=4,
        tuning_epochs=2,
        batch_size=32,
    )
    _all_steps(choices, out=folder / "runs", budget=1, baseline_epochs=2)
    return 0 if report.clean else 3


def _all_steps(choices: Choices, *, out: Path, budget: int, baseline_epochs: int) -> None:
    plan = prepare(replace(choices, view="none"), out=out / "baseline", tell=print)
    rows: list[Row] = [("MERBench attention", *run_baseline(plan, budget=budget, epochs=baseline_epochs))]
    print(_table(rows).markdown)  # before anything of ours: a comparison with a weak baseline says nothing
    plain = _study(replace(choices, view="none", contrast="none"), out / "cross-entropy")
    rows.append(("none, cross-entropy alone", *_scores(plain, "none")))
    views = _study(replace(choices, view="all"), out / "bdcl")
    rows += [
        (f"{'none' if view == 'none' else f'gated, {view} traces'}, BDCL", *_scores(views, view))
        for view in views.views
    ]
    without = _study(replace(choices, view="full", contrast="none"), out / "cross-entropy")
    rows.append(("gated, full traces, cross-entropy alone", *_scores(without, "full")))
    table = _table(rows)
    leak = f"\nLabel leak: {views.leak}." if views.leak else ""
    print(f"{table.markdown}\n{leak}")
    written = write_atomically(out / f"recipe_{choices.data}.md", f"{views.disclaimer}\n\n{table.markdown}\n{leak}\n")
    print(f"wrote {written}")
    for place in sorted(out.glob("*/*/*/submission*.csv")):
        print(f"submission file: {place}")


def _study(choices: Choices, out: Path) -> Study:
    return run_study(prepare(choices, out=out), tell=print)


def _scores(study: Study, view: View) -> tuple[PriorScores, dict[str, PriorScores | None]]:
    row = study.views[view]
    return row.validation, row.tests


def _table(rows: Sequence[Row]) -> Table:
    tests = list(rows[0][2])
    cells = []
    for arm, held, tested in rows:
        waf = held.waf
        own = [f"{percent(waf.value)} [{percent(waf.low)}, {percent(waf.high)}]"]
        own += [percent(each.value) for each in (held.war, held.uar, held.macro_f1)]
        own += ["hidden" if (found := tested[name]) is None else percent(found.waf.value) for name in tests]
        cells.append((arm, *own))
    head = ("arm", "WAF, held-out clips", "accuracy", "UAR", "macro-F1", *(f"WAF, {name}" for name in tests))
    return Table(title="All arms, in percent", head=head, rows=tuple(cells))
