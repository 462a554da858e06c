"""Which clips somebody asks about, and their answers in the same order: files and folders, or a list of a corpus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from emotrace.datasets.example import IMAGE_SUFFIXES, VIDEO_SUFFIXES, Example, Target
from emotrace.datasets.frames import ExampleFrames
from emotrace.errors import DuplicateName, EmptyMedia, MediaNotFound, UsageError, first_five
from emotrace.grace.corpora.answers import ClipAnswer, answer_clips, answer_video
from emotrace.grace.corpora.protocol import Protocol, items_of, open_protocol
from emotrace.grace.corpora.texts import read_descriptions
from emotrace.grace.language.affect_text import AffectText
from emotrace.grace.video.system import GraceSystem
from emotrace.media.faces import FaceDetector
from emotrace.progress import Watch


def clips_at(paths: Sequence[Path]) -> list[Example]:
    """The clips that paths name: a file, a folder of frames, or a folder of either. Named by the last part of the path.

    Raises:
        MediaNotFound: Nothing is there.
        EmptyMedia: A folder without pictures, videos, or folders of pictures.
        DuplicateName: Two clips of one name.
    """
    found = [clip for path in paths for clip in _below(path)]
    names = [clip.stem if clip.is_file() else clip.name for clip in found]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise DuplicateName(f"clips of one name: {first_five(twice)}", hint="Ask about them one folder at a time")
    return [Example(id=name, media=clip, target=Target(), split="all") for name, clip in zip(names, found, strict=True)]


def _below(path: Path) -> list[Path]:
    if not path.exists():
        raise MediaNotFound("nothing is there", where=path)
    if path.is_file() or _holds_pictures(path):
        return [path]
    inner = sorted(path.iterdir())
    clips = [each for each in inner if each.is_dir() and _holds_pictures(each)]
    clips += [each for each in inner if each.is_file() and each.suffix.casefold() in VIDEO_SUFFIXES]
    if not clips:
        raise EmptyMedia(
            "no pictures, videos or folders of pictures are in it",
            where=path,
            hint="Name the folder that holds the clips",
        )
    return clips


def _holds_pictures(folder: Path) -> bool:
    return any(each.suffix.casefold() in IMAGE_SUFFIXES for each in folder.iterdir())


def clips_of(
    corpus: str, root: Path, *, fold: str, part: str, labels: Sequence[str], options: Mapping[str, object]
) -> list[Example]:
    """A list of one fold of a corpus.

    Raises:
        UsageError: Several folds, or a corpus with other labels than the weights have.
        UnknownChoice, UnknownLabel, DatasetError: As for `open_protocol`.
    """
    protocol: Protocol = open_protocol(corpus, root, fold=fold, options=options)
    if len(protocol.folds) != 1:
        raise UsageError("weights are asked about one fold at a time", where="--fold", hint="Name one")
    if set(protocol.labels) != set(labels):
        raise UsageError(
            f"{protocol.corpus} has the labels {', '.join(protocol.labels)}, and the weights {', '.join(labels)}",
            where="--weights",
            hint="Ask weights that were trained on this corpus, or name the clips as INPUT",
        )
    clips = protocol.folds[0].test if part == "test" else protocol.folds[0].train
    items_of(clips)  # refuses a clip that has not exactly one label
    return list(clips)


def answers_for(
    system: GraceSystem,
    clips: Sequence[Example],
    *,
    crop: bool,
    detector: FaceDetector,
    texts: Mapping[str, AffectText] | None = None,
    batch_size: int = 16,
    workers: int = 2,
    watch: Watch | None = None,
) -> list[ClipAnswer]:
    """The answers in the order of the clips.

    Args:
        system: Who answers.
        clips: Who is asked about.
        crop: Whether faces are looked for in files; else their pictures are taken as they are, as in training.
        detector: Finds them.
        texts: Words by clip, for clips that are taken as they are.
        batch_size: Clips at once.
        workers: Threads that read pictures.
        watch: Told how far it is.
    """
    watch = watch or Watch()
    whole = [clip for clip in clips if not crop or clip.media.is_dir()]
    found = {
        answer.name: answer
        for answer in answer_clips(
            system.model,
            ExampleFrames(whole),
            [clip.id for clip in whole],
            texts=texts,
            batch_size=batch_size,
            workers=workers,
            watch=watch,
        )
    }
    videos = [clip for clip in clips if clip.id not in found]
    for number, clip in enumerate(videos, start=1):
        found[clip.id] = answer_video(system, clip.media, name=clip.id, detector=detector)
        watch.progress("find faces and predict", number, len(videos))
    return [found[clip.id] for clip in clips]


def words_for(system: GraceSystem, path: Path, *, corpus: str, names: Collection[str]) -> dict[str, AffectText]:
    """The words of clips, by the rules of the weights.

    Raises:
        UsageError: The weights read no words when they are asked.
        UnreadableTable, UnreadableTrace, DuplicateName: As for `read_descriptions`.
    """
    config = system.model.config
    if config.text_mode == "train_only":
        raise UsageError("these weights read no texts when they are asked (train_only)", where="--texts")
    said = read_descriptions(path, corpus=corpus, names=names)
    return said.affect_texts(system.model.text.tokenizer, config)
