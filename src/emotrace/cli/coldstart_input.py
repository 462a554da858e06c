"""What `emotrace coldstart` works on: cases, the tests that they must not share, the demands on trajectories."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from emotrace.cli.console import needing
from emotrace.cli.reasoners import EMBEDDED
from emotrace.errors import UsageError

if TYPE_CHECKING:
    from emotrace.hydra.coldstart.build import HeldOut
    from emotrace.hydra.coldstart.filters import Limits
    from emotrace.hydra.coldstart.sources import Source
    from emotrace.progress import Watch

_SHEETS = "sheets.jsonl"


def source_of(
    cases: Path | None,
    world: str | None,
    data: str | None,
    root: Path | None,
    split: str | None,
    choose: list[str],
    limit: int | None,
    older: list[str],
    out: Path,
    watch: Watch,
) -> tuple[Source, str | None]:
    """The cases, and the name of the corpus whose owner lets nothing leave the machine, if it is such a one.

    Raises:
        UsageError: Not one source, or options that do not belong to it.
        UnreadableTable: The file of cases is damaged.
        LeakError: A clip of the corpus is one of an older test.
        DatasetError: The corpus is not as its owner lays it out.
    """
    from emotrace.hydra.coldstart.sources import from_corpus, from_file, from_world

    if sum(each is not None for each in (cases, world, data)) != 1:
        raise UsageError(
            "needs one source of cases",
            where="coldstart",
            hint="Name CASES, --world, --captions, or --data and --root",
        )
    if data is None and (root is not None or split is not None or choose):
        raise UsageError("--root, --split and --set belong to a corpus", where="coldstart", hint="Name it with --data")
    if cases is not None:
        return from_file(cases).first(limit), None
    if world is not None:
        return from_world(world, first=limit), None
    from emotrace.cli.corpus_arguments import adapter_arguments
    from emotrace.datasets.corpora import open_corpus
    from emotrace.datasets.leaks import older_test

    if data is None or root is None:
        raise UsageError("a corpus needs its folder", where="--data", hint="Name it with --root")
    corpus = open_corpus(data, root, **adapter_arguments(data, choose))
    tests = [older_test(place) for place in older]
    source = from_corpus(corpus, split=split, sheets=out / _SHEETS, older=tests, first=limit, watch=watch)
    return source, None if corpus.may_leave_machine else corpus.name


def refuse_beside_captions(
    captions: Path | None, model: str | None, server: str | None, teacher: str, *other_sources: object
) -> None:
    """Makes sure that captions are the one source, that their options stand with them, and that somebody can read them.

    Raises:
        UsageError: They are not.
    """
    if captions is None:
        for option, value in (("--caption-model", model), ("--caption-server", server)):
            if value is not None:
                raise UsageError("this is for captions, and none were named", where=option, hint="Name --captions FILE")
        return
    if any(each is not None for each in other_sources):
        raise UsageError("captions are a source of cases by themselves", where="--captions", hint="Name no other one")
    if teacher == EMBEDDED:
        raise UsageError(
            "captions give prose, and the built-in table judges measured cues alone",
            where="--captions",
            hint="Name a model's server with --teacher http://HOST/v1 and --model",
        )


def held_out_of(files: list[Path], places: list[str]) -> HeldOut:
    """What will be tested on, to be compared with cases by their ids.

    Raises:
        UsageError: A place that holds names alone.
        UnreadableTable: A file of cases is damaged.
        CorpusNotFound: A place is not there.
    """
    from emotrace.datasets.leaks import older_test
    from emotrace.files import sha256_of
    from emotrace.hydra.coldstart.build import HeldOut
    from emotrace.hydra.learning.cases import read_cases

    held_out = HeldOut()
    for file in files:
        held_out |= HeldOut.of(read_cases(file))
    for place in places:
        media = [path for path in older_test(place).media if path.is_file()]
        if not media:
            raise UsageError(
                "cases have no names, so a test is compared with them by its clips' bytes, and there are no clips",
                where=f"--older {place}",
                hint="Name the folder that holds the test's clips, or its cases with --test",
            )
        held_out |= HeldOut(clip_ids=frozenset(map(sha256_of, media)))
    return held_out


def limits_of(least_agreement: float, most_tokens: int, tokenizer: Path | None) -> Limits:
    """What is demanded of a trajectory.

    Raises:
        UsageError: The folder holds no tokenizer.
        MissingExtra: The package `tokenizers` is not installed.
    """
    from emotrace.hydra.coldstart.filters import Limits

    if tokenizer is None:
        return Limits(least_agreement=least_agreement, most_tokens=most_tokens)
    path = tokenizer / "tokenizer.json"
    if not path.is_file():
        raise UsageError("no tokenizer.json is in this folder", where=tokenizer, hint="Name that of a model")
    with needing("train", "coldstart --tokenizer"):
        from tokenizers import Tokenizer  # alone: transformers would take seconds to count the same tokens
    from emotrace.files import sha256_of

    counts = Tokenizer.from_file(str(path))
    return Limits(
        least_agreement=least_agreement,
        most_tokens=most_tokens,
        length=lambda text: len(counts.encode(text, add_special_tokens=False).ids),
        length_by=f"tokenizer {sha256_of(path)[:16]}",
    )
