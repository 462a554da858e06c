"""Is a judge stable? How often a language model names the same winner when the hypotheses come in another order.

    python recipes/hydra_agreement.py --url http://127.0.0.1:8000/v1 --model NAME --n 100 --out agreement.json
    python recipes/hydra_agreement.py --embedded --n 100 --out control.json
    python recipes/hydra_agreement.py --script texts.json --out scripted.json

Design: N sheets of the simulated world (split `iid`); one generation with K hypotheses, then the decision alone again,
with the hypotheses in reverse order under fresh letters (`--swap cyclic`: in all K rotations). Two numbers:

- *stable*: share of sheets with the same winner in every order. With K = 2 a judge that tosses a coin has .5, and one
  that always takes the first has 0. Open models as judges of emotion text had .40 to .81 [field, EmoPrefer];
- *order consistency*: mean share of the orders that share a winner, as verdicts carry it; with two orders it is .5 or
  1.

The embedded reasoner is free of order by construction: it is the control, and has 1. A script's winner is fixed:
replaying texts checks the counting, and says nothing about any model. The world's sheets hold no material of real
people; they and the prompts are all that is sent. The key comes from EMOTRACE_LLM_KEY. Needs no torch; a server needs
the extra `mllm`.

Being stable is not being right. Written before the first run, H1 [field]: a model of 8 thousand million parameters or
fewer is stable on less than 80 % of sheets.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np

from emotrace.errors import ReasoningError, ServerFailed, UsageError
from emotrace.evidence.observation import EvidenceSheet
from emotrace.files import write_atomically
from emotrace.hydra.protocol import run
from emotrace.hydra.reasoner import Reasoner
from emotrace.hydra.reasoners.embedded import EmbeddedReasoner
from emotrace.hydra.reasoners.scripted import ScriptedReasoner
from emotrace.hydra.world import splits
from emotrace.metrics.resampling import SummedScore, bootstrap
from emotrace.results import Usage

SPLIT = "iid"
Swap = Literal["reverse", "cyclic"]


def agreement(sheets: Sequence[EvidenceSheet], reasoner: Reasoner, *, k: int = 2, swap: Swap = "reverse") -> Any:
    """Asks about every sheet; what came of it, as plain values.

    A sheet without at least two hypotheses, and one whose replies cannot be used, has no consistency and is counted.

    Raises:
        UsageError: Fewer than two hypotheses, which have no order.
    """
    if k < 2:
        raise UsageError(f"an order takes at least two hypotheses, got {k}", where="--k")
    consistencies: list[float] = []
    left_out: Counter[str] = Counter()
    used, started = Usage(), time.perf_counter()
    for sheet in sheets:
        try:
            verdict = run(sheet, reasoner, k=k, mode="one", swap_check="cyclic" if swap == "cyclic" else True)
        except (ReasoningError, ServerFailed) as error:
            left_out[type(error).__name__] += 1
            continue
        used += verdict.usage
        if verdict.order_consistency is None:
            left_out["fewer than two hypotheses"] += 1
        else:
            consistencies.append(verdict.order_consistency)
    return {
        "reasoner": reasoner.name,
        "split": SPLIT,
        "sheets": len(sheets),
        "k": k,
        "swap": swap,
        "n": len(consistencies),
        "left_out": dict(sorted(left_out.items())),
        "stable": with_interval([float(value == 1.0) for value in consistencies]),
        "order_consistency": with_interval(consistencies),
        "usage": {
            "calls": used.calls,
            "prompt_tokens": used.prompt_tokens,
            "completion_tokens": used.completion_tokens,
            "server_seconds": None if used.seconds is None else round(used.seconds, 2),
            "seconds": round(time.perf_counter() - started, 2),
        },
    }


def with_interval(values: Sequence[float]) -> dict[str, float] | None:
    """Mean and 95 % bootstrap interval over sheets; None without any."""
    if not values:
        return None
    rows = np.array([(value, 1.0) for value in values], dtype=np.float64)
    score = SummedScore(rows=rows, finish=lambda totals: totals[..., 0] / totals[..., 1])
    drawn = bootstrap(score, seed=0)
    return {"mean": round(score.value, 4), "low": round(drawn.low, 4), "high": round(drawn.high, 4)}


def told(result: dict[str, Any]) -> list[str]:
    """The result in lines."""

    def share(value: dict[str, float] | None) -> str:
        return "none" if value is None else f"{value['mean']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"

    usage = result["usage"]
    left = ", ".join(f"{reason}: {count}" for reason, count in result["left_out"].items()) or "none"
    tokens = f"{usage['prompt_tokens']} read, {usage['completion_tokens']} written"
    return [
        f"{result['reasoner']}, K = {result['k']}, {result['swap']} order, sheets of the simulated world ({SPLIT})",
        f"n = {result['n']} of {result['sheets']} sheets; left out: {left}",
        f"stable (same winner in every order): {share(result['stable'])}",
        f"order consistency: {share(result['order_consistency'])}",
        f"calls: {usage['calls']}; tokens: {'unknown' if usage['prompt_tokens'] is None else tokens};"
        f" seconds: {usage['seconds']:.1f}",
        "The simulated world knows nothing about real people; being stable is not being right.",
    ]


def reasoner_of(chosen: argparse.Namespace, texts: Sequence[str]) -> Reasoner:
    """Who is asked."""
    if chosen.embedded:
        return EmbeddedReasoner()
    if chosen.script is not None:
        return ScriptedReasoner(*texts)
    from emotrace.evidence.providers.http import HttpProvider
    from emotrace.hydra.reasoners.mllm import MllmReasoner

    server = HttpProvider(base_url=chosen.url, model=chosen.model or "", announce=print)
    return MllmReasoner(server, form=chosen.form)


def main(given: Sequence[str] | None = None) -> None:
    """Asks, prints, and writes the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--url", help="address of an OpenAI-compatible server; it is sent sheets and prompts")
    who.add_argument("--embedded", action="store_true", help="the embedded reasoner, as the control")
    who.add_argument("--script", type=Path, help="a JSON list of trajectories, one per sheet, in order")
    parser.add_argument("--model", help="name of the model on the server")
    parser.add_argument("--form", choices=("auto", "json", "tags"), default="auto", help="how a model is to reply")
    parser.add_argument("--k", type=int, default=2, choices=(2, 3, 4))
    parser.add_argument("--n", type=int, default=100, help="how many sheets")
    parser.add_argument("--swap", choices=("reverse", "cyclic"), default="reverse")
    parser.add_argument("--out", type=Path, required=True, help="JSON file for the result")
    chosen = parser.parse_args(given)
    texts = [] if chosen.script is None else json.loads(chosen.script.read_text(encoding="utf-8"))
    count = chosen.n if chosen.script is None else min(chosen.n, len(texts))
    sheets = [draw.sheet for draw in islice(splits()[SPLIT], count)]
    result = agreement(sheets, reasoner_of(chosen, texts), k=chosen.k, swap=chosen.swap)
    write_atomically(chosen.out, json.dumps(result, indent=1) + "\n")
    print("\n".join(told(result)))


if __name__ == "__main__":
    main()
