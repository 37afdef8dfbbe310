import pytest
import torch

from training.augment import AugmentConfig, augment, mixup, soft_quadrants

OFF = AugmentConfig(gain_db=0, tilt_db=0, lowpass_chance=0, mask_chance=0, shift=False, mixup_alpha=0)


def images(n: int = 8) -> torch.Tensor:
    return torch.rand(n, 1, 32, 40) * 0.8 + 0.1


def test_everything_off_changes_nothing() -> None:
    batch = images()
    assert torch.allclose(augment(batch, OFF, range_db=90), batch)


@pytest.mark.parametrize(
    "change",
    [{"gain_db": 10}, {"tilt_db": 8}, {"lowpass_chance": 1.0}, {"mask_chance": 1.0}, {"shift": True}],
)
def test_each_change_alone_changes_and_keeps_the_range(change: dict[str, float]) -> None:
    torch.manual_seed(0)
    batch = images()
    changed = augment(batch, AugmentConfig(**{**{f: getattr(OFF, f) for f in OFF.__slots__}, **change}), range_db=90)
    assert changed.shape == batch.shape
    assert not torch.allclose(changed, batch)
    assert 0 <= changed.min() <= changed.max() <= 1


def test_silence_stays_silent() -> None:
    torch.manual_seed(0)
    assert augment(torch.zeros(4, 1, 32, 40), AugmentConfig(), range_db=90).max() == 0


def test_mixup_mixes_images_and_targets_with_the_same_weight() -> None:
    torch.manual_seed(0)
    marks = torch.arange(8.0).view(8, 1)
    mixed, also = mixup([marks, marks.clone()], 0.4)
    assert torch.equal(mixed, also)
    assert not torch.equal(mixed, marks)
    assert mixup([marks], 0)[0] is marks


def test_a_rating_near_the_midpoint_says_little() -> None:
    assert soft_quadrants(0, 0, 0.3) == pytest.approx((0.25,) * 4)
    certain = soft_quadrants(1, 1, 0.3)
    assert certain[0] > 0.99
    assert sum(soft_quadrants(0.2, -0.4, 0.3)) == pytest.approx(1)
