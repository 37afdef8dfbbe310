"""Settings, read from the environment; `mer_site.checks` refuses values that cannot work, with a sentence.

Importing this module is cheap and starts nothing: the embedded servers start at the first database connection.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import django_stubs_ext
import environ
from django.urls import reverse

from mer_site.local import paths
from mer_site.local.secret_key import secret_key

# Lets annotations say ModelAdmin[Song] and QuerySet[Song]; some of Django's generic classes cannot do it by themselves.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()


# --- Where things are -------------------------------------------------------------------------------------------
def _folder(name: str, default: Path) -> Path:
    # Empty counts as not set, as it is written in files of settings; it must not become the folder one stands in.
    return Path(env.str(name, "") or default).expanduser().absolute()


MOODPLANE_VAR = _folder("MOODPLANE_VAR", BASE_DIR / "var")
MEDIA_ROOT = _folder("MEDIA_ROOT", MOODPLANE_VAR / "media")
MOODPLANE_INDEX_DIR = _folder("MOODPLANE_INDEX_DIR", MOODPLANE_VAR / "index")
MOODPLANE_MODELS_DIR = _folder("MOODPLANE_MODELS_DIR", MOODPLANE_VAR / "models")
STATIC_ROOT = MOODPLANE_VAR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_URL = "/static/"
MEDIA_URL = "/media/"  # Nothing is served from here: audio and covers pass through views that ask for permission.

# --- Who may reach it -------------------------------------------------------------------------------------------
DEBUG = env.bool("DEBUG", False)
SECRET_KEY = env.str("SECRET_KEY", "") or secret_key(MOODPLANE_VAR)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
MOODPLANE_PUBLIC = env.bool("MOODPLANE_PUBLIC", True)
MOODPLANE_HTTPS = env.bool("MOODPLANE_HTTPS", False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = MOODPLANE_HTTPS
# Only a proxy that terminates TLS, and that overwrites this header itself, makes it trustworthy.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if MOODPLANE_HTTPS else None
SECURE_HSTS_SECONDS = 31_536_000 if MOODPLANE_HTTPS else 0
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# --- What the product allows ------------------------------------------------------------------------------------
MOODPLANE_DEVICE = env.str("MOODPLANE_DEVICE", "auto")
MOODPLANE_ENGINE = env.str("MOODPLANE_ENGINE", "auto")
MOODPLANE_MAX_UPLOAD_BYTES = env.int("MOODPLANE_MAX_UPLOAD_BYTES", 500 * 1024 * 1024)
MOODPLANE_MAX_DURATION_S = env.float("MOODPLANE_MAX_DURATION_S", 2 * 3600.0)
MOODPLANE_X_ACCEL = env.str("MOODPLANE_X_ACCEL", "")
# The labelled datasets that training reads; only `train` and `evaluate`, and tests marked for them, need it.
MER_DATA = Path(env.str("MER_DATA", str(BASE_DIR.parent / "shared" / "data"))).expanduser().absolute()


def _newest_weights() -> Path | None:
    shipped = sorted((BASE_DIR / "emotion" / "weights").glob("*.safetensors"))
    return shipped[-1] if shipped else None


_weights = env.str("MOODPLANE_WEIGHTS", "")
# Weights named by hand serve whatever is live in the registry of models.
MOODPLANE_WEIGHTS_PINNED = bool(_weights)
MOODPLANE_WEIGHTS: Path | None = Path(_weights).expanduser().absolute() if _weights else _newest_weights()

# --- Database, broker, cache ------------------------------------------------------------------------------------
MOODPLANE_EMBEDDED_POSTGRES = not env.str("DATABASE_URL", "")
MOODPLANE_EMBEDDED_REDIS = not env.str("CELERY_BROKER_URL", "")
_embedded = paths.EmbeddedPaths(MOODPLANE_VAR)

_database: dict[str, Any] = (
    {
        "ENGINE": "mer_site.local.backend",
        "NAME": paths.DATABASE_NAME,
        "USER": paths.DATABASE_USER,
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
    # Rows of songs as they are written into pages, by all that they show; some 3 kB each, in each web process.
    "rows": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "rows",
        "OPTIONS": {"MAX_ENTRIES": 5_000},
    },
}

# --- Celery -----------------------------------------------------------------------------------------------------
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {
    "emotion.tasks.analyse_songs": {"queue": "gpu"},
    "emotion.tasks.reanalysis_go_on": {"queue": "gpu"},
    "emotion.tasks.curves_go_on": {"queue": "gpu"},
    "emotion.tasks.explain_tag": {"queue": "gpu"},
    "training.tasks.gate_check": {"queue": "gpu"},
    "training.tasks.retrain": {"queue": "gpu"},
}
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A message whose worker was killed comes back after this time. Songs do not wait for it: their own lease is shorter.
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 1800}
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE_FILENAME = str(MOODPLANE_VAR / "run" / "beat-schedule")
# A tick that could not run before the next one is stale, so it expires instead of piling up behind a busy worker.
CELERY_BEAT_SCHEDULE = {
    "reconcile songs": {
        "task": "emotion.tasks.songs_reconcile_task",
        "schedule": 30.0,
        "options": {"expires": 30.0},
    },
    "go on with a re-analysis": {
        "task": "emotion.tasks.reanalysis_tick_task",
        "schedule": 30.0,
        "options": {"expires": 30.0},
    },
    "go on with curves": {
        "task": "emotion.tasks.curves_tick_task",
        "schedule": 30.0,
        "options": {"expires": 30.0},
    },
    "go on with explanations": {
        "task": "emotion.tasks.attention_tick_task",
        "schedule": 30.0,
        "options": {"expires": 30.0},
    },
    "notice a lost retraining": {
        "task": "training.tasks.retraining_tick",
        "schedule": 60.0,
        "options": {"expires": 60.0},
    },
    "finish and clear unfinished uploads": {
        "task": "catalog.tasks.upload_sessions_tick",
        "schedule": 120.0,
        "options": {"expires": 120.0},
    },
    "refresh the index": {
        "task": "recommender.tasks.index_refresh",
        "schedule": 60.0,
        "options": {"expires": 60.0},
    },
    "learn what listeners have in common": {
        "task": "recommender.tasks.prior_learn",
        "schedule": 3600.0,
        "options": {"expires": 3600.0},
    },
    "delete playlists that were thrown away": {
        "task": "recommender.tasks.playlists_purge",
        "schedule": 3600.0,
        "options": {"expires": 3600.0},
    },
}

# --- Django -----------------------------------------------------------------------------------------------------
ROOT_URLCONF = "mer_site.urls"
WSGI_APPLICATION = "mer_site.wsgi.application"
INSTALLED_APPS = [
    "mer_site",
    "training",
    "recommender",
    "emotion",
    "catalog",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_htmx",
    "django_filters",
    "rest_framework",
    "rest_framework.authtoken",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "mer_site.middleware.TextGzipMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "mer_site.middleware.ClosedSiteMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "mer_site.errors.AppErrorMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "mer_site.preferences.context_processors.permissions",
                "mer_site.preferences.context_processors.account_urls",
                "mer_site.preferences.context_processors.theme",
            ],
        },
    }
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "mer_site.static_storage.StaticStorage"},
}
# Static files are found in place too, so that a checkout works before the first collectstatic.
WHITENOISE_USE_FINDERS = True

AUTHENTICATION_BACKENDS = ["catalog.permissions.CuratorBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "accounts:login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"
# Lower apps link to pages of higher ones without knowing their names.
ABSOLUTE_URL_OVERRIDES = {"catalog.song": lambda song: reverse("recommender:song_detail", args=[song.pk])}
SONGS_DELETE_URL = "recommender:songs_delete"
LANGUAGE_CODE = "en"
# Each in its own words: a reader looks for the name that they know.
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_NAME = "language"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_SECURE = MOODPLANE_HTTPS
TIME_ZONE = "UTC"
USE_TZ = True

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "media-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}

# --- API --------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["catalog.permissions.CanListen"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "mer_site.pagination.PageNumberPagination",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_CLASSES": [
        "rest_framework.throttling.AnonRateThrottle",
        "rest_framework.throttling.UserRateThrottle",
        "rest_framework.throttling.ScopedRateThrottle",
    ],
    "DEFAULT_THROTTLE_RATES": {
        "anon": env.str("MOODPLANE_RATE_ANON", "300/min"),
        "user": env.str("MOODPLANE_RATE_USER", "1200/min"),
        "uploads": env.str("MOODPLANE_RATE_UPLOADS", "600/min"),
        "playlists": env.str("MOODPLANE_RATE_PLAYLISTS", "120/min"),
        "ratings": env.str("MOODPLANE_RATE_RATINGS", "240/min"),
        "auth": env.str("MOODPLANE_RATE_AUTH", "20/min"),
    },
    "EXCEPTION_HANDLER": "mer_site.errors.problem_response",
    "PAGE_SIZE": 50,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Moodplane",
    "DESCRIPTION": "Songs, the emotion they carry, playlists for a mood, and what listeners felt.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
}

# --- Logs -------------------------------------------------------------------------------------------------------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", "INFO").upper()},
}
