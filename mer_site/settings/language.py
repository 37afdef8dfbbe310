"""Languages and time."""

from mer_site.settings.paths import BASE_DIR
from mer_site.settings.security import MOODPLANE_HTTPS

LANGUAGE_CODE = "en"
# Each by its native name, which its readers look for.
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_NAME = "language"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_SECURE = MOODPLANE_HTTPS
TIME_ZONE = "UTC"
USE_TZ = True
