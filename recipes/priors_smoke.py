"""Every part of the training of priors on a corpus made up on the spot, in under three minutes on two cores.

    python recipes/priors_smoke.py --folds 1-2 --limit 200

Both stages, guessed labels, the five views of the traces with the label-leak sentence, the label-shift table, cards and
the submission file. What it prints says that the parts work together; it says nothing about people.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from emotrace.errors import EmotraceError
from emotrace.priors.corpora.experiment import Choices, folds_of, prepare, seeds_of
from emotrace.priors.corpora.study import run_study
from emotrace.testing.mertools_corpus import write_mer


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the recipe; the exit code of the command line."""
    parser = argparse.ArgumentParser(description="Every part of `emotrace train priors` on a made-up corpus.")
    parser.add_argument("--folds", default="1-2", help="1-5, or 1,2, or all (default: 1-2)")
    parser.add_argument("--seeds", default="1", help="how many, or which as 0,1 (default: 1)")
    parser.add_argument("--limit", type=int, default=200, help="labelled clips that are made up (default: 200)")
    parser.add_argument("--out", type=Path, help="folder that keeps the runs (default: none is kept)")
    chosen = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="emotrace-") as folder:
            return _run(chosen, Path(folder))
    except EmotraceError as error:
        print(f"priors_smoke: {error}", file=sys.stderr)
        return int(error.exit_code)


def _run(chosen: argparse.Namespace, folder: Path) -> int:
    made = write_mer(folder / "mer2024", labelled=chosen.limit, pool=chosen.limit // 2)
    choices = Choices(
        data=made.corpus,
        root=made.root,
        features=made.features,
        traces=made.traces,
        text_encoder="hashed",
        view="all",
        folds=folds_of(chosen.folds),
        seeds=seeds_of(chosen.seeds),
        batch_size=32,
    )
    plan = prepare(choices, out=chosen.out or folder / "runs", tell=print)
    run_study(plan, tell=print)
    print((plan.folder / "views.md").read_text(encoding="utf-8"))
    guessed = (plan.folder / "full" / "results.md").read_text(encoding="utf-8").partition("## Pseudo-labels")
    print("".join(guessed[1:]))
    answers = (plan.folder / "full" / "submission.csv").read_text(encoding="utf-8").splitlines()
    print(f"submission file: {len(answers) - 1} clips, columns {answers[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
