"""Tells other services what a listener plays, and takes the songs that they love there.

A listen is queued when it counts as one: half of the song, or four minutes. While a service is away its queue waits,
longer after each failure; when it refuses the account, until the listener acts.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.core import claims
from catalog.core.names import name_key
from catalog.core.secrets import decrypt, encrypt
from catalog.exceptions import AddressRefusedError, ServiceAwayError
from catalog.models import UNKNOWN_ARTIST, Song
from catalog.permissions import can_upload
from catalog.web import address_check
from recommender.exceptions import ServiceRefusedError
from recommender.models import FeltRating, Listen, Scrobble, ScrobbleAccount
from recommender.scrobbling.protocols import (
    LISTENBRAINZ_URL,
    MOST_AT_ONCE,
    AudioScrobbler,
    ListenBrainz,
    Loved,
    Play,
    Service,
)

logger = logging.getLogger(__name__)

ENOUGH_SHARE, ENOUGH_S = 0.5, 240.0
# Of songs that are shorter, services want no listens.
SHORTEST_S = 30.0
_FIRST_WAIT_S, _MOST_WAIT_S = 60.0, 6 * 3600.0
_PURPOSE = "scrobbling"


def may_be_private(user: User) -> bool:
    """Whether an account may name addresses of this machine's own network."""
    return settings.MOODPLANE_PRIVATE_ADDRESSES == "curators" and can_upload(user)


def listenbrainz_connect(*, user: User, token: str, url: str = LISTENBRAINZ_URL) -> ScrobbleAccount:
    """Connect an account of ListenBrainz, or of a server that speaks its language.

    Raises:
        AddressRefusedError, ServiceAwayError, ServiceRefusedError: Nothing is stored.
    """
    url = address_check(url or LISTENBRAINZ_URL)
    secrets = {"token": token.strip()}
    user_name = ListenBrainz(url, secrets, may_be_private=may_be_private(user)).user()
    return _store(user, ScrobbleAccount.Service.LISTENBRAINZ, url, user_name, secrets)


def audioscrobbler_connect(
    *, user: User, url: str, api_key: str, api_secret: str, user_name: str, password: str
) -> ScrobbleAccount:
    """Connect an account of Last.fm, or of a server that speaks its language; the password is not kept.

    Raises:
        AddressRefusedError, ServiceAwayError, ServiceRefusedError: Nothing is stored.
    """
    url = address_check(url)
    secrets = {"api_key": api_key.strip(), "api_secret": api_secret.strip()}
    service = AudioScrobbler(url, secrets, may_be_private=may_be_private(user))
    name, session = service.session(user_name, password)
    return _store(user, ScrobbleAccount.Service.AUDIOSCROBBLER, url, name, {**secrets, "session": session})


def _store(user: User, service: str, url: str, user_name: str, secrets: dict[str, str]) -> ScrobbleAccount:
    account, _made = ScrobbleAccount.objects.update_or_create(
        listener=user,
        service=service,
        url=url,
        defaults={
            "user_name": user_name[:200],
            "secrets": encrypt(json.dumps(secrets), _PURPOSE),
            "problem": "",
            "n_failures": 0,
            "retry_at": None,
        },
    )
    transaction.on_commit(SCROBBLES.wake, robust=True)
    return account


def service_of(account: ScrobbleAccount) -> Service:
    """Return the service of an account, ready to be asked.

    Raises:
        ServiceRefusedError: Its secrets were stored with another key of this server.
    """
    opened = decrypt(account.secrets, _PURPOSE)
    if not opened:
        raise ServiceRefusedError(_("The key of this server has changed. Connect the account again."))
    kind: Any = ListenBrainz if account.service == ScrobbleAccount.Service.LISTENBRAINZ else AudioScrobbler
    service: Service = kind(
        account.url, json.loads(opened), account.user_name, may_be_private=may_be_private(account.listener)
    )
    return service


# --- Listens ----------------------------------------------------------------------------------------------------------


def counts_as_listen(listen: Listen) -> bool:
    """Whether enough of a song was played: half of it, or four minutes."""
    if listen.song.duration_s < SHORTEST_S:
        return False
    if listen.outcome == Listen.Outcome.COMPLETED and listen.listened_s is None:
        return True
    return (listen.listened_s or 0.0) >= min(ENOUGH_SHARE * listen.song.duration_s, ENOUGH_S)


def listen_noted(*, listen: Listen) -> None:
    """Queue a listen that has ended for every service of its listener, once each."""
    if listen.listener_id is None or not counts_as_listen(listen):
        return
    accounts = ScrobbleAccount.objects.filter(listener=listen.listener_id)
    rows = [Scrobble(account=account, listen=listen) for account in accounts]
    if rows and Scrobble.objects.bulk_create(rows, ignore_conflicts=True):
        SCROBBLES.wake_on_commit()


def playing_tell(*, listen_id: int) -> None:
    """Tell the services of a listener what plays now; whoever is away never learns it."""
    listen = _listens().filter(pk=listen_id).first()
    if listen is None:
        return
    for account in ScrobbleAccount.objects.filter(_is_open(), listener=listen.listener_id).select_related("listener"):
        try:
            service_of(account).playing(_play(listen))
        except (ServiceAwayError, ServiceRefusedError, AddressRefusedError) as error:
            logger.info("%s was not told what plays: %s", account, error)


def _listens() -> QuerySet[Listen]:
    return Listen.objects.select_related("song__artist", "song__album__artist")


def _play(listen: Listen) -> Play:
    song, album = listen.song, listen.song.album
    return Play(
        artist=song.credit or song.artist.name,
        title=song.title,
        album=album.title if album else "",
        album_artist=album.artist.name if album else "",
        track_number=song.track_number,
        duration_s=song.duration_s,
        recording_id=song.recording_id,
        started_at=listen.started_at,
    )


def _is_open(prefix: str = "") -> Q:
    is_due = Q(**{f"{prefix}retry_at": None}) | Q(**{f"{prefix}retry_at__lte": timezone.now()})
    return is_due & Q(**{f"{prefix}problem": ""})


def scrobble_step() -> bool:
    """Send a batch of listens; return whether there was one."""
    rows = SCROBBLES.claim(MOST_AT_ONCE)
    with claims.released_on_error(rows):
        by_account: dict[int, list[Scrobble]] = defaultdict(list)
        for row in rows:
            by_account[row.account_id].append(row)
        for own in by_account.values():
            claims.renew(*own)
            _send(own[0].account, own)
    return bool(rows)


def _send(account: ScrobbleAccount, rows: list[Scrobble]) -> None:
    accounts = ScrobbleAccount.objects.filter(pk=account.pk)
    try:
        service_of(account).listens([_play(row.listen) for row in sorted(rows, key=lambda row: row.listen.started_at)])
    except ServiceAwayError as error:
        # A second batch that was claimed meanwhile waits no longer for it.
        wait_s = min(_FIRST_WAIT_S * 2 ** min(account.n_failures, 12), _MOST_WAIT_S)
        retry_at = timezone.now() + timedelta(seconds=wait_s)
        accounts.update(n_failures=F("n_failures") + 1, retry_at=retry_at)
        logger.info("%s is away and is asked again in %d s: %s", account, wait_s, error)
        for row in rows:
            claims.release(row, wait_s=wait_s, attempts=0)
    except (ServiceRefusedError, AddressRefusedError) as error:
        accounts.update(problem=str(error))
        for row in rows:
            claims.release(row, attempts=0)
    else:
        accounts.update(n_failures=0, retry_at=None)
        for row in rows:
            claims.finish(row)


def _rows() -> QuerySet[Scrobble]:
    song = "listen__song"
    rows = Scrobble.objects.select_related("account__listener", f"{song}__artist", f"{song}__album__artist")
    return rows.filter(_is_open("account__"))


SCROBBLES = claims.register(
    claims.Kind("scrobbles", Scrobble, "recommender.tasks.scrobbles_go_on", _rows, scrobble_step)
)


# --- Loved songs ------------------------------------------------------------------------------------------------------


def loved_import(*, account: ScrobbleAccount) -> tuple[int, int]:
    """Like the songs that a listener loves elsewhere; return how many became liked, and how many are not here.

    What the listener said of a song here stays: a song that they do not like is not liked for them.

    Raises:
        ServiceAwayError, ServiceRefusedError, AddressRefusedError: Nothing is changed.
    """
    loved = service_of(account).loved()
    found = _songs_of(loved)
    song_ids = {pk for pk in found if pk is not None}
    ratings = [FeltRating(listener=account.listener, song_id=pk, liked=True) for pk in sorted(song_ids)]
    with transaction.atomic():
        said = set(
            FeltRating.objects.filter(listener=account.listener, song__in=song_ids).values_list("song_id", flat=True)
        )
        unsaid = FeltRating.objects.filter(listener=account.listener, song__in=song_ids, liked=None)
        n_liked = unsaid.update(liked=True, updated_at=timezone.now())
        new = [rating for rating in ratings if rating.song_id not in said]
        FeltRating.objects.bulk_create(new, ignore_conflicts=True)
        ScrobbleAccount.objects.filter(pk=account.pk).update(loved_at=timezone.now(), problem="")
    return n_liked + len(new), sum(pk is None for pk in found)


def loved_import_tried(*, account_id: int) -> None:
    """Do so in the background; what goes wrong is shown with the account."""
    accounts = ScrobbleAccount.objects.filter(pk=account_id)
    for account in accounts.select_related("listener"):
        try:
            loved_import(account=account)
        except (ServiceAwayError, AddressRefusedError) as error:
            logger.info("The loved songs of %s were not taken: %s", account, error)
            accounts.update(retry_at=timezone.now(), n_failures=F("n_failures") + 1)
        except ServiceRefusedError as error:
            accounts.update(problem=str(error))


def _songs_of(loved: Iterable[Loved]) -> list[int | None]:
    """Return for each the song here: of the same recording, or of the same artist and title."""
    wanted = list(loved)
    ids = {each.recording_id for each in wanted if each.recording_id}
    by_id = dict(Song.objects.filter(recording_id__in=ids).order_by("-pk").values_list("recording_id", "pk"))
    artists = {name_key(each.artist) for each in wanted if each.artist} - {name_key(UNKNOWN_ARTIST)}
    songs = Song.objects.filter(artist__name_key__in=artists).order_by("-pk")
    by_name = {
        (artist, name_key(title)): pk for artist, title, pk in songs.values_list("artist__name_key", "title", "pk")
    }
    return [
        by_id.get(each.recording_id) or by_name.get((name_key(each.artist), name_key(each.title))) for each in wanted
    ]
