"""Who may reach the site, and how people sign in."""

from mer_site.local.paths import secret_key
from mer_site.settings.paths import MOODPLANE_VAR, env
from mer_site.settings.product import MOODPLANE_MEDIA_ORIGIN

DEBUG = env.bool("DEBUG", False)
SECRET_KEY = env.str("SECRET_KEY", "") or secret_key(MOODPLANE_VAR)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
MOODPLANE_PUBLIC = env.bool("MOODPLANE_PUBLIC", True)
# "open" or "invited"; None leaves it to the staff.
MOODPLANE_SIGNUP = env.str("MOODPLANE_SIGNUP", "") or None
MOODPLANE_HTTPS = env.bool("MOODPLANE_HTTPS", False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = MOODPLANE_HTTPS
# Only a proxy that terminates TLS, and that overwrites this header itself, makes it trustworthy.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if MOODPLANE_HTTPS else None
SECURE_HSTS_SECONDS = 31_536_000 if MOODPLANE_HTTPS else 0
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

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
# Of the link to the first steps, which is used or replaced at the next start; it is as good as the printed password.
PASSWORD_RESET_TIMEOUT = 365 * 24 * 3600
LOGIN_URL = "accounts:login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"

# Where redirects to the addresses that a storage signs lead.
_media_sources = ["'self'", *filter(None, [MOODPLANE_MEDIA_ORIGIN])]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "connect-src": _media_sources,
        "img-src": [*_media_sources, "data:"],
        "media-src": _media_sources,
        "object-src": ["'none'"],
        "base-uri": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}
