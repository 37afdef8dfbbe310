"""Applications, middleware, templates and URLs."""

from django.urls import reverse

from mer_site.settings.paths import BASE_DIR, env

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
                "mer_site.preferences.page_context",
            ],
        },
    }
]
STORAGES = {
    "default": {
        "BACKEND": env.str("MOODPLANE_STORAGE", "django.core.files.storage.FileSystemStorage"),
        "OPTIONS": env.json("MOODPLANE_STORAGE_OPTIONS", {}),
    },
    "staticfiles": {"BACKEND": "mer_site.static_storage.StaticStorage"},
}
# Static files are found in place too, so that a checkout works before the first collectstatic.
WHITENOISE_USE_FINDERS = True

# Lower apps link to pages of higher ones without knowing their names.
ABSOLUTE_URL_OVERRIDES = {"catalog.song": lambda song: reverse("recommender:song_detail", args=[song.pk])}
SONGS_DELETE_URL = "recommender:songs_delete"
