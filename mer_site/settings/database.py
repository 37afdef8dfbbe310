"""PostgreSQL, and Redis as a cache."""

from typing import Any

from mer_site.local import paths as local_paths
from mer_site.settings.paths import MOODPLANE_VAR, env

MOODPLANE_EMBEDDED_POSTGRES = not env.str("DATABASE_URL", "")
MOODPLANE_EMBEDDED_REDIS = not env.str("CELERY_BROKER_URL", "")
_embedded = local_paths.EmbeddedPaths(MOODPLANE_VAR)

_database: dict[str, Any] = (
    {
        "ENGINE": "mer_site.local.backend",
        "NAME": local_paths.DATABASE_NAME,
        "USER": local_paths.DATABASE_USER,
        "HOST": str(_embedded.socket_dir),
        "OPTIONS": {"passfile": str(_embedded.passfile)},
    }
    if MOODPLANE_EMBEDDED_POSTGRES
    else env.db_url("DATABASE_URL")
)
DATABASES = {"default": {**_database, "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", "") or f"redis+socket://{_embedded.redis_socket}"
_cache_url = f"unix://{_embedded.redis_socket}?db=1" if MOODPLANE_EMBEDDED_REDIS else CELERY_BROKER_URL
CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": env.str("CACHE_URL", _cache_url).replace("redis+socket://", "unix://", 1),
        "KEY_PREFIX": "moodplane",
    },
    # Rows of songs, and cards of albums and artists, as pages have them, by all that they show; some 3 kB each, in each
    # web process.
    "rows": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "rows",
        "OPTIONS": {"MAX_ENTRIES": 5_000},
    },
}
