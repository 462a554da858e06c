"""Does `emotrace verify` find what is wrong with a copy of a corpus?

Writes a miniature of every corpus in every layout, plants one fault at a time, and asks whether the check that is
meant to find it does. Beside each layout stand the false alarms on its clean copy.

    python benchmarks/verify_faults.py --out docs/results

Miniatures are made up (a dozen clips each), so the table says that the checks see such faults, not how often real
copies have them. Counts, hashes and swapped class counts are compared with the report of the clean copy, as two labs
would compare theirs; for real copies the published counts take its place.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from emotrace._version import __version__
from emotrace.datasets.findings import VerifyReport
from emotrace.datasets.verify import verify
from emotrace.files import write_atomically
from emotrace.testing.faults import FOUND_BY, faults_of, plant
from emotrace.testing.layout import Layout
from emotrace.testing.layouts import LAYOUTS
from emotrace.testing.miniature import write


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Whether one planted fault was found."""

    check: str
    found: bool
    also: tuple[str, ...]
    """Other checks that raised a fault: one broken thing often shows in several places."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One layout: false alarms on its clean copy, and the outcome of each planted fault."""

    layout: str
    false_alarms: tuple[str, ...]
    faults: dict[str, Outcome]


def trial(layout: Layout, folder: Path) -> Trial:
    """Plants every fault of one layout, one at a time."""
    clean = verify(write(layout, folder / "clean"), expect="none")
    return Trial(
        layout=layout.title,
        false_alarms=tuple(finding.check for finding in clean.faults),
        faults={fault: _outcome(layout, folder, fault, clean) for fault in faults_of(layout)},
    )


def _outcome(layout: Layout, folder: Path, fault: str, clean: VerifyReport) -> Outcome:
    planted = plant(layout, folder / fault, fault, like=folder / "clean")
    raised = {finding.check for finding in planted.verify(clean).faults}
    return Outcome(
        check=planted.found_by, found=planted.found_by in raised, also=tuple(sorted(raised - {planted.found_by}))
    )


def table(trials: list[Trial]) -> str:
    """The results as Markdown: fault by layout."""
    outcomes = [outcome for each in trials for outcome in each.faults.values()]
    seen, alarms = sum(outcome.found for outcome in outcomes), sum(len(each.false_alarms) for each in trials)
    lines = [
        "# What `emotrace verify` finds",
        "",
        f"{seen} of {len(outcomes)} planted faults found; {alarms} false alarms on {len(trials)} clean copies.",
        "Made-up miniature corpora; counts and hashes are compared with the clean copy's report.",
        "Made by `benchmarks/verify_faults.py`.",
        "",
        "`x` found, `MISSED` not found, blank: the fault cannot be planted in that layout.",
        "",
        f"| fault | found by | {' | '.join(each.layout for each in trials)} |",
        f"|---|---|{'---|' * len(trials)}",
    ]
    for fault in FOUND_BY:
        cells = (_cell(each.faults.get(fault)) for each in trials)
        checks = sorted({each.faults[fault].check for each in trials if fault in each.faults})
        lines.append(f"| {fault} | {', '.join(checks)} | {' | '.join(cells)} |")
    raised = " | ".join(str(len(each.false_alarms)) for each in trials)
    lines.append(f"| *false alarms on the clean copy* | | {raised} |")
    return "\n".join(lines) + "\n"


def _cell(outcome: Outcome | None) -> str:
    if outcome is None:
        return ""
    return "x" if outcome.found else "MISSED"


def main() -> int:
    """Runs the trial; exit code 1 where a fault was missed or a clean copy raised an alarm."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path, help="folder for verify_faults.json and verify_faults.md")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trials = [trial(layout, Path(folder) / str(place)) for place, layout in enumerate(LAYOUTS)]
    text = table(trials)
    print(text)
    if chosen.out is not None:
        record = json.dumps({"emotrace": __version__, "trials": [asdict(each) for each in trials]}, indent=1) + "\n"
        write_atomically(chosen.out / "verify_faults.json", record)
        write_atomically(chosen.out / "verify_faults.md", text)
    missed = any(not outcome.found for each in trials for outcome in each.faults.values())
    return int(missed or any(each.false_alarms for each in trials))


if __name__ == "__main__":
    sys.exit(main())
