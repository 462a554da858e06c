"""The small models: a tokenizer that is always the same, a template that passes on the sheet, folders that load."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from emotrace.errors import UnknownChoice
from emotrace.hydra.asking.question import Question
from emotrace.hydra.asking.reading import Asked
from emotrace.hydra.grammar import render, trace_of
from emotrace.hydra.learning.prompts import prompt_messages
from emotrace.hydra.nano.model import SIZES, nano_model, save_nano
from emotrace.hydra.nano.tokenizer import TAGS, VOCABULARY, nano_tokenizer
from emotrace.hydra.protocol import run
from emotrace.hydra.reasoners.embedded import EmbeddedReasoner
from emotrace.hydra.world import World, sample

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return nano_tokenizer()


@pytest.fixture(scope="module")
def sheets() -> Any:
    return [draw.sheet for draw in islice(sample(World(), 40, seed=9), 40)]


def prompt_of(tokenizer: Any, messages: Any) -> str:
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))


def test_the_vocabulary_has_its_size_and_tags_are_single_tokens_that_stay_readable(tokenizer: Any) -> None:
    assert len(tokenizer) == VOCABULARY
    for tag in TAGS:
        (id,) = tokenizer(tag)["input_ids"]
        assert tokenizer.decode([id], skip_special_tokens=True) == tag


def test_any_text_survives(tokenizer: Any, sheets: Any) -> None:
    texts = ["naïve façade – 42 % 😀", "", "[V12] h3~ 0.07"]
    for sheet in sheets:
        verdict = run(sheet, EmbeddedReasoner(), abstain=False)
        if verdict.labels:
            texts.append(render(trace_of(verdict, sheet)))
    for text in texts:
        assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text


def test_the_template_passes_on_every_observation_and_nothing_of_the_instructions(tokenizer: Any, sheets: Any) -> None:
    for sheet in sheets:
        prompt = prompt_of(tokenizer, prompt_messages(sheet, k=2))
        lines = prompt.splitlines()
        assert [line.split(" ", 1)[0].strip("[]") for line in lines if line.startswith("[")] == [
            observation.id for observation in sheet.observations
        ]
        for observation, line in zip(sheet.observations, lines, strict=False):
            assert f'"{observation.text}" {observation.strength:.1f} {observation.confidence:.1f}' in line
        assert len(lines) == len(sheet.observations) + len(sheet.missing)
        assert prompt == prompt_of(tokenizer, prompt_messages(sheet, k=4)), "instructions must not show"


def test_a_served_model_reads_what_it_was_trained_on(tokenizer: Any, sheets: Any) -> None:
    # A server is sent content parts; training rows hold plain strings. Both must come out alike.
    question = Question(asked=Asked(step="reason", k=2, sheet=sheets[0]))
    parts = [{"type": "text", "text": part.text} for part in question.parts(vision=False, audio=False)]  # type: ignore[union-attr]
    served = [{"role": "system", "content": question.system("tags")}, {"role": "user", "content": parts}]
    assert prompt_of(tokenizer, served) == prompt_of(tokenizer, prompt_messages(sheets[0], k=2))


def test_whoever_speaks_in_the_clip_cannot_end_the_fence(tokenizer: Any, sheets: Any) -> None:
    messages = prompt_messages(sheets[0], k=2)
    fence = messages[1]["content"].splitlines()[0]
    assert messages[1]["content"].count(fence) == 2


def test_equal_seeds_give_equal_weights_and_the_global_generator_is_left_alone(tokenizer: Any) -> None:
    import torch

    before = torch.get_rng_state()
    one, two, other = (nano_model("nano", tokenizer, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(one.lm_head.weight, two.lm_head.weight)
    assert not torch.equal(one.lm_head.weight, other.lm_head.weight)


def test_a_size_that_does_not_exist_is_refused(tokenizer: Any) -> None:
    with pytest.raises(UnknownChoice, match="nano, small, large"):
        nano_model("huge", tokenizer, seed=0)
    assert list(SIZES) == ["nano", "small", "large"]


def test_a_saved_folder_loads_with_the_same_words(tokenizer: Any, sheets: Any, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    save_nano(tmp_path, nano_model("nano", tokenizer, seed=0), tokenizer)
    again = AutoTokenizer.from_pretrained(tmp_path)
    messages = prompt_messages(sheets[0], k=2)
    assert prompt_of(again, messages) == prompt_of(tokenizer, messages)
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert model.config.eos_token_id == again.eos_token_id
    reply = again("<hyp>\n</hyp>\n<think>\n</think>\n<ans>sad [V1]</ans>")["input_ids"] + [again.eos_token_id]
    # What `transformers serve` makes of a reply: all of it, thinking too.
    assert again.parse_response(reply, prefix="x")["content"].startswith("<hyp>")
