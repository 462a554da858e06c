"""Points that MediaPipe's face mesh finds on the London portraits, as a second opinion for `face_head.py --teacher`.

Runs in an environment of its own, because emotrace does not depend on MediaPipe (Apache-2.0):
`pip install mediapipe==0.10.21`, then `python recipes/face_head_teacher.py ../shared/data/face_london points.npz`.
Writes `name` and `points` [picture 68 2], pixels in Multi-PIE's order; only train people are read.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import cv2
import mediapipe as mp
import numpy as np

MULTIPIE: tuple[int, ...] = (
    *(127, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 356),
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300, 168, 197, 5, 4, 75, 97, 2, 326, 305),
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87),
)
"""Points of the mesh that mean the same places."""


def main() -> None:
    """Finds and writes."""
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    mesh = mp.solutions.face_mesh.FaceMesh(static_image_mode=True, refine_landmarks=True, max_num_faces=1)
    files, points = [], []
    for row in csv.DictReader((folder / "photos.csv").open()):
        if row["split"] != "train":
            continue
        picture = cv2.cvtColor(cv2.imread(str(folder / row["file"])), cv2.COLOR_BGR2RGB)
        found = mesh.process(picture).multi_face_landmarks
        if found:
            files.append(row["file"])
            points.append([(found[0].landmark[i].x * 512 - 0.5, found[0].landmark[i].y * 512 - 0.5) for i in MULTIPIE])
    np.savez(out, name=np.array(files), points=np.array(points, np.float32))


if __name__ == "__main__":
    main()
