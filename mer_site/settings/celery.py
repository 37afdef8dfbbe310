"""Queues, and what runs periodically."""

from mer_site.settings.paths import MOODPLANE_VAR

CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {
    "emotion.tasks.analyse_songs": {"queue": "gpu"},
    "emotion.tasks.reanalysis_go_on": {"queue": "gpu"},
    "emotion.tasks.curves_go_on": {"queue": "gpu"},
    "emotion.tasks.waveforms_go_on": {"queue": "gpu"},
    "emotion.tasks.sounds_go_on": {"queue": "gpu"},
    "emotion.tasks.explain_estimate": {"queue": "gpu"},
    # The name before 0.2.0, in messages that an earlier release sent.
    "emotion.tasks.explain_tag": {"queue": "gpu"},
    "training.tasks.gate_check": {"queue": "gpu"},
    "training.tasks.retrain": {"queue": "gpu"},
}
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A message whose worker was killed comes back after this time. Songs do not wait for it: their lease is shorter.
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 1800}
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE_FILENAME = str(MOODPLANE_VAR / "run" / "beat-schedule")
_EVERY_S = {
    "find lost work": ("catalog.tick", 30.0),
    "finish and clear unfinished uploads": ("catalog.tasks.partial_uploads_tick", 120.0),
    "refresh the index": ("recommender.tasks.index_refresh", 60.0),
    "learn what listeners have in common": ("recommender.tasks.prior_learn", 3600.0),
    "delete playlists that were thrown away": ("recommender.tasks.playlists_purge", 3600.0),
}
# A tick that could not run before the next one is stale, so it expires instead of piling up behind a busy worker.
CELERY_BEAT_SCHEDULE = {
    name: {"task": task, "schedule": every_s, "options": {"expires": every_s}}
    for name, (task, every_s) in _EVERY_S.items()
}
