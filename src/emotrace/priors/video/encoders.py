"""The encoders that a network's card names, if they are still the same ones."""

from __future__ import annotations

from pathlib import Path

from emotrace.encoders.extract import encoder_named
from emotrace.encoders.features import FeatureEncoder
from emotrace.encoders.text import SentenceEncoder, sentence_encoder
from emotrace.errors import CheckpointMismatch
from emotrace.priors.card import FeatureSource, PriorsCard


def encoder_of(known: FeatureSource, modality: str, folder: Path) -> FeatureEncoder:
    """Who makes a modality's features.

    Args:
        known: What the card says.
        modality: For the message.
        folder: That of the weights, for the message.

    Raises:
        CheckpointMismatch: Other tools made the features, or the encoder has changed since.
        MissingExtra, ModelNotFound, ModelFileError: As for `encoder_named`.
    """
    if known.encoder is None:
        raise CheckpointMismatch(
            f"its {modality} features ({known.set_name}) were made by other tools, so a new clip has none",
            where=folder,
            hint="Make features with `emotrace features`, and train on those",
        )
    encoder = encoder_named(known.encoder)
    if encoder.fingerprint != known.fingerprint:
        raise CheckpointMismatch(
            f"its {modality} features are of {known.fingerprint}, and {known.encoder} is now {encoder.fingerprint}",
            where=folder,
            hint="Use the same weights of the encoder, or train anew",
        )
    return encoder


def text_encoder_of(card: PriorsCard, folder: Path) -> SentenceEncoder | None:
    """Who reads the traces; None for weights that read no clip's own trace.

    Raises:
        CheckpointMismatch: The encoder has changed since training.
        MissingExtra, ModelNotFound, ModelFileError: As for `sentence_encoder`.
    """
    if card.traces is None or card.traces.view in ("none", "shuffled"):  # the controls learned from no clip's own trace
        return None
    encoder = sentence_encoder(card.traces.text_encoder)
    if encoder.fingerprint != card.traces.text_fingerprint:
        raise CheckpointMismatch(
            f"its traces were read by {card.traces.text_fingerprint}, and {encoder.name} is now {encoder.fingerprint}",
            where=folder,
            hint="Use the same weights of the text encoder, or train anew",
        )
    return encoder
