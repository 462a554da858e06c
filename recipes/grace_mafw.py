"""emotrace's GRACE on MAFW: eleven expressions in film and short-video clips, five folds, 30 epochs.

    python recipes/grace_mafw.py --root /data/MAFW --out runs
    python recipes/grace_mafw.py --dry-run

Steps and settings: `grace_corpus.py`, `docs/grace.md`. Fold 1 is the hard one: one fold is never compared with a mean
of five. People's captions are not read: neutral clips have none, so whether there is one tells the label.
"""

from __future__ import annotations

import sys

from grace_corpus import Recipe, main

MAFW = Recipe(
    corpus="mafw",
    owner="https://github.com/MAFW-database/MAFW: non-commercial research, on application from a university",
    holds="MAFW, single expressions: Train_Test_Set/ and data/faces/ (face crops), 9,172 clips",
    peers="DFER-CLIP, UAR 38.89 (tabled differently in places) and WAR 52.55 (arXiv 2308.13382), within 2 points",
    other_sampler="logit_adjustment",
    options={"media": "faces"},
)

if __name__ == "__main__":
    sys.exit(main(MAFW))
