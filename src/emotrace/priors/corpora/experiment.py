"""From a few choices to arms that can run: a corpus's parts, features, traces, and one set of `PriorClips` per view."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
from jaxtyping import Float32, Int64

from emotrace.datasets.example import Example
from emotrace.datasets.mertools_features import UtteranceFeatures
from emotrace.encoders.cache import CachedSentences, FeatureCache
from emotrace.encoders.text import DEFAULT_TRACE_ENCODER, SentenceEncoder, sentence_encoder
from emotrace.errors import UsageError
from emotrace.files import make_folder
from emotrace.priors.clips import PriorClips
from emotrace.priors.config import FEATURES, SECTIONS, Contrast, InjectionMode, PriorsConfig
from emotrace.priors.corpora.corpus import PriorCorpus, open_prior_corpus, valence_of
from emotrace.priors.corpora.feature_files import FeatureFiles, open_features
from emotrace.priors.corpora.protocol import make_folds
from emotrace.priors.corpora.trace_files import MatchedTraces, MediaHashes, match_traces
from emotrace.priors.stages import StageSettings
from emotrace.priors.trace_vectors import encode_traces
from emotrace.priors.trace_views import VIEWS, View
from emotrace.progress import Watch

FOLDS: Final = 5
TELLS_VERDICT: Final[tuple[View, ...]] = ("full", "verdict")
"""The views that know the observer's answer. In them alone a guessed label must agree with it."""


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What a person chooses; the defaults are the specification's [ours]."""

    data: str
    root: Path
    features: tuple[str, ...]
    """See `feature_files.py`."""
    options: Mapping[str, str | bool] = field(default_factory=dict)
    """Of the corpus's adapter."""
    traces: Path | None = None
    text_encoder: str = DEFAULT_TRACE_ENCODER
    view: View | Literal["all"] = "full"
    injection: InjectionMode = "gated"
    contrast: Contrast | Literal["none"] = "both"
    kappa: float = 0.0
    valence: bool = False
    """Whether a head for valence is trained; the submission then has a third column."""
    folds: tuple[int, ...] = (1, 2, 3, 4, 5)
    seeds: tuple[int, ...] = (0,)
    unlabelled: bool = True
    tests: str | None = None
    """See `open_prior_corpus`."""
    limit: int | None = None
    """Most clips of each part, for trials."""
    epochs: int = StageSettings.epochs
    tuning_epochs: int = StageSettings.tuning_epochs
    batch_size: int = StageSettings.batch_size


@dataclass(frozen=True, kw_only=True, eq=False)
class Parts:
    """One view of a corpus."""

    labelled: PriorClips
    unlabelled: PriorClips | None
    tests: Mapping[str, PriorClips]


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """Everything that decides the numbers, read and checked."""

    choices: Choices
    corpus: PriorCorpus
    files: Mapping[str, FeatureFiles]
    rows: Mapping[str, UtteranceFeatures]
    """By modality, over all clips."""
    traces: MatchedTraces | None
    encoder: SentenceEncoder | None
    """Of the traces; None without them."""
    settings: StageSettings
    folder: Path
    views: tuple[View, ...]

    def config(self, view: View) -> PriorsConfig:
        """The network of a view: without traces nothing is injected."""
        contrast = self.choices.contrast
        usual = PriorsConfig(
            labels=self.corpus.scheme.labels,
            injection="none" if view == "none" else self.choices.injection,
            logit_adjustment=self.choices.kappa,
            has_valence=self.choices.valence,
        )
        off = {"contrastive_weight": 0.0} if contrast == "none" else {"contrast": contrast}
        return usual.model_copy(update=off)

    def parts(self, view: View) -> Parts:
        """The clips as a view shows them; features are the same arrays in all views."""
        place = {name: row for row, name in enumerate(next(iter(self.rows.values())).names)}

        def clips(examples: Sequence[Example], view: View = view, groups: Sequence[object] | None = None) -> PriorClips:
            rows = np.array([place[each.id] for each in examples], np.int64)
            return self._clips(examples, rows, view, groups)

        folds = make_folds(clips(self.corpus.labelled, "none"), count=FOLDS).fold_of.tolist()
        unlabelled = clips(self.corpus.unlabelled) if self.corpus.unlabelled else None
        pool = tuple(each.id for each in self.corpus.unlabelled)
        return Parts(
            labelled=clips(self.corpus.labelled, groups=folds),
            unlabelled=unlabelled,
            tests={  # a test that is hidden in the pool is the pool: a hundred thousand clips are not held twice
                name: unlabelled if unlabelled is not None and tuple(e.id for e in part) == pool else clips(part)
                for name, part in self.corpus.tests.items()
            },
        )

    def _clips(
        self, examples: Sequence[Example], rows: Int64[np.ndarray, " clip"], view: View, groups: Sequence[object] | None
    ) -> PriorClips:
        nothing = np.zeros((len(examples), 1), np.float32)
        here = [self.rows.get(name) for name in FEATURES]
        vectors, rho = self._vectors(examples, view, groups)
        told = self.traces is not None and view in TELLS_VERDICT
        return PriorClips(
            keys=tuple(each.id for each in examples),
            label_names=self.corpus.scheme.labels,
            features={
                name: nothing if found is None else found.rows[rows] for name, found in zip(FEATURES, here, strict=True)
            },
            present=np.stack(
                [np.zeros(len(examples), bool) if found is None else found.present[rows] for found in here], axis=1
            ),
            traces=vectors,
            rho=rho,
            labels=self.corpus.labels_of(examples),
            valence=valence_of(examples) if self.choices.valence else None,
            groups=tuple(each.group for each in examples),
            verdicts=self.traces.verdicts(examples, self.corpus.scheme) if told and self.traces is not None else None,
        )

    def _vectors(
        self, examples: Sequence[Example], view: View, groups: Sequence[object] | None
    ) -> tuple[Float32[np.ndarray, "clip section width"] | None, Float32[np.ndarray, "clip section"]]:
        """Vectors and reliabilities; None where no clip of the part has a trace."""
        none = np.zeros((len(examples), len(SECTIONS)), np.float32)
        if view == "none" or self.traces is None or self.encoder is None:
            return None, none
        if not any(each.id in self.traces.by_clip for each in examples):
            return None, none
        if view == "shuffled" and len(examples) == 1:
            return None, none  # there is no other clip to take the trace of
        if groups is not None and min(Counter(groups).values()) == 1:
            groups = None  # of a fold of one clip neither: then traces are exchanged over folds
        made = encode_traces(
            self.traces.by_clip,
            [each.id for each in examples],
            self.encoder,
            scheme=self.corpus.scheme,
            view=view,
            folds=groups,
        )
        return made.vectors, made.rho


def prepare(
    choices: Choices, *, out: Path, watch: Watch | None = None, tell: Callable[[str], None] = lambda line: None
) -> Plan:
    """Reads lists, features and traces, and says what of them is missing.

    Args:
        choices: What is wanted.
        out: Folder of runs; the corpus gets one of its own in it.
        watch: Told how far the hashing is.
        tell: Gets a line for what a person should know.

    Raises:
        UsageError: Choices that cannot go together.
        UnknownChoice, UnknownLabel, LeakError, NamesDoNotMatch, DatasetError: As for `open_prior_corpus`.
        InvalidFeatures: Features that cannot be read.
        UnreadableTrace: No trace of the file is of a labelled clip.
        MissingExtra, ModelNotFound, ModelFileError: The text encoder cannot be had.
    """
    views = _views(choices)
    corpus = open_prior_corpus(
        choices.data, choices.root, options=choices.options, tests=choices.tests, unlabelled=choices.unlabelled
    )
    if choices.limit is not None:
        corpus = corpus.limited(choices.limit)
    files = open_features(choices.features, choices.root)
    rows = _rows(corpus, files, tell)
    corpus = _without_blanks(corpus, rows, tell)
    folder = make_folder(out / corpus.name)
    traces = encoder = None
    if choices.traces is not None:
        traces = match_traces(choices.traces, corpus.examples, MediaHashes(folder / "media_sha256.json"), watch=watch)
        for line in traces.report.told:
            tell(line)
        if not any(each.id in traces.by_clip for each in corpus.labelled):
            raise UsageError("no labelled clip has a trace", where=choices.traces, hint="Trace the training clips too")
        encoder = _encoder(choices.text_encoder)
    elif views != ("none",):
        raise UsageError("needs traces", where=f"--view {choices.view}", hint="Name them with --traces FILE")
    settings = StageSettings(epochs=choices.epochs, tuning_epochs=choices.tuning_epochs, batch_size=choices.batch_size)
    return Plan(
        choices=choices,
        corpus=corpus,
        files=files,
        rows=rows,
        traces=traces,
        encoder=encoder,
        settings=settings,
        folder=folder,
        views=views,
    )


def folds_of(text: str) -> tuple[int, ...]:
    """The folds that `all`, a range or a list stands for.

    >>> folds_of("all"), folds_of("1-3,5")
    ((1, 2, 3, 4, 5), (1, 2, 3, 5))

    Raises:
        UsageError: It names no fold, or one that there is not.
    """
    found = tuple(range(1, FOLDS + 1)) if text == "all" else _numbers(text, where="--folds")
    if not set(found) <= set(range(1, FOLDS + 1)):
        raise UsageError(f"cannot be {text!r}", where="--folds", hint=f"There are folds 1 to {FOLDS}")
    return found


def seeds_of(text: str) -> tuple[int, ...]:
    """The seeds: a single number is how many there are, a list or range is they themselves.

    >>> seeds_of("3"), seeds_of("0,7"), seeds_of("5-6")
    ((0, 1, 2), (0, 7), (5, 6))

    Raises:
        UsageError: It names no seed.
    """
    if text.strip().isdecimal():
        if int(text) == 0:
            raise UsageError("needs a seed at least", where="--seeds", hint="Write 5 for seeds 0 to 4, or 0,1")
        return tuple(range(int(text)))
    return _numbers(text, where="--seeds")


def _numbers(text: str, *, where: str) -> tuple[int, ...]:
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not (last.isdecimal() and int(first) <= int(last))):
            raise UsageError(f"cannot be {text!r}", where=where, hint="Write 1-3, or 1,3")
        found += range(int(first), int(last if dash else first) + 1)
    return tuple(dict.fromkeys(found))


def _views(choices: Choices) -> tuple[View, ...]:
    """`none` first: what all others are compared with."""
    if choices.view != "all":
        return ("none",) if choices.injection == "none" else (choices.view,)
    if choices.injection == "none":
        raise UsageError("shows no trace to anybody", where="--injection none", hint="Leave out --view all")
    return ("none", *(view for view in VIEWS if view != "none"))


def _rows(
    corpus: PriorCorpus, files: Mapping[str, FeatureFiles], tell: Callable[[str], None]
) -> dict[str, UtteranceFeatures]:
    """The rows of all clips by modality."""
    names = [example.id for example in corpus.examples]
    rows = {modality: each.read(names, silent=corpus.silent) for modality, each in files.items()}
    for modality in FEATURES:
        found = rows.get(modality)
        tell(f"features, {modality}: {'none given, so absent everywhere' if found is None else found.counts}")
    return rows


def _without_blanks(
    corpus: PriorCorpus, rows: Mapping[str, UtteranceFeatures], tell: Callable[[str], None]
) -> PriorCorpus:
    """Unlabelled clips that have no feature at all are left out: nothing could be guessed of them."""
    some = {name for each in rows.values() for name, there in zip(each.names, each.present, strict=True) if there}
    kept = tuple(example for example in corpus.unlabelled if example.id in some)
    if blank := len(corpus.unlabelled) - len(kept):
        tell(f"unlabelled: {blank} of {len(corpus.unlabelled)} clips have no features and are left out")
    tested = {name: sum(each.id not in some for each in part) for name, part in corpus.tests.items()}
    for name, count in {"labelled": sum(each.id not in some for each in corpus.labelled), **tested}.items():
        if count:
            tell(f"{name}: {count} clips have no features at all; they stay, and are answered from nothing")
    return replace(corpus, unlabelled=kept)


def _encoder(name: str) -> SentenceEncoder:
    """The text encoder; what a slow one read is kept on disk."""
    encoder = sentence_encoder(name)
    return encoder if name == "hashed" else CachedSentences(encoder, FeatureCache())
