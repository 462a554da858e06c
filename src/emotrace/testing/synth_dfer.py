"""A miniature of SynthDFER in its own format, written in seconds: `drawn_faces.py` packed, with the truth about them.

The truth is what was drawn. Nothing is taken from the real set; the same seed writes the same bytes.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from emotrace.testing.drawn_faces import (
    CLASSES,
    CONDITIONS,
    FRAMES,
    PROTOTYPES,
    SIDE,
    UNIT_FIELDS,
    UNITS,
    Script,
    draw_frames,
    draw_script,
    moved_by_expression,
    moved_otherwise,
    under,
)

PATCHES, CELLS = 14, 28
FLOW_STEP = 0.125
"""Pixels per unit of the stored flow."""


def write_synth_dfer(
    root: Path,
    *,
    seed: int = 0,
    train: Sequence[int] = (6, 4, 6, 5, 3, 1, 2),
    val: int = 1,
    test: int = 2,
    scenes: int = 1,
) -> Path:
    """Writes the set.

    Args:
        root: The folder, made where it is absent.
        seed: Of everything that is drawn.
        train: Clips of each class in `train`; the default has a long tail.
        val: Clips of each class in `val`.
        test: Clips of each class in `test`.
        scenes: Scenes of each class in `paired`, each under six conditions.

    Returns:
        The folder.
    """
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    counts = {"train": list(train), "val": [val] * 7, "test": [test] * 7, "paired": [scenes] * 7}
    faces = {"train": range(4), "val": range(4, 6), "test": range(6, 9), "paired": range(6, 9)}
    rows: list[dict[str, object]] = []
    for split, per_class in counts.items():
        labels = rng.permutation(np.repeat(np.arange(7), per_class))
        scripts = [
            draw_script(rng, f"{split[:2]}{place:04d}", CLASSES[label], faces[split])
            for place, label in enumerate(labels)
        ]
        if split == "paired":
            scripts = [under(script, condition) for script in scripts for condition in CONDITIONS]
        _write_split(root, split, scripts)
        rows += _write_texts(root, split, scripts, rng)
    with (root / "clips.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, fieldnames=list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    (root / "settings.json").write_text(json.dumps({"version": "miniature", "seed": seed, "frames": FRAMES}) + "\n")
    return root


def _write_split(root: Path, split: str, scripts: Sequence[Script]) -> None:
    ids = np.array([script.id for script in scripts])
    strips = [_strip(draw_frames(script)) for script in scripts]
    edges = np.cumsum([0, *map(len, strips)], dtype=np.int64)
    np.savez(root / f"frames_{split}.npz", blob=np.concatenate(strips), offset=edges, id=ids)
    np.savez(root / f"meta_{split}.npz", allow_pickle=False, **_meta(scripts))
    if split == "paired":
        truth = {"id": ids, "flow_step": np.array(FLOW_STEP), **_truth(scripts)}
        np.savez_compressed(root / "truth_paired.npz", allow_pickle=False, **truth)


def _strip(frames: UInt8[np.ndarray, "frame 112 112"]) -> UInt8[np.ndarray, " byte"]:
    stacked = frames.reshape(-1, SIDE)
    return np.asarray(cv2.imencode(".webp", stacked, [cv2.IMWRITE_WEBP_QUALITY, 80])[1]).ravel()


def _meta(scripts: Sequence[Script]) -> dict[str, np.ndarray]:
    count, units = len(scripts), len(UNITS)
    fields = _pooled(UNIT_FIELDS, PATCHES)
    expression = [moved_by_expression(script, fields) for script in scripts]
    other = [moved_otherwise(script, fields) for script in scripts]

    def maps(moved: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack([np.linalg.norm(each, axis=-1).mean(axis=0) for each in moved]).astype(np.float16)

    total = np.stack([script.au.sum(axis=1) for script in scripts])
    on = (total >= 0.25 * total.max(axis=1, keepdims=True)) & (total > 0)
    shown = on.any(axis=1)
    return {
        "id": np.array([script.id for script in scripts]),
        "class_names": np.array(CLASSES),
        "au_names": np.array(list(UNITS)),
        "distract_names": np.array(["jawOpen"]),
        "label": np.array([CLASSES.index(script.label) for script in scripts], dtype=np.int8),
        "identity": np.array([script.identity for script in scripts], dtype=np.int16),
        "apex": np.where(shown, total.argmax(axis=1), -1).astype(np.int8),
        "onset": np.where(shown, on.argmax(axis=1), -1).astype(np.int8),
        "offset": np.where(shown, FRAMES - 1 - on[:, ::-1].argmax(axis=1), -1).astype(np.int8),
        "static": on.all(axis=1),
        "talking": np.array([bool(script.jaw.any()) for script in scripts]),
        "au": np.stack([script.au for script in scripts]).astype(np.float16),
        "au_class": np.array([[name in PROTOTYPES[script.label] for name in UNITS] for script in scripts]),
        "au_rest": np.zeros((count, units), dtype=np.float16),
        "au_asym": np.zeros((count, units), dtype=np.float16),
        "distract": np.stack([script.jaw for script in scripts])[..., np.newaxis].astype(np.float16),
        "pose": np.zeros((count, FRAMES, 3), dtype=np.float16),
        "relevance": maps(expression),
        "expr_motion": maps([_step(moved) for moved in expression]),
        "other_motion": maps([_step(moved) for moved in other]),
    }


def _truth(scripts: Sequence[Script]) -> dict[str, np.ndarray]:
    fields = _pooled(UNIT_FIELDS, CELLS)
    relevant, by_unit, expression_flow, total_flow = [], [], [], []
    for script in scripts:
        expression = moved_by_expression(script, fields)
        alone = np.linalg.norm(fields, axis=-1) * script.au[:, :, np.newaxis, np.newaxis]
        relevant.append(np.packbits(np.linalg.norm(expression, axis=-1) >= 0.5))
        by_unit.append(np.packbits(alone >= 0.5))
        expression_flow.append(_quantised(_step(expression)))
        total_flow.append(_quantised(_step(expression + moved_otherwise(script, fields))))
    return {
        "relevant_bits": np.stack(relevant),
        "au_relevant_bits": np.stack(by_unit),
        "expression_flow_q": np.stack(expression_flow),
        "total_flow_q": np.stack(total_flow),
    }


def _pooled(fields: Float32[np.ndarray, "any 112 112 2"], cells: int) -> Float32[np.ndarray, "any cell cell 2"]:
    """The mean displacement of each cell. The mean of a sum is the sum of the means, so units are pooled alone."""
    width = SIDE // cells
    return np.asarray(fields.reshape(-1, cells, width, cells, width, 2).mean(axis=(2, 4)))


def _step(field: np.ndarray) -> np.ndarray:
    return np.diff(field, axis=0, prepend=field[:1])


def _quantised(flow: np.ndarray) -> np.ndarray:
    return np.clip(np.round(flow / FLOW_STEP), -127, 127).astype(np.int8)


def _write_texts(
    root: Path, split: str, scripts: Sequence[Script], rng: np.random.Generator
) -> list[dict[str, object]]:
    """The timed sentences, and the rows of the table."""
    rows: list[dict[str, object]] = []
    lines = io.BytesIO()
    with gzip.GzipFile(fileobj=lines, mode="wb", mtime=0) as packed:
        for script in scripts:
            oracle = _sentences(script)
            noisy = [each for each in oracle if each["kind"] != "affect" or rng.random() > 0.25]
            for quality, sentences in (("oracle", oracle), ("noisy", noisy)):
                line = {"clip_id": script.id, "quality": quality, "sentences": sentences}
                packed.write((json.dumps(line) + "\n").encode())
            rows.append(_row(script, split, oracle, noisy))
    (root / f"texts_{split}.jsonl.gz").write_bytes(lines.getvalue())
    return rows


def _sentences(script: Script) -> list[dict[str, object]]:
    found: list[dict[str, object]] = [_sentence("A person with dark hair.", "identity")]
    found.append(_sentence("The head moves.", "scene"))
    if script.jaw.any():
        found.append(_sentence("The person talks.", "talk"))
    for name, unit, curve in zip(UNITS, UNITS.values(), script.au.T, strict=True):
        if curve.max() > 0:
            on = np.flatnonzero(curve >= 0.25 * curve.max())
            found.append(_sentence(f"{unit.text}.", "affect", name, int(on[0]), int(on[-1])))
    return found


def _sentence(
    text: str, kind: str, unit: str | None = None, first: int = 0, last: int = FRAMES - 1
) -> dict[str, object]:
    return {"text": text, "start_frame": first, "end_frame": last, "kind": kind, "action_unit": unit}


def _row(
    script: Script, split: str, oracle: Sequence[dict[str, object]], noisy: Sequence[dict[str, object]]
) -> dict[str, object]:
    def told(sentences: Sequence[dict[str, object]], *, affect: bool) -> str:
        return " ".join(str(each["text"]) for each in sentences if (each["kind"] == "affect") == affect)

    nothing = "The face stays at rest."
    return {
        "id": script.id,
        "split": split,
        "scene": script.scene,
        "condition": script.condition,
        "label": CLASSES.index(script.label),
        "label_name": script.label,
        "identity": script.identity,
        "seconds": script.seconds,
        "text_coarse": "A person with dark hair faces the camera.",
        "text_fine": told(oracle, affect=True) or nothing,
        "text_fine_noisy": told(noisy, affect=True) or nothing,
        "text_distractor": told(oracle, affect=False),
        "text_raw": f"{told(noisy, affect=True) or nothing} {told(oracle, affect=False)}",
    }
