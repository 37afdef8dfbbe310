"""The product's settings, in a private `var` that vanishes with the test run.

The environment is set before the product's settings are read, so that processes started by tests inherit it.
"""

import atexit
import os
import shutil
import tempfile

# Each process of a divided run has its own; what a test starts inherits that of its process.
if os.environ.get("MOODPLANE_TEST_PROCESS") != os.environ.get("PYTEST_XDIST_WORKER", "alone"):
    os.environ["MOODPLANE_TEST_PROCESS"] = os.environ.get("PYTEST_XDIST_WORKER", "alone")
    os.environ["MOODPLANE_TEST_VAR"] = tempfile.mkdtemp(prefix="moodplane-test-")
    # Registered first, so run last: after the servers in it were stopped.
    atexit.register(shutil.rmtree, os.environ["MOODPLANE_TEST_VAR"], ignore_errors=True)
if "PYTEST_XDIST_WORKER" in os.environ:
    # As many threads as cores in each process would spend their time waiting for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["MOODPLANE_ENV_FILE"] = ""
os.environ["MOODPLANE_VAR"] = os.environ["MOODPLANE_TEST_VAR"]
os.environ.setdefault("SECRET_KEY", "a key for tests only, never used to sign anything real")

from mer_site.settings import *

# Hashing slowly is the point of a password hash, and no point of a test.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Look files up when asked for, in place of walking all of them for every test's client.
WHITENOISE_AUTOREFRESH = True
