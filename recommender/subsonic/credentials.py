"""What players sign in with, made and revoked: a secret for each listener, and keys with names.

A player that signs in by token sends `md5(secret + salt)`, so the server has to know the secret itself. It is never the
password, and is stored encrypted. A key is sent as it is, so that its hash is enough.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.core.secrets import decrypt, encrypt
from recommender.exceptions import SubsonicKeyInvalidError, SubsonicKeyNotFoundError
from recommender.models import SubsonicKey, SubsonicSecret

MAX_NAME, MAX_KEYS = 80, 50
_PURPOSE = "subsonic"
_KEY_PREFIX = "mpk_"
_KEY_BYTES = 32
# Typed on phones: no letters that look like others. 20 of 31 are 99 bits.
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP_LETTERS = 4, 5
_SEEN_AGAIN = timedelta(minutes=1)


def secret_make(*, user: User) -> str:
    """Give a listener a new secret and return it; an older one ends."""
    groups = ("".join(secrets.choice(_LETTERS) for _ in range(_GROUP_LETTERS)) for _ in range(_GROUPS))
    secret = "-".join(groups)
    values = {
        "encrypted": encrypt(secret, _PURPOSE),
        "created_at": timezone.now(),
        "last_used_at": None,
    }
    SubsonicSecret.objects.update_or_create(listener=user, defaults=values)
    return secret


def secret_revoke(*, user: User) -> None:
    """Take a listener's secret away."""
    SubsonicSecret.objects.filter(listener=user).delete()


def secret_read(row: SubsonicSecret) -> str | None:
    """Return a secret; None where it was encrypted with another SECRET_KEY."""
    return decrypt(row.encrypted, _PURPOSE) or None


def key_make(*, user: User, name: str = "") -> tuple[SubsonicKey, str]:
    """Make a key for a player, and return it with what the player sends; that is known only now.

    Without a name it becomes "Player", or "Player 2" where there is one.

    Raises:
        SubsonicKeyInvalidError: a key has this name, the name is too long, or there are too many keys.
    """
    names = set(SubsonicKey.objects.filter(listener=user).values_list("name", flat=True))
    name = " ".join(name.split()) or next(
        each for each in ("Player", *(f"Player {n}" for n in range(2, MAX_KEYS + 2))) if each not in names
    )
    if len(name) > MAX_NAME or not name.isprintable():
        raise SubsonicKeyInvalidError(_("A name has at most %(most)d characters.") % {"most": MAX_NAME})
    if len(names) >= MAX_KEYS:
        raise SubsonicKeyInvalidError(_("There are %(n)d keys: revoke one first.") % {"n": len(names)})
    key = _KEY_PREFIX + secrets.token_urlsafe(_KEY_BYTES)
    try:
        with transaction.atomic():
            return SubsonicKey.objects.create(listener=user, name=name, key_hash=key_hash(key)), key
    except IntegrityError as error:
        sentence = _("There is a key named “%(name)s” already: revoke it first, or choose another name.")
        raise SubsonicKeyInvalidError(sentence % {"name": name}) from error


def key_revoke(*, user: User, pk: int) -> None:
    """End a key of a listener.

    Raises:
        SubsonicKeyNotFoundError: there is none, or it is another listener's.
    """
    if not SubsonicKey.objects.filter(listener=user, pk=pk).delete()[0]:
        raise SubsonicKeyNotFoundError(_("This key does not exist or is not yours."))


def all_revoke(*, user: User) -> None:
    """End everything that players of a listener sign in with."""
    secret_revoke(user=user)
    SubsonicKey.objects.filter(listener=user).delete()


def used(row: SubsonicSecret | SubsonicKey) -> None:
    """Note that a secret or key was used, once a minute."""
    now = timezone.now()
    if row.last_used_at is None or now - row.last_used_at > _SEEN_AGAIN:
        type(row)._default_manager.filter(pk=row.pk).update(last_used_at=now)


def key_hash(key: str) -> str:
    """Return what is stored of a key: it is random, so that one round of a hash is enough."""
    return hashlib.sha256(key.encode()).hexdigest()
