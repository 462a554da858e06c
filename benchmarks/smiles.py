"""Does the main job see a smile where there is one, and none where there is none, on people it was not trained on?

    python benchmarks/smiles.py FACE_LONDON_FOLDER [--split dev] [--json out.json] [--markdown out.md]

The folder holds `photos.csv` and `images/ID_neutral.jpg`, `images/ID_smiling.jpg` of the Face Research Lab London Set.
Of every person of the split two clips of 4 s are made, with a slow sway: one stays neutral, one fades from the neutral
to the smiling portrait between 1.5 and 2.1 s. Both are analysed at default settings, without sound and words. The
neutral clips are the control. Shares come with 95 % Wilson intervals. Portraits that fade are not people who smile.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

import emotrace

SECONDS, FADE_SECONDS, FRAMES_PER_SECOND = 4.0, (1.5, 2.1), 25
SMILES = {"au12_alone", "au06_12"}


def write_clip(path: Path, first: Path, last: Path) -> Path:
    """A clip that fades from one picture to the other."""
    start, end = (np.asarray(cv2.imread(str(picture)), np.float32) for picture in (first, last))
    height, width, _ = start.shape
    with av.open(str(path), "w") as clip:
        stream = clip.add_stream("libx264", rate=FRAMES_PER_SECOND, options={"crf": "20"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(int(SECONDS * FRAMES_PER_SECOND)):
            seconds = number / FRAMES_PER_SECOND
            share = float(np.clip((seconds - FADE_SECONDS[0]) / (FADE_SECONDS[1] - FADE_SECONDS[0]), 0.0, 1.0))
            sway = np.array([[1, 0, 2 * np.sin(seconds)], [0, 1, np.cos(1.3 * seconds)]], np.float32)
            image = cv2.warpAffine(
                (1 - share) * start + share * end, sway, (width, height), borderMode=cv2.BORDER_REFLECT
            )
            frame = av.VideoFrame.from_ndarray(np.clip(image, 0, 255).astype(np.uint8), format="bgr24")
            clip.mux(stream.encode(frame))
        clip.mux(stream.encode(None))
    return path


def look(clip: Path) -> dict[str, Any]:
    """What the main job says of one clip."""
    analysis = emotrace.analyze(clip)
    verdict = analysis.verdict
    cues = [o for person in analysis.persons for o in person.overall.sheet.observations if o.cue in SMILES]
    return {
        "persons": len(analysis.persons),
        "smile": bool(cues),
        "onset_seconds": min((cue.span.start_seconds for cue in cues), default=None),
        "verdict": verdict.labels[0].cluster if verdict.labels else f"abstains ({verdict.abstain})",
    }


def wilson(hits: int, n: int) -> str:
    """A share with its 95 % Wilson interval."""
    z, p = 1.96, hits / n
    middle, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = (max(0.0, float(end / (1 + z * z / n))) for end in (middle - half, middle + half))
    return f"{hits}/{n} = {p:.2f} ({low:.2f}-{high:.2f})"


def main() -> None:
    """Makes the clips, looks at them, prints the table and writes it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--split", default="dev")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    with (options.folder / "photos.csv").open(newline="") as file:
        people = sorted({row["id"] for row in csv.DictReader(file) if row["split"] == options.split})
    found: dict[str, list[dict[str, Any]]] = {"stays neutral": [], "fades to a smile": []}
    with tempfile.TemporaryDirectory() as folder:
        for person in people:
            neutral, smiling = (options.folder / "images" / f"{person}_{what}.jpg" for what in ("neutral", "smiling"))
            for kind, last in zip(found, (neutral, smiling), strict=True):
                found[kind].append(look(write_clip(Path(folder) / "clip.mp4", neutral, last)))
    lines = ["| clip | one person found | smile reported | median onset s | verdicts |", "|---|---|---|---|---|"]
    for kind, rows in found.items():
        onsets = [row["onset_seconds"] for row in rows if row["onset_seconds"] is not None]
        verdicts = ", ".join(f"{name} {count}" for name, count in Counter(row["verdict"] for row in rows).most_common())
        one, smiles = sum(row["persons"] == 1 for row in rows), sum(row["smile"] for row in rows)
        onset = f"{np.median(onsets):.1f}" if onsets else "-"
        lines.append(f"| {kind} | {wilson(one, len(rows))} | {wilson(smiles, len(rows))} | {onset} | {verdicts} |")
    command = f"python benchmarks/smiles.py FACE_LONDON_FOLDER --split {options.split}"
    text = "\n".join(lines) + f"\n\nCommand: `{command}`; deterministic, no seed; emotrace {emotrace.__version__}.\n"
    print(text)
    if options.markdown:
        options.markdown.write_text(f"# Smiles of people not trained on\n\n{text}")
    if options.json:
        options.json.write_text(json.dumps({"command": command, "clips": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
