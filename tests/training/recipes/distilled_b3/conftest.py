import numpy as np
import pytest

from emotion.zoo.frontends import MelConfig
from training.recipes.distilled_b3.mixtures import Spectra

# 6.5 s of 32 bands, six times as coarse as the served images.
MEL = MelConfig(n_fft=1024, hop_samples=1024, n_mels=32, f_max_hz=8000.0, window_s=6.5, frames_as_channels=True)


@pytest.fixture(scope="session")
def clips() -> list[Spectra]:
    """Eight made clips of 8 s: a band of noise each, at another pitch and level, the same for student and teacher."""
    rng = np.random.default_rng(0)
    made = []
    for number in range(8):
        student, teacher = np.full((172, 32), -70.0), np.full((500, 96), -70.0)
        student[:, 3 * number : 3 * number + 4] = 10 - 3 * number
        teacher[:, 9 * number : 9 * number + 12] = 10 - 3 * number
        student += rng.normal(0, 2, student.shape)
        teacher += rng.normal(0, 2, teacher.shape)
        made.append(Spectra(student.astype(np.float16), teacher.astype(np.float16), -20.0))
    return made
