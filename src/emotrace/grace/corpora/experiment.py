"""From a few choices to an experiment that can run: lists, model, words, and how the corpus is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import torch
from accelerate import PartialState

from emotrace.encoders.adaptation import Adaptation
from emotrace.encoders.registry import build_encoder
from emotrace.encoders.towers import TextTower
from emotrace.files import make_folder
from emotrace.grace.checkpoints import keeps_frozen
from emotrace.grace.config import Alignment, ClipText, GraceConfig, TextMode
from emotrace.grace.corpora.describing import describe_clips
from emotrace.grace.corpora.fold_results import TextRows
from emotrace.grace.corpora.folds import Experiment
from emotrace.grace.corpora.protocol import EPOCHS, OTHER_EPOCHS, Protocol, open_protocol
from emotrace.grace.corpora.text_rows import text_rows
from emotrace.grace.corpora.texts import Descriptions, read_descriptions
from emotrace.grace.views import AUGMENTATIONS, Augmentation
from emotrace.media.faces import detector as build_detector
from emotrace.progress import Watch
from emotrace.training.settings import Precision, TrainingSettings

Sampler = Literal["shuffled", "sqrt_inverse", "balanced", "logit_adjustment"]
EMBEDDED: Final = "embedded"
"""In place of a file of texts: the embedded observers look at the clips."""
VALIDATION_SHARE: Final = 0.1
_USUAL: Final[Mapping[str, Adaptation]] = {"tiny": "full", "embedded": "frozen"}
"""What of an encoder is trained unless something else is asked for; `lora` for CLIP."""


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What a person chooses; the defaults are the protocol's [ours]."""

    data: str
    root: Path
    fold: str = "all"
    options: Mapping[str, str | bool] = field(default_factory=dict)
    """Of the corpus's adapter."""
    epochs: int | None = None
    """None takes the corpus's own number."""
    batch_size: int = 32
    sampler: Sampler = "shuffled"
    """`logit_adjustment` shuffles, and adds the classes' log prior to the logits in training."""
    validation: bool = False
    encoder: str = "openai/clip-vit-base-patch16"
    adaptation: Adaptation | None = None
    frames: int = 16
    alignment: Alignment = "balanced"
    motion: Literal["off", "pixel", "feature"] = "pixel"
    rigid: Literal["off", "median", "affine"] = "affine"
    texts: str | None = None
    """A file, `embedded`, or None: the class bank alone."""
    text: ClipText | None = None
    """None: `fine` where there are texts."""
    text_mode: TextMode = "train_only"
    seed: int = 0
    precision: Precision | Literal["auto"] = "auto"
    workers: int = 2


@dataclass(frozen=True, kw_only=True)
class Plan:
    """An experiment, where it is kept, and what goes into its table."""

    experiment: Experiment
    folder: Path
    text_alone: TextRows | None
    """What the words alone tell; None unless the model reads words at test time."""


def prepare(
    choices: Choices, *, out: Path, watch: Watch | None = None, tell: Callable[[str], None] = lambda line: None
) -> Plan:
    """Reads the lists, gets the words, and settles everything that decides the numbers.

    Args:
        choices: What is wanted.
        out: Folder of runs; the corpus gets one of its own in it.
        watch: Told how far the describing is.
        tell: Gets a line for what a person should know.

    Raises:
        UnknownChoice, UnknownLabel, DatasetError: As for `open_protocol`.
        ModelNotFound: The encoder's weights are not on this machine and cannot be fetched.
        UnreadableTable, MissingClip: The texts cannot be read, or clips have none.
        MissingExtra: An optional package is needed.
        UsageError: Choices that cannot go together.
    """
    protocol = open_protocol(choices.data, choices.root, fold=choices.fold, options=choices.options)
    config = config_of(choices, protocol)
    folder = make_folder(out / protocol.corpus)
    _, reader = build_encoder(config.encoder, seed=choices.seed, adaptation=config.adaptation)
    words = None
    if config.text == "none":
        if config.alignment != "none":
            tell(
                "no texts: the alignment loss reads the class descriptions of each clip's label (--texts adds its own)"
            )
    else:
        with PartialState().main_process_first():
            words = _descriptions(choices, protocol, config, folder, reader, watch)
    tested = config.text_mode == "train_and_test"
    return Plan(
        experiment=Experiment(
            protocol=protocol,
            config=config,
            settings=settings_of(choices, protocol),
            augmentation=AUGMENTATIONS.get(protocol.corpus, Augmentation()),
            texts={} if words is None else words.affect_texts(reader.tokenizer, config),
            text_source=None if words is None else words.source,
            text_sha256=None if words is None else words.sha256,
        ),
        folder=folder,
        text_alone=text_rows(protocol.folds, words, reader.tokenizer, config, seed=choices.seed)
        if words is not None and tested
        else None,
    )


def config_of(choices: Choices, protocol: Protocol) -> GraceConfig:
    """What the model is made of."""
    return GraceConfig(
        labels=protocol.labels,
        encoder=choices.encoder,
        adaptation=choices.adaptation or _USUAL.get(choices.encoder, "lora"),
        frames=choices.frames,
        text=choices.text or ("none" if choices.texts is None else "fine"),
        text_mode=choices.text_mode,
        motion=choices.motion,
        rigid=choices.rigid,
        alignment=choices.alignment,
        logit_adjustment=1.0 if choices.sampler == "logit_adjustment" else 0.0,
    )


def settings_of(choices: Choices, protocol: Protocol) -> TrainingSettings:
    """How it is trained."""
    has_bf16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return TrainingSettings(
        epochs=choices.epochs or EPOCHS.get(protocol.corpus, OTHER_EPOCHS),
        batch_size=choices.batch_size,
        sampler="shuffled" if choices.sampler == "logit_adjustment" else choices.sampler,
        precision=("bf16" if has_bf16 else "no") if choices.precision == "auto" else choices.precision,
        validation_share=VALIDATION_SHARE if choices.validation else 0.0,
        seed=choices.seed,
        workers=choices.workers,
        keep_frozen=keeps_frozen(choices.encoder),
    )


def _descriptions(
    choices: Choices, protocol: Protocol, config: GraceConfig, folder: Path, reader: TextTower, watch: Watch | None
) -> Descriptions:
    """What was said of the clips whose words are read: those of training, and of the test where the mode says so."""
    tested = config.text_mode == "train_and_test"
    wanted = {
        example.id: example for fold in protocol.folds for example in (*fold.train, *(fold.test if tested else ()))
    }
    if choices.texts == EMBEDDED:
        return describe_clips(
            wanted.values(),
            corpus=protocol.corpus,
            cache=folder / "texts.embedded.jsonl",
            detector=build_detector("auto"),
            tokenizer=reader.tokenizer,
            config=config,
            watch=watch,
        )
    words = read_descriptions(Path(choices.texts or ""), corpus=protocol.corpus, names=tuple(wanted))
    words.demand(tuple(wanted), what="clips")
    return words
