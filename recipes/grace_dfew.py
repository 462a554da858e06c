"""emotrace's GRACE on DFEW: seven expressions in film clips, five folds, 25 epochs.

    python recipes/grace_dfew.py --root /data/DFEW --out runs
    python recipes/grace_dfew.py --dry-run

Steps and settings: `grace_corpus.py`, `docs/grace.md`. Folds share films and actors, so a high score is not one on new
people; the frame folder moves scores by several points and stands in every result.
"""

from __future__ import annotations

import sys

from grace_corpus import Recipe, main

DFEW = Recipe(
    corpus="dfew",
    owner="https://dfew-dataset.github.io: academic research, on application",
    holds="DFEW, single-labelled: EmoLabel_DataSplit/ and Clip/clip_224x224/, 11,697 clips",
    peers="DFER-CLIP, UAR 59.61 and WAR 71.25 (arXiv 2308.13382), within 2 points",
    other_sampler="logit_adjustment",
    options={"frames": "clip_224x224"},
)

if __name__ == "__main__":
    sys.exit(main(DFEW))
