"""Whether a corpus's training set holds the test clips of an older one.

Each MER edition trains on the tests of all editions before it, so a model trained on a later one has seen the older
tests. Clips are matched by name and, because editions rename them, by their bytes as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from emotrace.datasets.corpora import open_corpus
from emotrace.datasets.corpus import Corpus, Record
from emotrace.datasets.example import AUDIO_SUFFIXES, VIDEO_SUFFIXES
from emotrace.datasets.findings import Finding, found, skipped
from emotrace.datasets.media_checks import digest
from emotrace.datasets.tables import read_lines, read_rows
from emotrace.errors import CorpusNotFound, LeakError, first_five


@dataclass(frozen=True, kw_only=True, slots=True)
class OlderTest:
    """The test clips of an older corpus."""

    names: frozenset[str]
    media: tuple[Path, ...] = field(default=())


def older_test(place: str) -> OlderTest:
    """The older test clips, from what a user gives.

    Args:
        place: `CORPUS=FOLDER` for a corpus that emotrace reads; a folder, of which the parts called test are taken, or
            everything where none is; a CSV file with a `name` column; or a text file with one name on a line.

    Raises:
        CorpusNotFound: There is no such file or folder.
        UnknownChoice: No corpus of that name.
    """
    corpus, equals, root = place.partition("=")
    if equals:
        tests = [record for record in open_corpus(corpus, root).records() if "test" in record.split]
        return OlderTest(
            names=frozenset(Path(record.id).name for record in tests), media=tuple(record.media for record in tests)
        )
    path = Path(place)
    if path.is_dir():
        media = tuple(
            sorted(each for each in path.rglob("*") if each.suffix.casefold() in VIDEO_SUFFIXES | AUDIO_SUFFIXES)
        )
        tests_only = tuple(each for each in media if any("test" in part for part in each.relative_to(path).parts[:-1]))
        chosen = tests_only or media
        return OlderTest(names=frozenset(each.stem for each in chosen), media=chosen)
    if not path.is_file():
        raise CorpusNotFound("neither a folder nor a list of names is there", where=path)
    if path.suffix.casefold() == ".csv":
        return OlderTest(names=frozenset(row["name"] for row in read_rows(path, "name")))
    return OlderTest(names=frozenset(line.strip() for line in read_lines(path)))


def check_older(corpus: Corpus, records: Sequence[Record], older: OlderTest | None) -> Finding:
    """Clips of the training set that an older corpus tests on."""
    if older is None:
        return skipped("older_tests", "no older corpus was given; --older takes one")
    return found(
        "older_tests",
        overlap([record for record in records if _is_training(record.split)], older),
        bad="the training set holds test clips of the older corpus: a score on that test is not a test",
        good=f"none of {len(older.names)} older test clips is in the training set",
    )


def refuse_leak(training: Iterable[Record], older: OlderTest) -> None:
    """Makes sure that a model which is trained on these clips may be tested on those of the older corpus.

    Raises:
        LeakError: Some of them are the same, by name or by their bytes; the message has the first five and the count.
    """
    if seen := overlap(training, older):
        raise LeakError(
            f"the training set holds clips of this test: {first_five(seen)}",
            hint="Train on an edition that came before the test, or test on one that came after the training set",
        )


def overlap(training: Iterable[Record], older: OlderTest) -> list[str]:
    """The training clips that are test clips of the older corpus, by name or by their bytes, in their order."""
    by_size: dict[int, list[Path]] = {}
    for path in older.media:
        if path.is_file():
            by_size.setdefault(path.stat().st_size, []).append(path)
    seen = []
    for record in training:
        if Path(record.id).name in older.names or record.media.stem in older.names:
            seen.append(f"{record.id} ({record.split})")
        elif record.media.is_file():
            twins = by_size.get(record.media.stat().st_size, [])
            mine = digest(record.media) if twins else ""
            twin = next((path for path in twins if digest(path) == mine), None)
            if twin is not None:
                seen.append(f"{record.id} ({record.split}) is {twin.stem}")
    return seen


def _is_training(split: str) -> bool:
    part = split.rpartition("/")[2]
    return part.startswith(("train", "all")) or part in ("ovmerd", "mercaptionplus")
