r"""emotrace's priors on MER2023: six emotions in film clips, tests MULTI, NOISE and SEMI.

    python recipes/priors_mer2023.py --root /data/MER2023 --traces traces.jsonl \
        --features visual=clip-vit-large-patch14 --features vocal=chinese-hubert-large \
        --features verbal=Baichuan-13B-Base --out runs
    python recipes/priors_mer2023.py --dry-run

Its user must have MER2023 under its agreement, features of every clip, and traces. test1 is MULTI, test2 NOISE, test3
SEMI. Steps and columns: `priors_corpus.py`, `docs/priors.md`.
"""

from __future__ import annotations

import sys

from priors_corpus import Recipe, main

MER2023 = Recipe(
    corpus="mer2023",
    owner="http://merchallenge.cn/datasets: research, under the organisers' agreement",
    holds="MER2023: train-label.csv, train/ (3,373 clips), and the labelled tests test1, test2, test3",
    peers="WAF 86.4 on SEMI with audio, video and text (Emotion-LLaMA's README), within 2 points",
)

if __name__ == "__main__":
    sys.exit(main(MER2023))
