"""The emotion-wheel tables of OV-MER, MER-UniBench and MER2025 (`v1`) and MER2026 (`v2`), from the user's own copy.

The tables carry a non-commercial note, so emotrace ships none of them: `--tables DIR` or `EMOTRACE_WHEEL_TABLES`
names a folder. The rules below are the field's [field], with their faults: "fear" is listed as a form of another word
in v1; a word that occurs twice on a wheel keeps its last place; ties between wheel words are broken by the alphabet.

    form --(format.csv)--> words --(synonym.xlsx, eight runs united)--> wheel words --(wheel1-5.xlsx)--> cluster
"""

from __future__ import annotations

import csv
import functools
import hashlib
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emotrace.errors import TablesNotFound, UnreadableTable, first_five
from emotrace.labels.label_table import LabelPath
from emotrace.labels.splitting import split_labels

ENVIRONMENT_VARIABLE = "EMOTRACE_WHEEL_TABLES"
WHEELS = 5
SYNONYM_RUNS = 8
VERSION_OF_HASH = {
    "995b780091c43fe59d29754fae1416c5b58b18ba76d54e3f84b477368bdab8ef": "v1",
    "38c5b5009bb398c00f784d19194c9eca168e9a4a308c2d5cc93d2861eb0a44a9": "v2",
}
LEVEL_1 = tuple(f"W{k}-L1" for k in range(1, WHEELS + 1))
LEVEL_2 = tuple(f"W{k}-L2" for k in range(1, WHEELS + 1))
TARGETS = ("case1", "case2", *LEVEL_1, *LEVEL_2)
_NPZ = "wheel_mapping.npz"
_XLSX = ("synonym.xlsx", *(f"wheel{k}.xlsx" for k in range(1, WHEELS + 1)))
FILES = ("format.csv", *_XLSX, _NPZ)
"""Every file that tables are read from."""
# What pandas, which the official scorer reads its tables with, takes for a missing cell.
_MISSING = frozenset(
    ("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA")
) | {"NULL", "NaN", "None", "n/a", "nan", "null"}

Words = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class WheelTables:
    """The three maps of one version. Word tuples are sorted and without repeats."""

    forms: Words
    """Form -> canonical words."""
    synonyms: Words
    """Canonical word -> wheel words."""
    wheels: Mapping[str, Mapping[str, str]]
    """Target (`W1-L1` .. `W5-L2`) -> wheel word -> cluster."""

    @classmethod
    def load(cls, folder: Path | str, *, version: str | None = None) -> WheelTables:
        """Reads `format.csv`, `synonym.xlsx` and `wheel1.xlsx` .. `wheel5.xlsx`, or `wheel_mapping.npz`, or both.

        Args:
            folder: Holds the files, or subfolders `v1` and `v2` that hold them.
            version: Subfolder to take where there are subfolders.

        Raises:
            TablesNotFound: No complete set lies there.
            UnreadableTable: A file is damaged, or what two files say does not agree.
            UnsafePickle: The npz file asks for more than plain values.
        """
        return _load(folder_of(Path(folder), version))

    @functools.cached_property
    def sha256(self) -> str:
        """SHA-256 of the sorted tab-separated lines `F form words`, `S word wheel-words`, `Wk level word cluster`."""
        lines = [f"F\t{form}\t{'|'.join(words)}" for form, words in self.forms.items()]
        lines += [f"S\t{word}\t{'|'.join(words)}" for word, words in self.synonyms.items()]
        lines += [
            f"{target[:2]}\t{target[-1]}\t{word}\t{cluster}"
            for target, places in self.wheels.items()
            for word, cluster in places.items()
        ]
        return hashlib.sha256("".join(f"{line}\n" for line in sorted(lines)).encode()).hexdigest()

    @property
    def name(self) -> str:
        """`v1`, `v2`, or `custom:` and eight digits of the content hash."""
        return VERSION_OF_HASH.get(self.sha256, f"custom:{self.sha256[:8]}")

    def key(self, label: str) -> str:
        """Lower case and stripped: how the field looks a label up."""
        return label.lower().strip()

    @property
    def known(self) -> Collection[str]:
        """Every form."""
        return self.forms.keys()

    @functools.cached_property
    def clusters(self) -> Mapping[str, Mapping[str, str]]:
        """Target -> form -> cluster, for the twelve targets of `ovmer-12`."""
        clusters: dict[str, dict[str, str]] = {target: {} for target in TARGETS}
        places = [(clusters[target], places) for target, places in self.wheels.items()]
        path_of_words: dict[tuple[str, ...], tuple[str | None, ...]] = {}
        for form, words in self.forms.items():
            clusters["case1"][form] = words[0]
            if first := self.synonyms.get(words[0]):
                clusters["case2"][form] = first[0]
            if words not in path_of_words:
                tried = self._wheel_words(words)
                path_of_words[words] = tuple(
                    next((wheel[word] for word in tried if word in wheel), None) for _, wheel in places
                )
            for (target, _), cluster in zip(places, path_of_words[words], strict=True):
                if cluster is not None:
                    target[form] = cluster
        return clusters

    def _wheel_words(self, words: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted({wheel_word for word in words for wheel_word in self.synonyms.get(word, ())}))

    def explain(self, label: str) -> LabelPath:
        """How `label` (any case, surrounding blanks allowed) reaches its clusters."""
        label = self.key(label)
        words = self.forms.get(label, ())
        tried = self._wheel_words(words)
        chosen = {
            target[:2]: next(word for word in tried if word in places)
            for target, places in self.wheels.items()
            if target.endswith("L1") and any(word in places for word in tried)
        }
        return LabelPath(
            label=label,
            words=words,
            wheel_words=tried,
            chosen=chosen,
            clusters={target: found[label] for target, found in self.clusters.items() if label in found},
            status="unknown_form" if not words else "scored" if chosen else "off_wheel",
        )


def tables_folder(option: Path | str | None) -> Path:
    """The folder that the option or the environment names.

    Raises:
        TablesNotFound: Neither does; the message says which files are expected and what can be had without them.
    """
    folder = option or os.environ.get(ENVIRONMENT_VARIABLE)
    if not folder:
        raise _not_found(None, "no folder of emotion-wheel tables was named")
    return Path(folder)


def _not_found(where: Path | None, what: str) -> TablesNotFound:
    return TablesNotFound(
        what,
        where=where,
        hint=f"Name the folder of your copy with --tables DIR or {ENVIRONMENT_VARIABLE}: it holds format.csv, "
        f"synonym.xlsx and wheel1.xlsx to wheel5.xlsx, or {_NPZ}. Without it, --protocol emotrace-wheel scores on "
        "emotrace's own wheel (not comparable with published numbers)",
    )


def folder_of(folder: Path, version: str | None) -> Path:
    """The folder itself, or the subfolder of the wanted version.

    Raises:
        TablesNotFound: No complete set lies there, or two do and no version is wanted.
    """
    if not folder.is_dir():
        raise _not_found(folder, "not a folder")
    if _is_complete(folder):
        return folder
    subfolders = [folder / name for name in ("v1", "v2") if _is_complete(folder / name)]
    if version is not None:
        subfolders = [subfolder for subfolder in subfolders if subfolder.name == version]
    if len(subfolders) != 1:
        found = "two versions of" if subfolders else "no complete set of"
        raise _not_found(folder, f"holds {found} emotion-wheel tables" + (f" {version}" if version else ""))
    return subfolders[0]


def _is_complete(folder: Path) -> bool:
    has_files = all((folder / name).is_file() for name in ("format.csv", *_XLSX))
    return has_files or (folder / _NPZ).is_file()


def _load(folder: Path) -> WheelTables:
    mapped = _from_npz(folder / _NPZ) if (folder / _NPZ).is_file() else None
    forms = _read_forms(folder / "format.csv") if (folder / "format.csv").is_file() else None
    sheets = all((folder / name).is_file() for name in _XLSX)
    synonyms = _read_synonyms(folder / "synonym.xlsx") if sheets else None
    wheels = _read_wheels(folder) if sheets else None
    if mapped is None:
        if forms is None or synonyms is None or wheels is None:
            raise _not_found(folder, "holds no complete set of emotion-wheel tables")
        return WheelTables(forms=forms, synonyms=synonyms, wheels=wheels)
    for what, read, stored in (
        ("forms", forms, mapped.forms),
        ("synonyms", synonyms, mapped.synonyms),
        ("wheels", wheels, mapped.wheels),
    ):
        if read is not None and read != stored:
            differing = sorted(key for key in {*read, *stored} if read.get(key) != stored.get(key))
            raise UnreadableTable(
                f"the {what} of {_NPZ} are not those of the other files: {first_five(differing)}",
                where=folder,
                hint="Keep one version of the tables in a folder",
            )
    return mapped


def _sorted_words(pairs: Iterable[tuple[str, str]]) -> Words:
    words: dict[str, set[str]] = {}
    for key, word in pairs:
        words.setdefault(key, set()).add(word)
    return {key: tuple(sorted(values)) for key, values in words.items()}


def _cell_labels(cell: str) -> list[str]:
    return [] if cell in _MISSING else split_labels(cell)


def _read_forms(path: Path) -> Words:
    """Every listed form, and the row's word itself, map to the row's word."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UnreadableTable(f"not a UTF-8 csv file ({error})", where=path) from None
    if not rows or not {"name", "format"} <= rows[0].keys():
        raise UnreadableTable("needs the columns name and format", where=path)
    pairs = [
        (form, row["name"])
        for row in rows
        if (row["name"] or "") not in _MISSING
        for form in (row["name"], *_cell_labels(row["format"] or ""))
    ]
    return _sorted_words(pairs)


def _columns(path: Path, names: Iterable[str]) -> dict[str, list[str]]:
    """Columns of a sheet by the names in its first row; what a table library takes for missing is empty."""
    from emotrace.labels.xlsx import read_xlsx

    header, *rows = read_xlsx(path) or [[]]
    columns = {name: [row[index] for row in rows] for index, name in enumerate(header)}
    missing = [name for name in names if name not in columns]
    if missing:
        raise UnreadableTable(f"lacks the columns {first_five(missing)}", where=path)
    return {name: ["" if cell in _MISSING else cell for cell in columns[name]] for name in names}


def _read_synonyms(path: Path) -> Words:
    """In each run its word maps to itself, and each synonym of its cell to the word; the runs are united."""
    runs = range(1, SYNONYM_RUNS + 1)
    columns = _columns(path, [name for run in runs for name in (f"word_run{run}", f"synonym_run{run}")])
    return _sorted_words(
        (synonym, word.lower().strip())
        for run in runs
        for word, cell in zip(columns[f"word_run{run}"], columns[f"synonym_run{run}"], strict=True)
        if word
        for synonym in (word.lower().strip(), *(label.lower().strip() for label in split_labels(cell)))
    )


def _read_wheels(folder: Path) -> Mapping[str, Mapping[str, str]]:
    trees = [_read_tree(folder / f"wheel{k}.xlsx") for k in range(1, WHEELS + 1)]
    return {f"W{k}-L{level}": _places(tree, level) for level in (1, 2) for k, tree in enumerate(trees, start=1)}


def _read_tree(path: Path) -> dict[str, dict[str, list[str]]]:
    """Sector -> middle word -> outer words, in order of appearance; a blank cell repeats the value above it."""
    columns = _columns(path, ["level1", "level2", "level3"])
    tree: dict[str, dict[str, list[str]]] = {}
    above = ["", "", ""]
    for row in zip(columns["level1"], columns["level2"], columns["level3"], strict=True):
        above = [cell or kept for cell, kept in zip(row, above, strict=True)]
        sector, middle, outer = (cell.lower().strip() for cell in above)
        tree.setdefault(sector, {}).setdefault(middle, []).append(outer)
    return tree


def _places(tree: dict[str, dict[str, list[str]]], level: int) -> dict[str, str]:
    """Word -> cluster, sector by sector. A word that occurs twice keeps the last place of this walk [field]."""
    places: dict[str, str] = {}
    for sector, middles in tree.items():
        places[sector] = sector if level == 1 else min(middles)
        for middle, outers in middles.items():
            places[middle] = sector if level == 1 else middle
            places.update(dict.fromkeys(outers, sector if level == 1 else middle))
    return places


def _from_npz(path: Path) -> WheelTables:
    from emotrace.labels.pickled import read_npz

    data = read_npz(path)
    try:
        wheels = data["wheel_map_whole"]
        return WheelTables(
            forms={form: tuple(sorted(set(words))) for form, words in data["format_mapping"].items()},
            synonyms={word: tuple(sorted(set(words))) for word, words in data["raw_mapping"].items()},
            wheels={
                f"W{k}-L{level}": _texts(wheels[f"wheel{k}"][f"level{level}"])
                for level in (1, 2)
                for k in range(1, WHEELS + 1)
            },
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise UnreadableTable(f"not a table of emotion wheels ({type(error).__name__}: {error})", where=path) from None


def _texts(places: Any) -> dict[str, str]:
    return {str(word): str(cluster) for word, cluster in places.items()}
