"""A small world, a tiny model from scratch, and one that has learned two trajectories by heart."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("trl", reason="needs the extra [rl]")

from emotrace.hydra.grammar import render
from emotrace.hydra.learning.cases import Case, Demonstration
from emotrace.hydra.learning.presets import GrpoSettings, SftSettings
from emotrace.hydra.nano.tokenizer import CHAT_TEMPLATE, END, PAD
from emotrace.hydra.protocol import run
from emotrace.hydra.reasoners.embedded import EmbeddedReasoner
from emotrace.hydra.trace import trace_of
from emotrace.hydra.world import World, sample

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from emotrace.hydra.learning.running import Learned

K = 0
"""Trajectories without hypotheses are the shortest."""


@pytest.fixture(scope="session", autouse=True)
def offline() -> Iterator[None]:
    """No test asks anybody for anything; and small models gain nothing from threads."""
    import torch
    from huggingface_hub import constants

    patch = pytest.MonkeyPatch()
    patch.setattr(constants, "HF_HUB_OFFLINE", True)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    patch.undo()


def _short_cases() -> Iterator[Case]:
    for draw in sample(World(), 300, seed=5):
        if 2 <= len(draw.sheet.observations) <= 3:
            yield Case(sheet=draw.sheet, gold=draw.cause.gold)


@pytest.fixture(scope="session")
def cases() -> list[Case]:
    """Four cases with few observations."""
    return list(islice(_short_cases(), 4))


def demonstration(case: Case, k: int) -> Demonstration:
    verdict = run(case.sheet, EmbeddedReasoner(), k=k, abstain=False)
    trace = render(trace_of(verdict, case.sheet))
    return Demonstration(sheet=case.sheet, gold=case.gold, frames=case.frames, k=k, trace=trace, teacher="embedded@1")


@pytest.fixture(scope="session")
def demonstrations(cases: list[Case]) -> list[Demonstration]:
    """The embedded reasoner's trajectories of the first two cases."""
    return [demonstration(case, K) for case in cases[:2]]


@pytest.fixture(scope="session")
def tokenizer(cases: list[Case], demonstrations: list[Demonstration]) -> PreTrainedTokenizerFast:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    from emotrace.hydra.asking.question import sheet_lines

    built = Tokenizer(models.BPE())
    built.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    built.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=[PAD, END], initial_alphabet=alphabet, show_progress=False
    )
    texts = ["\n".join(sheet_lines(case.sheet)) for case in cases] + [each.trace for each in demonstrations]
    built.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=built,
        pad_token=PAD,
        eos_token=END,
        chat_template=CHAT_TEMPLATE,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def tiny_config(tokenizer: Any) -> Any:
    from transformers import Qwen3Config

    return Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


@pytest.fixture(scope="session")
def newborn(tokenizer: PreTrainedTokenizerFast, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny decoder with random weights."""
    import torch
    from transformers import Qwen3ForCausalLM

    folder = tmp_path_factory.mktemp("newborn")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        Qwen3ForCausalLM(tiny_config(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def apprentice(newborn: Path, demonstrations: list[Demonstration], tmp_path_factory: pytest.TempPathFactory) -> Learned:
    """The same decoder after it has seen two trajectories often enough to write most of them down."""
    from emotrace.hydra.learning.sft import train_sft

    settings = SftSettings.preset("world", steps=90, batch=2, learning_rate=5e-3, device="cpu")
    return train_sft(settings, demonstrations, model=newborn, out=tmp_path_factory.mktemp("sft") / "run")


@pytest.fixture(scope="session")
def short() -> GrpoSettings:
    """Six small steps of GRPO, with a checkpoint in the middle."""
    return GrpoSettings.preset(
        "world", k=K, steps=6, group=4, prompts_per_step=2, max_completion=128, save_every=3, seed=7, device="cpu"
    )
