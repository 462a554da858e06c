r"""emotrace's priors on MER2024: six emotions in film clips, five folds, five seeds.

    python recipes/priors_mer2024.py --root /data/MER2024 --traces traces.jsonl \
        --features visual=clip-vit-large-patch14 --features vocal=chinese-hubert-large \
        --features verbal=Baichuan-13B-Base --out runs
    python recipes/priors_mer2024.py --dry-run

Its user must have MER2024 under its agreement, features of every clip, and traces; tests are scored only where
`semi-label.csv` and `noise-label.csv` are held, and answered in a submission file otherwise. Steps and columns:
`priors_corpus.py`, `docs/priors.md`. The training set holds MER2023's tests, and its test has 1.75 times the share of
sad clips: read the worst of the label-shift table, not only the first column.
"""

from __future__ import annotations

import sys

from priors_corpus import Recipe, main

MER2024 = Recipe(
    corpus="mer2024",
    owner="https://zeroqiaoba.github.io/MER2024-website: research, under the organisers' agreement",
    holds="MER2024: label-disdim.csv, video-labeled/ (5,030 clips), video-unlabeled-with-test2noise/",
    peers="run priors_mer2023.py first; the organisers' features then give MERBench's own level on these folds",
)

if __name__ == "__main__":
    sys.exit(main(MER2024))
