from __future__ import annotations

import json
import subprocess
import sys

import emotrace.metrics as metrics

HEAVY = ("torch", "sklearn", "scipy", "pandas", "openpyxl", "pydantic", "rich", "av", "cv2")


def test_the_room_loads_numpy_at_most_and_quickly() -> None:
    code = """
import sys, time, json
start = time.process_time()
import emotrace.metrics
seconds = time.process_time() - start
from emotrace.metrics import *
print(json.dumps([seconds, sorted({name.partition(".")[0] for name in sys.modules})]))
"""
    runs = [json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
            for _ in range(3)]  # fmt: skip
    assert min(seconds for seconds, _ in runs) < 0.15
    assert not set(HEAVY) & set(runs[0][1])


def test_every_public_name_is_there() -> None:
    assert all(getattr(metrics, name) is not None for name in metrics.__all__)
    assert set(metrics.__all__) == set(dir(metrics))
    assert not hasattr(metrics, "accuracy")
