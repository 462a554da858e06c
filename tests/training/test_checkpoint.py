from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from emotrace.errors import CheckpointMismatch, ChecksumMismatch, ModelNotFound, UnreadableCheckpoint, UsageError
from emotrace.training.checkpoint import CONFIG, WEIGHTS, load_checkpoint, save_checkpoint
from emotrace.training.learner import Item
from emotrace.training.mismatch import demand_plain, demand_same
from emotrace.training.splits import DataSplit

LABELS = ("happy", "sad", "disgust")
ITEMS = tuple(Item(key=f"clip{n}", label=LABELS[n % 3]) for n in range(8))
SPLIT = DataSplit(train=ITEMS[:5], validation=(), test=ITEMS[5:])
KNOWN: dict[str, Any] = {
    "emotrace": "0.1.0",
    "labels": LABELS,
    "learner": {"alignment": "softmax", "nested": {"frames": 16, "rates": (1e-3, 0.1)}},
    "settings": {"epochs": 2},
    "settings_sha256": "0" * 64,
    "data_split": str(SPLIT),
    "fold": "1",
    "seed": 0,
    "epoch": 2,
    "step": 14,
    "metrics": {"validation": None, "test": {"uar": 0.25}},
}


class Net(nn.Module):
    def __init__(self, *, seed: int = 0, width: int = 4) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.frozen = nn.Linear(3, width).requires_grad_(False)
        self.head = nn.Linear(width, 3).to(torch.bfloat16)
        self.tied = self.head
        self.register_buffer("mean", torch.rand(4))
        self.register_buffer("count", torch.tensor(7))


def same(one: nn.Module, other: nn.Module) -> bool:
    theirs = other.state_dict()
    return all(torch.equal(tensor, theirs[name]) for name, tensor in one.state_dict().items())


def test_weights_buffers_and_configuration_come_back(tmp_path: Path) -> None:
    net, other = Net(seed=1), Net(seed=2)
    save_checkpoint(tmp_path / "last", module=net, state={"position.json": b"{}"}, **KNOWN)
    found = load_checkpoint(str(tmp_path / "last"), labels=list(LABELS), config=KNOWN["learner"], data_split=SPLIT)
    assert not same(net, other)
    found.load_into(other)
    assert same(net, other)
    assert found.config.labels == LABELS
    assert found.config.metrics == {"validation": None, "test": {"uar": 0.25}}
    assert (tmp_path / "last/state/position.json").read_bytes() == b"{}"
    assert (tmp_path / "last" / WEIGHTS).stat().st_mode == (tmp_path / "last" / CONFIG).stat().st_mode


def test_the_same_weights_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        save_checkpoint(tmp_path / name, module=Net(seed=1), **KNOWN)
    for file in (WEIGHTS, CONFIG):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_labels_in_another_order_are_refused_with_both(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, module=Net(), **KNOWN)
    message = r'labels is \["happy", "sad", "disgust"\] in the checkpoint and \["sad", "happy", "disgust"\] here'
    with pytest.raises(CheckpointMismatch, match=message):
        load_checkpoint(tmp_path, labels=("sad", "happy", "disgust"))


def test_another_configuration_is_refused_with_both_values(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, module=Net(), **KNOWN)
    other = {"alignment": "balanced", "nested": {"frames": 16, "rates": [1e-3, 0.1]}, "more": True}
    with pytest.raises(CheckpointMismatch) as caught:
        load_checkpoint(tmp_path, config=other)
    assert 'learner.alignment is "softmax" in the checkpoint and "balanced" here' in str(caught.value)
    assert "learner.more is not set in the checkpoint and true here" in str(caught.value)
    assert "frames" not in str(caught.value)
    assert "rates" not in str(caught.value)


def test_other_clips_are_refused_with_both_lists(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, module=Net(), **KNOWN)
    other = DataSplit(train=ITEMS[:4], validation=(), test=ITEMS[5:])
    with pytest.raises(CheckpointMismatch) as caught:
        load_checkpoint(tmp_path, data_split=other)
    for split, counts in [(SPLIT, "(5 train, 0 validation, 3 test)"), (other, "(4 train, 0 validation, 3 test)")]:
        assert f"{split.sha256} {counts}" in str(caught.value)


def test_a_text_is_not_the_number_it_spells(tmp_path: Path) -> None:
    with pytest.raises(CheckpointMismatch, match='a is 1 in the checkpoint and "1" here'):
        demand_same({"a": "1"}, {"a": 1}, where=tmp_path)
    demand_same({"a": (1, 2), "b": {}}, {"b": {}, "a": [1, 2]}, where=tmp_path)


@pytest.mark.parametrize("value", [{1, 2}, float("nan"), Path("x"), torch.tensor(1)])
def test_a_configuration_that_json_cannot_keep_is_refused(value: object) -> None:
    with pytest.raises(UsageError, match="is not made of plain values"):
        demand_plain({"a": {"b": value}}, where="config")


def test_a_module_of_another_build_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, module=Net(), **KNOWN)
    checkpoint = load_checkpoint(tmp_path)
    with pytest.raises(
        CheckpointMismatch, match=r"frozen\.bias is \(4,\) in weights\.safetensors and \(5,\) in the mod"
    ):
        checkpoint.load_into(Net(width=5))
    with pytest.raises(CheckpointMismatch, match=r"the module does not have count, frozen\.bias"):
        checkpoint.load_into(nn.Linear(2, 2))
    larger = Net()
    larger.more = nn.Linear(2, 2)
    with pytest.raises(CheckpointMismatch, match=r"weights\.safetensors does not have more\.bias, more\.weight"):
        checkpoint.load_into(larger)


def test_without_the_frozen_weights_it_rests_on_the_same_ones(tmp_path: Path) -> None:
    net = Net(seed=1)
    save_checkpoint(tmp_path / "small", module=net, keep_frozen=False, **KNOWN)
    found = load_checkpoint(tmp_path / "small")
    assert not [name for name in found.weights if name.startswith("frozen")]
    other = Net(seed=2)
    other.frozen.load_state_dict(net.frozen.state_dict())
    found.load_into(other)
    assert same(net, other)
    with pytest.raises(CheckpointMismatch, match=r"rests on frozen weights [0-9a-f]{64}, and the module has [0-9a-f]"):
        found.load_into(Net(seed=2))


def test_a_checkpoint_that_is_not_there_or_damaged_is_a_typed_error(tmp_path: Path) -> None:
    folder = tmp_path / "last"
    with pytest.raises(ModelNotFound, match="there is no such checkpoint"):
        load_checkpoint(folder)
    save_checkpoint(folder, module=Net(), **KNOWN)
    whole = (folder / WEIGHTS).read_bytes()
    for broken in (whole[:-3], whole[:-1] + bytes([whole[-1] ^ 1]), b""):
        (folder / WEIGHTS).write_bytes(broken)
        with pytest.raises(ChecksumMismatch, match=WEIGHTS):
            load_checkpoint(folder)
    (folder / WEIGHTS).unlink()
    with pytest.raises(UnreadableCheckpoint, match=WEIGHTS):
        load_checkpoint(folder)
    known = json.loads((folder / CONFIG).read_text())
    for text, message in [
        (json.dumps({**known, "format": "emotrace checkpoint 9"}), "format: Input should be 'emotrace checkpoint 1'"),
        (json.dumps({name: value for name, value in known.items() if name != "labels"}), "labels: Field required"),
        ("{", "the file: Invalid JSON"),
        ("\udcff", "the file: Invalid JSON"),
    ]:
        (folder / CONFIG).write_bytes(text.encode(errors="surrogateescape"))
        with pytest.raises(UnreadableCheckpoint, match=message):
            load_checkpoint(folder)
    (folder / CONFIG).unlink()
    with pytest.raises(UnreadableCheckpoint, match=CONFIG):
        load_checkpoint(folder)


def test_weights_in_another_format_are_a_typed_error(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, module=Net(), **KNOWN)
    (tmp_path / WEIGHTS).write_bytes(b"\x80\x04pickled")
    known = json.loads((tmp_path / CONFIG).read_text())
    from emotrace.files import sha256_of

    known["weights_sha256"] = sha256_of(tmp_path / WEIGHTS)
    (tmp_path / CONFIG).write_text(json.dumps(known))
    with pytest.raises(UnreadableCheckpoint, match="cannot be read"):
        load_checkpoint(tmp_path)
