"""How one clip is seen: the square of its pictures that is kept, mirrored, turned, brighter; one warp for each.

One set of parameters per clip, never per frame, or the motion between frames would be ours and not the face's [ours].
Crop, flip, rotation and size are composed into one warp, so that a picture is resampled once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float64

from emotrace.datasets.frames import Picture
from emotrace.errors import UsageError


@dataclass(frozen=True, kw_only=True, slots=True)
class Augmentation:
    """From what the parameters of a training clip are drawn."""

    crop: tuple[float, float] = (0.8, 1.0)
    """Share of the picture's area that is kept, as a square at a random place."""
    flip: float = 0.5
    """Chance of a mirrored clip, in which "left" and "right" are false."""
    brightness: float = 0.5
    """Greatest relative change of brightness."""
    rotation_degrees: float = 0.0
    """Greatest turn, either way."""

    def __post_init__(self) -> None:
        low, high = self.crop
        if not (0 < low <= high <= 1 and 0 <= self.flip <= 1 and 0 <= self.brightness < 1):
            raise UsageError(f"an augmentation with values that cannot be: {self}")
        if not 0 <= self.rotation_degrees <= 180:
            raise UsageError(f"a rotation is 0 to 180 degrees, got {self.rotation_degrees}")


NO_AUGMENTATION = Augmentation(crop=(1.0, 1.0), flip=0.0, brightness=0.0)
AUGMENTATIONS: dict[str, Augmentation] = {
    "dfew": Augmentation(),
    "ferv39k": Augmentation(brightness=0.0, rotation_degrees=4.0),
    "mafw": Augmentation(),
    "synth_dfer": Augmentation(),
}
"""What each corpus is trained with [ours]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """How one clip is seen: the same for all its frames."""

    side: float = 1.0
    """Of the square that is kept, as a share of the picture's shorter side."""
    place: tuple[float, float] = (0.5, 0.5)
    """Where in the room that is left the square lies: 0 is left or top, 1 is right or bottom."""
    is_flipped: bool = False
    brightness: float = 1.0
    rotation_degrees: float = 0.0


def draw_view(augment: Augmentation, rng: np.random.Generator) -> View:
    """The view of a training clip. Every parameter takes one draw, so that none changes another's."""
    area, x, y, flip, brightness, turn = rng.random(6).tolist()
    low, high = augment.crop
    return View(
        side=math.sqrt(low + area * (high - low)),
        place=(x, y),
        is_flipped=flip < augment.flip,
        brightness=1 + augment.brightness * (2 * brightness - 1),
        rotation_degrees=augment.rotation_degrees * (2 * turn - 1),
    )


def warp(picture: Picture, pixels: int, view: View) -> Picture:
    """A picture as the view shows it, `pixels` high and wide, resampled once.

    Where the picture shrinks, each new pixel is the mean of a grid of samples no further apart than 1.25 old pixels:
    it averages over its area as OpenCV's INTER_AREA does, for turned squares too. Beyond the border the outermost pixel
    goes on.
    """
    height, width = picture.shape[:2]
    side = view.side * min(height, width)
    fine = max(1, math.ceil(side / pixels - 0.25))
    matrix = _to_picture(width, height, side, pixels * fine, view)
    size = (pixels * fine, pixels * fine)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(picture, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return warped if fine == 1 else cv2.resize(warped, (pixels, pixels), interpolation=cv2.INTER_AREA)


def _to_picture(width: int, height: int, side: float, pixels: int, view: View) -> Float64[np.ndarray, "2 3"]:
    """Maps the centre of a new pixel to its place in the picture; the centre of the first pixel is 0."""
    middle_x = side / 2 + view.place[0] * (width - side) - 0.5
    middle_y = side / 2 + view.place[1] * (height - side) - 0.5
    step, center = side / pixels, (pixels - 1) / 2
    mirror = -1.0 if view.is_flipped else 1.0
    along = step * math.cos(math.radians(view.rotation_degrees))
    across = step * math.sin(math.radians(view.rotation_degrees))
    return np.array(
        [
            [mirror * along, -across, middle_x - center * (mirror * along - across)],
            [mirror * across, along, middle_y - center * (mirror * across + along)],
        ]
    )
