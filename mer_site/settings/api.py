"""The REST API."""

from mer_site.settings.paths import env

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["catalog.permissions.CanListen"],
    "DEFAULT_PARSER_CLASSES": [
        "mer_site.parsers.ShallowJSONParser",
        "rest_framework.parsers.FormParser",
        "rest_framework.parsers.MultiPartParser",
    ],
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
        "subsonic": env.str("MOODPLANE_RATE_SUBSONIC", "3000/min"),
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
