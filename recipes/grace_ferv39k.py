"""emotrace's GRACE on FERV39k: seven expressions in clips of 22 scenes, one official split, 15 epochs.

    python recipes/grace_ferv39k.py --root /data/FERV39k --out runs
    python recipes/grace_ferv39k.py --dry-run

Steps and settings: `grace_corpus.py`, `docs/grace.md`. Its paths spell the label; no model or observer sees them.
"""

from __future__ import annotations

import sys

from grace_corpus import Recipe, main

FERV39K = Recipe(
    corpus="ferv39k",
    owner="https://github.com/wangyanckxx/FERV39k: non-commercial research, on application from a university",
    holds="FERV39k: 4_setups/ and 2_ClipsforFaceCrop/, 38,935 clips",
    peers="DFER-CLIP, UAR 41.27 and WAR 51.65 (arXiv 2308.13382), within 2 points",
    other_sampler="sqrt_inverse",
    options={},
)

if __name__ == "__main__":
    sys.exit(main(FERV39K))
