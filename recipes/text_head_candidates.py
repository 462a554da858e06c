"""Other forms of the words head at about the same size, compared on a third of the training texts, not seen by them.

* **GoEmotions alone**: the shipped regressions without the other sets. **words**: also without the pieces of words.
* **shipped**: words, runs of words, negated words, and pieces of words.
* **averaged**: as fastText, 32 numbers per feature, averaged, then a linear map (Joulin et al. 2017).
* **windows**: 64 numbers per word, 128 hidden numbers for each window of five words, summed: a small network whose
  terms still belong to words.
* sums of the shipped form with a share of `averaged` or `windows`.

Everything is read at each label's best threshold on those texts, so scores are higher than they will be elsewhere, for
all forms alike. Run: python recipes/text_head_candidates.py --data ../shared/data --results docs/results
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from text_head import FEATURE_AT_LEAST, SEED, folds_of
from text_head_data import UNIONS, Texts, goemotions, semeval, xed
from text_head_fit import area_under_roc, best_f1_per_label
from text_head_linear import Linear, Table, Witness, feature_hashes, piece_hashes
from torch import nn

from emotrace.heads.words import EMOTIONS
from emotrace.heads.words_features import hash_of, tokenise

BATCH = 512
EPOCHS = 3
REACH = 2
Rows = Sequence[np.ndarray]


class Averaged(nn.Module):
    """Averaged feature vectors and a linear map."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.vectors = nn.EmbeddingBag(rows + 1, 32, mode="mean", padding_idx=0)
        self.read = nn.Linear(32, 28)
        nn.init.normal_(self.vectors.weight, std=0.05)

    def forward(self, rows: Rows) -> torch.Tensor:
        """Logits, text x label."""
        starts = np.cumsum([0] + [len(row) for row in rows[:-1]])
        return self.read(self.vectors(torch.from_numpy(np.concatenate(rows)), torch.from_numpy(starts)))


class Windows(nn.Module):
    """A hidden layer over five neighbouring word vectors, summed over the text."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.vectors = nn.Embedding(rows + 1, 64)
        self.window, self.read = nn.Linear(64 * (2 * REACH + 1), 128), nn.Linear(128, 28)
        nn.init.normal_(self.vectors.weight, std=0.3)

    def forward(self, rows: Rows) -> torch.Tensor:
        """Logits, text x label."""
        lengths = np.array([min(len(row), 48) for row in rows])
        ids = np.zeros((len(rows), max(1, lengths.max())), np.int64)
        for i, row in enumerate(rows):
            ids[i, : lengths[i]] = row[:48]
        here = torch.from_numpy((np.arange(ids.shape[1]) < lengths[:, None])[..., None].astype(np.float32))
        words = torch.from_numpy(ids)
        if self.training:
            words = words * (torch.rand(words.shape) >= 0.25)
        padded = nn.functional.pad(self.vectors(words) * here, (0, 0, REACH, REACH))
        seen = torch.cat([padded[:, k : k + ids.shape[1]] for k in range(2 * REACH + 1)], dim=2)
        hidden = nn.functional.dropout(nn.functional.gelu(self.window(seen)), 0.3, self.training) * here
        return self.read(hidden.sum(1) / torch.from_numpy(np.maximum(lengths, 1)[:, None] ** 0.5).float())


def trained(network: Averaged | Windows, rows: Rows, truth: np.ndarray, rate: float) -> nn.Module:
    """AdamW with a linearly falling rate; batches of similar length in random order."""
    generator = np.random.default_rng(SEED)
    share = truth.mean(axis=0)
    with torch.no_grad():
        network.read.bias.copy_(torch.from_numpy(np.log(share / (1 - share))))
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.0)
    steps = EPOCHS * -(-len(rows) // BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / steps)
    network.train()
    for _ in range(EPOCHS):
        order = np.argsort(np.array([len(row) for row in rows]) + generator.uniform(0, 4, len(rows)))
        batches = [order[i : i + BATCH] for i in range(0, len(order), BATCH)]
        for number in generator.permutation(len(batches)):
            logits = network([rows[i] for i in batches[number]])
            targets = torch.from_numpy(truth[batches[number]])
            loss = nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="sum") / len(targets)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return network.eval()


def numbered(hashes: np.ndarray, rows: Rows, *, keep_unknown: bool) -> list[np.ndarray]:
    """Hashes -> row numbers from 1; 0 for what is unknown, or left out."""
    places = [np.minimum(np.searchsorted(hashes, row), len(hashes) - 1) for row in rows]
    found = [np.where(hashes[place] == row, place + 1, 0) for place, row in zip(places, rows, strict=True)]
    return found if keep_unknown else [row[row > 0] for row in found]


@torch.no_grad()
def logits_of(network: nn.Module, rows: Rows) -> np.ndarray:
    """Logits of many texts."""
    return np.concatenate([network(rows[i : i + BATCH]).numpy() for i in range(0, len(rows), BATCH)])


def outside(linear: Linear, table: Table, sets: Sequence[Texts]) -> dict[str, float]:
    """Mean area under ROC over another scheme's labels, each answered by the best label of its union."""
    areas = {}
    for texts in sets:
        logits = linear.logits(table.matrix(feature_hashes(texts.texts)))
        columns = [[EMOTIONS.index(name) for name in UNIONS[label]] for label in texts.labels]
        each = [area_under_roc(logits[:, part].max(axis=1), texts.truth[:, k]) for k, part in enumerate(columns)]
        areas[f"{texts.name}_area_under_roc"] = float(np.mean(each))
    return areas


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    texts = goemotions(arguments.data, "train")
    rows, pieces = feature_hashes(texts.texts), piece_hashes(texts.texts)
    held_out = folds_of(len(rows))[0]
    rest = np.setdiff1d(np.arange(len(rows)), held_out)
    table = Table.of(rows, pieces, FEATURE_AT_LEAST)
    whole = ~np.isin(table.hashes, pieces)
    words_only = Table(hashes=table.hashes[whole], sizes=table.sizes[whole])
    ordered = [np.array([hash_of(f"w {token.key}") for token in tokenise(text)], np.uint32) for text in texts.texts]
    names, counts = np.unique(np.concatenate(ordered), return_counts=True)
    features = numbered(table.hashes, rows, keep_unknown=False)
    words = numbered(names[counts > 1], ordered, keep_unknown=True)

    def network(model: Averaged | Windows, of: Rows, rate: float) -> np.ndarray:
        fitted = trained(model, [of[i] for i in rest], texts.truth[rest], rate)
        return logits_of(fitted, [of[i] for i in held_out])

    logits: dict[str, np.ndarray] = {}
    record: dict[str, dict[str, float]] = {}

    def note(name: str, found: np.ndarray, began: float, **more: float) -> None:
        logits[name] = found
        macro = float(best_f1_per_label(found, texts.truth[held_out]).mean())
        record[name] = {"macro_f1": macro, "cpu_seconds": round(time.process_time() - began, 1)} | more
        print(name, record[name], flush=True)

    began, matrix = time.process_time(), table.matrix(rows)
    base = Linear.fit(matrix[rest], texts.truth[rest])
    dev = [read(arguments.data, "dev") for read in (xed, semeval)]
    note("GoEmotions alone", base.logits(matrix[held_out]), began, **outside(base, table, dev))
    began, small = time.process_time(), words_only.matrix(rows)
    note("words", Linear.fit(small[rest], texts.truth[rest]).logits(small[held_out]), began)
    began = time.process_time()
    note("averaged", network(Averaged(len(table.hashes)), features, 0.02), began)
    began = time.process_time()
    note("windows", network(Windows(int((counts > 1).sum())), words, 0.006), began)
    began = time.process_time()
    others = [read(arguments.data, "train") for read in (xed, semeval)]
    more = []
    for other in others:
        theirs = table.matrix(feature_hashes(other.texts))
        more.append(Witness.of(other, theirs, base.logits(theirs)))
    shipped = Linear.fit(matrix[rest], texts.truth[rest], more)
    note("shipped", shipped.logits(matrix[held_out]), began, **outside(shipped, table, dev))
    for other in ("averaged", "windows"):
        for share in (0.15, 0.3, 0.6):
            began = time.process_time()
            note(f"shipped + {share} {other}", logits["shipped"] + share * logits[other], began)
    file = arguments.results / "head_text_candidates.json"
    file.write_text(
        json.dumps({"texts": len(held_out), "seed": SEED, "forms": record}, indent=2) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
