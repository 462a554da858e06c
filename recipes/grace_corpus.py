"""What the recipes of DFEW, FERV39k and MAFW share: check the copy, train all arms, compare them, ask the weights.

    1. what its user must have is printed: the corpus, from its owner; CLIP's weights
    2. `verify`: counts, labels, splits and pictures of the copy; a fault ends the recipe
    3. the arm `none`, the plain model, all folds and seeds: it must come near what peers reach first
    4. the arms `softmax`, `balanced`, `unbalanced`, each against `none`, paired clip by clip
    5. the row with the other sampler, and the weights of one fold asked about its test list

`--dry-run` takes all steps on a miniature corpus made up on the spot, with the small encoder and two epochs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from emotrace.datasets.corpora import open_corpus
from emotrace.datasets.verify import verify
from emotrace.errors import EmotraceError
from emotrace.files import write_atomically
from emotrace.grace.config import Alignment
from emotrace.grace.corpora.answers import as_csv
from emotrace.grace.corpora.asking import answers_for, clips_of
from emotrace.grace.corpora.experiment import EMBEDDED, Choices, Sampler, prepare
from emotrace.grace.corpora.fold_results import LAST
from emotrace.grace.corpora.folds import run_folds
from emotrace.grace.corpora.results_page import percent
from emotrace.grace.corpora.study import run_study
from emotrace.grace.video.system import GraceSystem
from emotrace.media.faces import detector
from emotrace.metrics.answer_files import read_answers
from emotrace.metrics.evaluation import evaluate
from emotrace.metrics.protocols import PROTOCOLS
from emotrace.metrics.scored import Settings
from emotrace.testing.miniature import layout_of, write

ARMS: tuple[Alignment, ...] = ("none", "softmax", "balanced", "unbalanced")
CLIP = "openai/clip-vit-base-patch16"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is particular to one corpus."""

    corpus: str
    owner: str
    """Where its owner gives it away, and to whom."""
    holds: str
    """What a complete copy holds, and how much room it takes."""
    peers: str
    """What to reach first, in the arm `none`."""
    other_sampler: Sampler
    """Of the extra row."""
    options: Mapping[str, str | bool]
    """Of the corpus's adapter."""


def main(recipe: Recipe, arguments: Sequence[str] | None = None) -> int:
    """Runs the recipe; the exit code of the command line."""
    chosen = _parser(recipe).parse_args(arguments)
    print(_needs(recipe))
    try:
        if chosen.dry_run:
            with tempfile.TemporaryDirectory(prefix="emotrace-") as folder:
                layout = layout_of(recipe.corpus)
                write(replace(layout, options=recipe.options), Path(folder) / recipe.corpus)
                return _dry_run(recipe, Path(folder))
        if chosen.root is None:
            print(f"\nName the folder of {recipe.corpus} with --root, or try every step with --dry-run.")
            return 2
        return _run(recipe, chosen)
    except EmotraceError as error:
        print(f"{recipe.corpus}: {error}", file=sys.stderr)
        return int(error.exit_code)


def _parser(recipe: Recipe) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=f"emotrace's GRACE on {recipe.corpus}: the whole protocol.")
    parser.add_argument("--root", type=Path, help="folder that the owner's archive unpacks to")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder of runs (default: runs)")
    parser.add_argument("--encoder", default=CLIP, help=f"CLIP checkpoint: hub name or folder (default: {CLIP})")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS), help="the first is compared with")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each arm (default: 3)")
    parser.add_argument("--texts", help="file of the clips' texts, or `embedded` (default: class descriptions alone)")
    parser.add_argument("--workers", type=int, default=8, help="threads that read pictures (default: 8)")
    parser.add_argument("--dry-run", action="store_true", help="every step on a made-up miniature; under a minute")
    return parser


def _needs(recipe: Recipe) -> str:
    return "\n".join(
        (
            f"emotrace's GRACE on {recipe.corpus}. You need:",
            f"  corpus   {recipe.holds}",
            f"           {recipe.owner}",
            f"  weights  {CLIP} (599 MB, MIT), fetched by transformers on first use, or any CLIP folder: --encoder",
            "  machine  a GPU with 24 GB or more; all arms and seeds take days on one",
            f"First to reach, in the arm none: {recipe.peers}",
        )
    )


def _run(recipe: Recipe, chosen: argparse.Namespace) -> int:
    report = verify(open_corpus(recipe.corpus, chosen.root, **recipe.options))
    for finding in report.faults:
        print(f"fault: {finding.check}: {finding.text} ({', '.join(finding.examples)})")
    if not report.clean:
        print("The copy is not as its owner published it; numbers from it could not be compared.")
        return 3
    choices = Choices(
        data=recipe.corpus,
        root=chosen.root,
        options=recipe.options,
        encoder=chosen.encoder,
        texts=chosen.texts,
        workers=chosen.workers,
    )
    _all_steps(recipe, choices, arms=chosen.arms, seeds=range(chosen.seeds), out=chosen.out)
    return 0


def _dry_run(recipe: Recipe, folder: Path) -> int:
    root = folder / recipe.corpus
    report = verify(open_corpus(recipe.corpus, root, **recipe.options), expect="none")
    print(f"verify: {len(report.faults)} faults in the miniature, sha256 {report.sha256[:16]}")
    choices = Choices(
        data=recipe.corpus,
        root=root,
        options=recipe.options,
        encoder="tiny",
        epochs=2,
        frames=3,
        texts=EMBEDDED,
        rigid="median",
        workers=0,
    )
    _all_steps(recipe, choices, arms=("none", "balanced"), seeds=(0,), out=folder / "runs", extra_fold="1")
    return 0 if report.clean else 3


def _all_steps(
    recipe: Recipe,
    choices: Choices,
    *,
    arms: Sequence[Alignment],
    seeds: Sequence[int],
    out: Path,
    extra_fold: str = "all",
) -> None:
    run_study(choices, arms=arms, seeds=seeds, out=out, tell=print)
    last, seed = arms[-1], seeds[0]
    extra = replace(choices, alignment=last, sampler=recipe.other_sampler, seed=seed, fold=extra_fold)
    plan = prepare(extra, out=out / f"{last}-{recipe.other_sampler}", tell=print)
    found = run_folds(plan.experiment, plan.folder, text_alone=plan.text_alone, tell=print)
    mean = found.mean[LAST]
    print(f"{last}, sampler {recipe.other_sampler}, folds {', '.join(mean.folds)}, seed {seed}:")
    print(f"  UAR {percent(mean.uar)}, WAR {percent(mean.war)}; all tables in {plan.folder / 'results.md'}")
    _ask(recipe, choices, out / last / f"seed{seed}" / recipe.corpus / "f1")


def _ask(recipe: Recipe, choices: Choices, fold: Path) -> None:
    """The weights of a fold about its own test list, and the table scored as any other would be."""
    system = GraceSystem.load(fold / "last")
    labels = system.model.config.labels
    clips = clips_of(recipe.corpus, choices.root, fold="1", part="test", labels=labels, options=choices.options)
    answers = answers_for(system, clips, crop=False, detector=detector("opencv"), workers=choices.workers)
    truth = {clip.id: clip.target.labels[0] for clip in clips}
    table = write_atomically(fold / "answers.csv", as_csv(answers, labels, truth))
    own = read_answers(table)
    scored = evaluate(PROTOCOLS["dfer"], own, own, settings=Settings(scheme=recipe.corpus, rounds=0, engine="base"))
    uar, war = (scored.report.scores[name].value or 0.0 for name in ("uar", "war"))
    print(f"asked: {len(answers)} test clips of fold 1, UAR {100 * uar:.2f}, WAR {100 * war:.2f}, in {table}")
