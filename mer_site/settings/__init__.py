"""Settings by topic, read from the environment and checked by `mer_site.checks`.

Importing this package starts nothing: the embedded servers start at the first database connection.
"""

import django_stubs_ext

from mer_site.settings.api import *
from mer_site.settings.applications import *
from mer_site.settings.celery import *
from mer_site.settings.database import *
from mer_site.settings.language import *
from mer_site.settings.logs import *
from mer_site.settings.paths import *
from mer_site.settings.product import *
from mer_site.settings.security import *

# Lets annotations say ModelAdmin[Song] and QuerySet[Song]; some of Django's generic classes cannot do it by themselves.
django_stubs_ext.monkeypatch()
