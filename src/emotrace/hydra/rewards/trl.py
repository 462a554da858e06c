"""The six terms as a trainer calls them: TRL's reward signature, without TRL.

    functions, weights = hydra_rewards(RewardConfig())
    GRPOTrainer(..., reward_funcs=functions, args=GRPOConfig(..., reward_weights=weights))

A data set needs two columns beside `prompt`: `sheet`, the JSON of `EvidenceSheet.to_dict` (a string, since Arrow would
fill absent keys of a mapping with nulls), and `gold`, a list of words; a column `clip_id`, if there is one, names the
sample in errors. Each function returns its *gated* term, so that
the trainer's weighted sum is R. All six share one scored batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from emotrace.errors import RewardFailed
from emotrace.hydra.grammar import parse
from emotrace.hydra.rewards.combine import TERMS, BatchScores, RewardConfig, Scorer, Term

Reward = Callable[..., list[float | None]]
"""(prompts, completions, **columns) -> one number per completion; None where gold is on no wheel."""


def hydra_rewards(config: RewardConfig | None = None) -> tuple[list[Reward], list[float]]:
    """Six reward functions `reward_fmt` to `reward_sem`, and their weights in the same order.

    Where the trainer passes `log_metric` and `log_extra`, each function also logs the mean of its raw term as
    `raw/<term>`; `reward_fmt` logs each text's issue codes and the mean closure phi · psi.

    Raises (when called):
        RewardFailed: A completion, sheet or gold that is not one. The run must stop: the message names the sample.
    """
    batch = _SharedBatch(Scorer(config))
    chosen = batch.scorer.config
    return [_reward(batch, term) for term in TERMS], [float(chosen.weights[term]) for term in TERMS]


class _SharedBatch:
    """The last batch and its scores: six functions ask for the same one in turn."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer
        self._key: tuple[Any, ...] | None = None
        self._scores: BatchScores | None = None

    def scores(
        self, texts: Sequence[str], sheets: Sequence[Any], golds: Sequence[Any], names: Sequence[str]
    ) -> BatchScores:
        key = (tuple(texts), tuple(sheets), tuple(map(repr, golds)))
        if self._scores is None or key != self._key:
            self._scores, self._key = self.scorer.score(texts, sheets, golds, names=names), key
        return self._scores


def _reward(batch: _SharedBatch, term: Term) -> Reward:
    column = TERMS.index(term)

    def reward(
        prompts: Any, completions: Sequence[Any], *, sheet: Sequence[Any], gold: Sequence[Any], **kwargs: Any
    ) -> list[float | None]:
        clips = kwargs.get("clip_id") or [""] * len(completions)
        names = [f"sample {number}" + (f" (clip {clip})" if clip else "") for number, clip in enumerate(clips)]
        texts = [text_of(*item) for item in zip(completions, names, strict=True)]
        scores = batch.scores(texts, sheet, gold, names)
        _log(scores, term, texts, batch.scorer.config.k, kwargs.get("log_metric"), kwargs.get("log_extra"))
        return [None if np.isnan(value) else value for value in scores.gated[:, column].tolist()]

    reward.__name__ = f"reward_{term}"
    return reward


def _log(
    scores: BatchScores,
    term: Term,
    texts: Sequence[str],
    k: int,
    log_metric: Callable[[str, float], Any] | None,
    log_extra: Callable[[str, list[str]], Any] | None,
) -> None:
    means = {f"raw/{term}": scores.raw[:, TERMS.index(term)]} | ({"closure": scores.closure} if term == "fmt" else {})
    for name, values in means.items():
        if log_metric is not None and not np.isnan(values).all():
            log_metric(name, float(np.nanmean(values)))
    if log_extra is not None and term == "fmt":
        log_extra("issue", [" ".join(dict.fromkeys(i.code for i in parse(text, k=k).issues)) for text in texts])


def text_of(completion: Any, name: str) -> str:
    """The text of a completion: a string, or a list of messages of which the last one counts.

    >>> text_of([{"role": "assistant", "content": [{"type": "text", "text": "<ans>"}]}], "sample 0")
    '<ans>'

    Raises:
        RewardFailed: Neither of the two.
    """
    if isinstance(completion, str):
        return completion
    content = completion[-1].get("content") if _is_conversation(completion) else None
    if isinstance(content, str):
        return content
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        return "".join(str(part.get("text", "")) for part in content)
    raise RewardFailed(f"a completion is a text or a list of messages, got {completion!r}", where=name)


def _is_conversation(completion: Any) -> bool:
    return isinstance(completion, list) and bool(completion) and isinstance(completion[-1], dict)
