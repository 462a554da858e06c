"""What is looked at in every trajectory of a step, beside its reward: format, labels, cites, and which rival wins.

TRL hands trajectories to reward functions and to nobody else. So the observer is one of them, of weight 0, and answers
None each time: TRL leaves it out of every sum, and a row that no reward applies to still counts as such.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any

from emotrace.evidence.observation import EvidenceSheet
from emotrace.hydra.grammar import Parse, parse
from emotrace.hydra.learning.journal import Journal
from emotrace.hydra.rewards import RewardConfig, Scorer
from emotrace.hydra.rewards.trl import Reward, text_of
from emotrace.hydra.trace import IssueCode

OBSERVER = "observed"
ISSUE = "issue/"
"""What the metrics of issue codes begin with."""


def observer(reward: RewardConfig, *, group: int, samples: Journal | None, samples_per_step: int) -> Reward:
    """A reward function that rewards nothing and looks at everything.

    Args:
        reward: As the trajectories are rewarded.
        group: Answers to one question.
        samples: Where some trajectories of each step are written; None in all processes but the first.
        samples_per_step: How many.
    """
    scorer = Scorer(reward)

    def observed(
        prompts: Any, completions: Sequence[Any], *, sheet: Sequence[str], gold: Sequence[Any], **kwargs: Any
    ) -> list[float | None]:
        clips = kwargs.get("clip_id") or [""] * len(completions)
        texts = [text_of(completion, f"clip {clip}") for completion, clip in zip(completions, clips, strict=True)]
        parses = [parse(text, k=reward.k, sheet=_sheet(record)) for text, record in zip(texts, sheet, strict=True)]
        totals = scorer.score(texts, sheet, gold, names=[f"clip {clip}" for clip in clips]).total.tolist()
        for name, value in [*seen_in(parses), *_spread(totals, group)]:
            kwargs["log_metric"](name, value)
        if samples is not None:
            # One of each question first, so that two samples are answers to two questions.
            order = sorted(range(len(texts)), key=lambda place: (place % group, place))[:samples_per_step]
            for place in order:
                samples.append(
                    {
                        "step": kwargs["trainer_state"].global_step + 1,
                        "clip_id": clips[place],
                        "gold": list(gold[place]),
                        "reward": None if totals[place] != totals[place] else totals[place],
                        "issues": [issue.code.value for issue in parses[place].issues],
                        "text": texts[place],
                    }
                )
        return [None] * len(completions)

    observed.__name__ = OBSERVER
    return observed


def seen_in(parses: Sequence[Parse]) -> Iterator[tuple[str, float]]:
    """Names and values of what a batch of trajectories looks like; what no trajectory shows is left out."""
    traces = [parse.trace for parse in parses if parse.trace is not None]
    yield "format_rate", len(traces) / len(parses)
    issues = Counter(code for parse in parses for code in {issue.code for issue in parse.issues})
    for code in IssueCode:  # all of them, so that processes agree on what they average
        yield f"{ISSUE}{code.value}", issues[code] / len(parses)
    if traces:
        yield "abstention_rate", fmean(trace.abstain is not None for trace in traces)
    if answered := [len(trace.answers) for trace in traces if trace.answers]:
        yield "labels_per_answer", fmean(answered)
    if chosen := [trace.verdict[0] for trace in traces if trace.verdict]:
        yield "winner_is_h1", fmean(winner == 1 for winner in chosen)
    if cites := [len(hypothesis.cites) for trace in traces for hypothesis in trace.hypotheses]:
        yield "cites_per_hypothesis", fmean(cites)


def _spread(totals: Sequence[float], group: int) -> Iterator[tuple[str, float]]:
    """Share of groups in which all answers have one reward, and so teach nothing. Unscorable groups count."""
    if len(totals) % group:
        return  # a group spread over processes
    groups = [totals[start : start + group] for start in range(0, len(totals), group)]
    yield "zero_variance_share", fmean(len(set(map(repr, answers))) == 1 for answers in groups)


def _sheet(record: str) -> EvidenceSheet:
    return EvidenceSheet.from_dict(json.loads(record))
