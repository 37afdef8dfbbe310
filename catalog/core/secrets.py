"""Encrypts what the server must be able to read again, such as the tokens of other services.

The key of each purpose is derived from SECRET_KEY (HKDF, RFC 5869), so a copy of the database alone reveals nothing.
After a change of SECRET_KEY, the old one in SECRET_KEY_FALLBACKS still reads.
"""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


def encrypt(secret: str, purpose: str) -> str:
    """Return a secret as a text to store; `purpose` is a fixed name, such as `scrobbling`."""
    return _fernet(purpose).encrypt(secret.encode()).decode()


def decrypt(stored: str, purpose: str) -> str:
    """Return the secret, or empty text where no key of this server opens it."""
    try:
        return _fernet(purpose).decrypt(stored.encode()).decode()
    except InvalidToken:
        return ""


def _fernet(purpose: str) -> MultiFernet:
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return MultiFernet([Fernet(_derived(str(key), purpose)) for key in keys])


def _derived(key: str, purpose: str) -> bytes:
    derivation = HKDF(algorithm=SHA256(), length=32, salt=None, info=f"moodplane.{purpose}".encode())
    return base64.urlsafe_b64encode(derivation.derive(key.encode()))
