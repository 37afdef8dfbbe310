"""Everything that writes in the emotion app."""

from emotion.services.analysis import estimate_upsert, songs_analyse
from emotion.services.labels import perceived_label_remove, perceived_label_set
from emotion.services.reanalysis import (
    reanalysis_cancel,
    reanalysis_pause,
    reanalysis_resume,
    reanalysis_start,
    reanalysis_step,
    reanalysis_tick,
)
from emotion.services.serving import predictor_forget, predictor_get, worker_forget, worker_report
from emotion.services.spectrogram import song_spectrogram_png

__all__ = [
    "estimate_upsert",
    "perceived_label_remove",
    "perceived_label_set",
    "predictor_forget",
    "predictor_get",
    "reanalysis_cancel",
    "reanalysis_pause",
    "reanalysis_resume",
    "reanalysis_start",
    "reanalysis_step",
    "reanalysis_tick",
    "song_spectrogram_png",
    "songs_analyse",
    "worker_forget",
    "worker_report",
]
