"""Everything that writes in the emotion app."""

from emotion.services.analysis import estimate_upsert, songs_analyse
from emotion.services.attention import attention_make, attention_request, attention_tick
from emotion.services.curves import curve_step, curves_queue, curves_tick
from emotion.services.labels import perceived_label_remove, perceived_label_set
from emotion.services.library import (
    MAX_SONGS,
    check_number,
    library_edit,
    library_seen,
    library_undo,
)
from emotion.services.overrides import Word
from emotion.services.reanalysis import (
    reanalysis_cancel,
    reanalysis_pause,
    reanalysis_resume,
    reanalysis_start,
    reanalysis_step,
    reanalysis_tick,
)
from emotion.services.serving import (
    predictor_forget,
    predictor_get,
    worker_forget,
    worker_report,
)
from emotion.services.spectrogram import song_attention_png, song_spectrogram_png

__all__ = [
    "MAX_SONGS",
    "Word",
    "attention_make",
    "attention_request",
    "attention_tick",
    "check_number",
    "curve_step",
    "curves_queue",
    "curves_tick",
    "estimate_upsert",
    "library_edit",
    "library_seen",
    "library_undo",
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
    "song_attention_png",
    "song_spectrogram_png",
    "songs_analyse",
    "worker_forget",
    "worker_report",
]
