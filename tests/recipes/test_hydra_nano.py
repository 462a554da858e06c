"""The one-file algorithm does what the library does by TRL, and its parts do what they say."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")
pytestmark = pytest.mark.usefixtures("one_thread")

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
TRAINED = Path(__file__).resolve().parents[1] / "hydra" / "nano" / "trained"


@pytest.fixture(scope="module")
def nano() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(RECIPES))
        yield importlib.import_module("hydra_nano")


@pytest.fixture(scope="module")
def policy(nano: Any) -> tuple[Any, Any]:
    tokenizer = nano.nano_tokenizer()
    return nano.nano_model("nano", tokenizer, seed=1), tokenizer


def test_steps_by_this_file_and_by_trl_are_equal(nano: Any, tmp_path: Path) -> None:
    check = importlib.import_module("hydra_nano_check").check
    differences = check(tmp_path, steps=2, start=TRAINED)
    assert differences["mean reward"] > 0.05, "a policy that earns nothing would compare zeros"
    assert differences["reward"] < 1e-6  # TRL adds rewards in float32
    assert differences["loss"] < 2e-6
    assert differences["norm"] < 1e-5


def test_advantages_are_of_the_group_in_deviations_of_the_batch(nano: Any) -> None:
    rewards = torch.tensor([1.0, 3.0, 5.0, 5.0])
    better = nano.advantages(rewards, 2)
    assert torch.allclose(better, torch.tensor([-1.0, 1.0, 0.0, 0.0]) / (rewards.std() + 1e-4))
    assert nano.advantages(torch.tensor([1.0, 2.0, torch.nan, torch.nan]), 2)[2:].tolist() == [0.0, 0.0]


def test_rewards_normalised_apart_count_alike_whatever_their_spread(nano: Any) -> None:
    terms = torch.tensor([[0.0, 0.4], [1.0, 0.5], [0.3, 0.9], [0.9, 0.1], [0.5, 0.2], [0.1, 0.3]])
    weights = torch.tensor([1.0, 1.0])
    apart = nano.advantages_apart(terms, weights, 3)
    other_units = nano.advantages_apart(terms * torch.tensor([1.0, 100.0]), weights, 3)
    assert torch.allclose(apart, other_units, atol=5e-3), "a reward in other units changes nothing"
    assert not torch.allclose(nano.advantages(terms @ weights, 3), apart, atol=0.05)


def test_shared_prompts_give_the_probabilities_of_plain_reading(nano: Any, policy: tuple[Any, Any]) -> None:
    model, tokenizer = policy
    prompts = [[300, 301, 302, 303, 304], [310, 311]]
    replies = [[400, 401, 402], [403], [404, 405], [406, 407, 408, 409]]
    shared, counts = nano.log_probabilities(model, tokenizer, prompts, replies)
    for row, reply in enumerate(replies):
        prompt = prompts[row // 2]
        logits = model(input_ids=torch.tensor([prompt + reply])).logits[0, len(prompt) - 1 : -1]
        plain = logits.log_softmax(-1).gather(1, torch.tensor(reply)[:, None])[:, 0]
        assert torch.allclose(shared[row, : len(reply)], plain, atol=2e-6)
        assert counts[row].tolist() == [True] * len(reply) + [False] * (4 - len(reply))


def test_greedy_samples_are_those_of_transformers(nano: Any, policy: tuple[Any, Any]) -> None:
    model, tokenizer = policy
    prompts = [[300, 301, 302, 303, 304], [310, 311], [320, 321, 322]]
    ours = nano.sample(model, tokenizer, prompts, temperature=0.0, most_tokens=12)
    for prompt, reply in zip(prompts, ours, strict=True):
        theirs = model.generate(torch.tensor([prompt]), max_new_tokens=12, do_sample=False)[0, len(prompt) :].tolist()
        assert reply == theirs


def test_a_group_shares_its_prompt_and_not_its_dice(nano: Any, policy: tuple[Any, Any]) -> None:
    model, tokenizer = policy
    draw = [
        nano.sample(
            model, tokenizer, [[300, 301]], group=4, most_tokens=8, generator=torch.Generator().manual_seed(seed)
        )
        for seed in (0, 0, 1)
    ]
    assert draw[0] == draw[1] != draw[2]
    assert len({tuple(reply) for reply in draw[0]}) == 4


def test_imitation_learns_and_leaves_the_question_out_of_the_loss(nano: Any, policy: tuple[Any, Any]) -> None:
    model, tokenizer = copy.deepcopy(policy[0]), policy[1]
    rows = [([300 + n], [400 + n, 410 + n, tokenizer.eos_token_id]) for n in range(8)]
    settings = nano.Imitation(epochs=40, batch=8)
    assert nano.imitate(model, tokenizer, rows, settings, seed=0) < 0.1
    said = nano.sample(model, tokenizer, [ask for ask, _ in rows], temperature=0.0, most_tokens=5)
    assert said == [reply for _, reply in rows]
