"""The tokenizer of the small models: byte-level BPE, trained on sheets and trajectories of the simulated world [ours].

Its chat template passes on the observations between the two fence lines of a question, without their times, and
nothing else: a small model has no use for instructions that never change. So a server of it takes the same question as
any other model does, word for word.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from emotrace.hydra.asking.question import sheet_lines
from emotrace.hydra.grammar import render, trace_of
from emotrace.hydra.learning.prompts import whole_reply
from emotrace.hydra.protocol import run
from emotrace.hydra.reasoners.embedded import EmbeddedReasoner
from emotrace.hydra.world import World, sample
from emotrace.labels.affects import AFFECTS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

VOCABULARY = 1536
"""[ours] Tokens, the 256 bytes included."""
TRAINED_ON = 600
"""[ours] Sheets whose text the vocabulary is made from."""
TAGS = ("<hyp>", "</hyp>", "<think>", "</think>", "<ans>", "</ans>")
END, PAD = "<|end|>", "<|pad|>"
WORDS = r" ?\[[VATJ]\d+\]| ?h\d[+~\-]?| ?\d+\.\d+| ?[^\W\d_]+| ?\d| ?[^\s\w]|\s+"
"""Where a token may not reach across: ids, marks, numbers, words and signs."""
CHAT_TEMPLATE = """\
{%- for message in messages -%}
{%- if message.role == "user" -%}
{%- set said = message.content if message.content is string else message.content[0].text -%}
{%- for line in said.split(said.split("\\n")[0])[1].strip().split("\\n") -%}
{%- if line.startswith("[") and ", strength " in line -%}
{%- set told = line.split(", strength ", 1)[1].split(": ", 1) -%}
{{ line.split(" ", 1)[0] + ' "' + told[1] + '" ' + told[0].replace(", certainty", "") + "\\n" }}
{%- elif not line.startswith("clip of ") -%}
{{ line + "\\n" }}
{%- endif -%}
{%- endfor -%}
{%- elif message.role == "assistant" -%}
{{ message.content + "<|end|>" }}
{%- endif -%}
{%- endfor -%}"""
"""Of what stands between the fence lines, ids, texts, strengths and certainties: `[V1] "brows rise" 0.7 0.8`."""


def nano_tokenizer(vocabulary: int = VOCABULARY) -> PreTrainedTokenizerFast:
    """Trains the tokenizer, in a few seconds and always to the same result."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(TAGS),
        special_tokens=[PAD, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(), trainer)
    # Tags are single tokens that are not special: whoever decodes a reply without its special tokens still sees them.
    tokenizer.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in TAGS])
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        chat_template=CHAT_TEMPLATE,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        response_template=whole_reply(END),
    )


def lexicon_lines() -> Iterator[str]:
    """A line for each affect with its words: how a model may meet the words of affects that are never gold."""
    for affect in AFFECTS:
        for word in affect.words:
            if word != affect.name:
                yield f"{word}: near {affect.name}"


def _texts() -> Iterable[str]:
    """What the vocabulary is made from: sheets, trajectories for every K, and the lexicon."""
    teacher = EmbeddedReasoner()
    yield from lexicon_lines()
    for number, draw in enumerate(sample(World(), TRAINED_ON, seed=1)):
        k = number % 5
        yield "\n".join(sheet_lines(draw.sheet))
        verdict = run(draw.sheet, teacher, k=k, abstain=False)
        if verdict.labels:
            yield render(trace_of(verdict, draw.sheet))
