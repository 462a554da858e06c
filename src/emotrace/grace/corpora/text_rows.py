"""What the clips' words alone tell, fold by fold: the rows that stand beside a model which reads words at test time.

If the pictures add less than one point of UAR to the words, the words decide, and the table says so [ours].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from emotrace.grace.cate import EmotionWords
from emotrace.grace.config import GraceConfig
from emotrace.grace.corpora.fold_results import TextRows
from emotrace.grace.corpora.protocol import Fold
from emotrace.grace.corpora.texts import Descriptions, words_of
from emotrace.grace.language.text_probe import ProbeScores, text_probe

if TYPE_CHECKING:
    from emotrace.encoders.interface import Tokenizer

LENGTH = "length of the text alone"


def text_rows(
    folds: Sequence[Fold], descriptions: Descriptions, tokenizer: Tokenizer, config: GraceConfig, *, seed: int = 0
) -> TextRows:
    """UAR and WAR of the words alone, as means over the folds.

    Of the words as they were said, refined, refined with emotion words kept, and of their length.

    Raises:
        MissingExtra: scikit-learn is not installed.
        UsageError: A fold has too few classes to learn from.
    """
    said, fine = descriptions.narratives, config.model_copy(update={"text": "fine"})

    def refined(emotion_words: EmotionWords) -> dict[str, str]:
        words = {name: words_of(each, tokenizer, fine, emotion_words=emotion_words) for name, each in said.items()}
        return {name: ", ".join(phrase.text for phrase in each.phrases) for name, each in words.items()}

    kinds = {
        "coarse": {name: each.text for name, each in said.items()},
        "fine": refined("strip"),
        "fine, emotion words kept": refined("keep"),
    }
    probes = {title: [_probe(fold, texts, seed) for fold in folds] for title, texts in kinds.items()}
    rows = {title: (_mean([p.uar for p in each]), _mean([p.war for p in each])) for title, each in probes.items()}
    lengths = probes["coarse"]
    rows[LENGTH] = (_mean([p.length_uar for p in lengths]), _mean([p.length_war for p in lengths]))
    return TextRows(
        uar={title: uar for title, (uar, _) in rows.items()},
        war={title: war for title, (_, war) in rows.items()},
        read_by_model=config.text,
    )


def _probe(fold: Fold, texts: dict[str, str], seed: int) -> ProbeScores:
    train, test = fold.train_items, fold.test_items
    return text_probe(
        [texts.get(item.key, "") for item in train],
        [item.label for item in train],
        [texts.get(item.key, "") for item in test],
        [item.label for item in test],
        seed=seed,
    )


def _mean(shares: Sequence[float]) -> float:
    return float(np.mean(shares))
