from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from emotrace.grace.affine import AffineFit, fit_affine, smooth, warped

from .moving_faces import RIGHT, SIDE, Pose, draw

POSES = {
    "shift": Pose(right=1.2, down=-0.9),
    "long shift": Pose(right=-9.0, down=5.0),
    "tilt": Pose(turn=0.06),
    "zoom": Pose(zoom=0.05, right=2.0),
    "light": Pose(gain=1.15, offset=-0.02),
    "lips": Pose(lips=3.0),
    "all": Pose(right=1.2, down=0.9, turn=0.026, zoom=-0.02, gain=0.9, offset=0.05, lips=2.0),
}


def pictures(*drawn: np.ndarray) -> Tensor:
    return smooth(torch.tensor(np.stack(drawn), dtype=torch.float32))


def fit_of(pose: Pose, *, faces: int = 3) -> AffineFit:
    before = pictures(*(draw(face, Pose()) for face in range(faces)))
    return fit_affine(before, pictures(*(draw(face, pose, noise_seed=1) for face in range(faces))))


@pytest.mark.parametrize("name", POSES)
def test_a_known_motion_is_found_whatever_the_lips_do(name: str) -> None:
    pose, fit = POSES[name], fit_of(POSES[name])
    assert not fit.refused.any()
    np.testing.assert_allclose(fit.shift.numpy() * SIDE / 2, np.tile(pose.shift * SIDE / 2, (3, 1)), atol=0.08)
    np.testing.assert_allclose(fit.matrix.numpy(), np.tile(pose.matrix, (3, 1, 1)), atol=0.003)
    # Reading between pixels blurs a little; the gain makes up for it.
    np.testing.assert_allclose(fit.gain.numpy(), pose.gain - 1, atol=0.04)
    light = fit.gain.numpy() * 0.5 + fit.offset.numpy()
    np.testing.assert_allclose(light, (pose.gain - 1) * 0.5 + pose.offset, atol=0.01)


def test_the_warped_picture_is_what_the_picture_became() -> None:
    pose = POSES["all"]
    before, after = pictures(draw(0, Pose())), pictures(draw(0, pose))
    fit = fit_affine(before, after)
    read, seen = warped(before[:, None], fit)
    made = (1 + fit.gain[:, None, None]) * read[:, 0] + fit.offset[:, None, None]
    raw, left = (before - after).abs()[seen], (made - after).abs()[seen]
    assert left.median() < 0.005
    assert 3 * left.median() < raw.median()


def test_what_comes_from_beyond_the_edge_is_not_seen() -> None:
    read, seen = warped(torch.rand(1, 1, SIDE, SIDE), at_shift(0.25))
    assert seen[0, :, : SIDE * 3 // 4 - 1].all()
    assert not seen[0, :, SIDE * 7 // 8 :].any()
    assert torch.isfinite(read).all()


def at_shift(right: float) -> AffineFit:
    rest = AffineFit.at_rest(1, device=torch.device("cpu"))
    return AffineFit(**(vars(rest) | {"shift": torch.tensor([[right, 0.0]])}))


@pytest.mark.parametrize("level", [0.0, 0.4, None], ids=["black", "grey", "a face"])
def test_a_still_pair_is_at_rest_and_not_refused(level: float | None) -> None:
    still = pictures(draw(0, Pose()) if level is None else np.full((SIDE, SIDE), level))
    fit = fit_affine(still, still)
    assert not fit.refused.any()
    for values in (fit.shift, fit.matrix, fit.gain, fit.offset):
        np.testing.assert_allclose(values.numpy(), 0.0, atol=1e-4)


@pytest.mark.parametrize("pose", [Pose(right=30.0), Pose(zoom=0.6), Pose(turn=1.0)])
def test_what_no_face_does_between_two_frames_never_comes_out(pose: Pose) -> None:
    fit = fit_of(pose)
    assert (fit.shift.norm(dim=1) * SIDE / 2 <= 16).all()
    assert (fit.matrix.abs() <= 0.3).all()
    for values in (fit.shift, fit.matrix, fit.gain, fit.offset):
        assert (values[fit.refused] == 0).all()


def test_a_fit_that_explains_nothing_is_refused() -> None:
    noise = torch.rand(6, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    faces = pictures(*(draw(face, Pose()) for face in range(6)))
    fit = fit_affine(faces, smooth(noise))
    assert fit.refused.any()
    assert torch.isfinite(fit.shift).all()


def test_a_still_wall_around_a_small_face_does_not_hold_it() -> None:
    face = np.hypot(RIGHT, RIGHT.T) < 0.6  # 28 % of the picture
    pose = Pose(right=1.5, down=-1.0)
    before, after = (np.where(face, draw(1, each), 0.5) for each in (Pose(), pose))
    fit = fit_affine(pictures(before), pictures(after))
    np.testing.assert_allclose(fit.shift.numpy()[0] * SIDE / 2, [1.5, -1.0], atol=0.25)


def test_a_pair_is_fitted_by_itself() -> None:
    before = pictures(*(draw(face, Pose()) for face in range(20)))
    after = pictures(*(draw(face, POSES["all"], noise_seed=1) for face in range(20)))
    together, alone = fit_affine(before, after), fit_affine(before[17:18], after[17:18])
    np.testing.assert_allclose(together.shift[17:18], alone.shift, atol=1e-6)
    np.testing.assert_allclose(together.matrix[17:18], alone.matrix, atol=1e-6)
    np.testing.assert_allclose(together.gain[17:18], alone.gain, atol=1e-6)


def test_a_mirrored_pair_moves_the_other_way() -> None:
    before, after = pictures(draw(0, Pose())), pictures(draw(0, POSES["all"], noise_seed=1))
    fit, mirrored = fit_affine(before, after), fit_affine(before.flip(2), after.flip(2))
    mirror = torch.tensor([-1.0, 1.0])
    np.testing.assert_allclose(mirrored.shift, fit.shift * mirror, atol=1e-5)
    np.testing.assert_allclose(mirrored.matrix, fit.matrix * mirror * mirror[:, None], atol=1e-5)
    np.testing.assert_allclose(mirrored.gain, fit.gain, atol=1e-5)


def test_mixed_precision_does_not_reach_the_fit() -> None:
    plain = fit_of(POSES["all"], faces=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = fit_of(POSES["all"], faces=1)
    assert torch.equal(plain.shift, mixed.shift)
    assert torch.equal(plain.gain, mixed.gain)


def test_no_pairs_give_no_fits() -> None:
    assert len(fit_affine(torch.zeros(0, SIDE, SIDE), torch.zeros(0, SIDE, SIDE)).refused) == 0
