"""Playlists shared by an unguessable link, copied, and imported from files."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import Q, Value
from django.db.models.functions import Lower, Upper
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from catalog.core.names import artists_split, name_key
from catalog.models import UNKNOWN_ARTIST, Song, Upload
from catalog.selectors import FURTHER_ARTISTS, ids_by_artist, song_searches
from emotion.models import EmotionEstimate
from emotion.selectors import prevailing_model_version
from recommender.exceptions import ExchangeError, PlaylistInvalidError
from recommender.formats.files import FileEntry, sheet_read
from recommender.formats.matching import Candidate, Match, Wanted, candidate_query, choose, file_key, wanted
from recommender.generate import predict_items
from recommender.models import Playlist, PlaylistItem
from recommender.requests import MAX_TITLE, Listener, owner_check, title_checked
from recommender.selectors import public_reason_of, shared_songs

_TOKEN_BYTES = 32
# Songs looked at for one entry.
_CANDIDATES = 25
_NAMED_IN_ERROR = 3


def playlist_share(*, playlist: Playlist) -> str:
    """Return the token that opens a playlist to everyone; a shared playlist keeps its token."""
    # The condition keeps two clicks from making two links of which one is dead.
    Playlist.objects.filter(pk=playlist.pk, share_token=None).update(share_token=secrets.token_urlsafe(_TOKEN_BYTES))
    playlist.refresh_from_db(fields=["share_token"])
    return playlist.share_token or ""


def playlist_unshare(*, playlist: Playlist) -> None:
    """Withdraw the link; sharing again makes another one."""
    playlist.share_token = None
    playlist.save(update_fields=["share_token", "updated_at"])


@transaction.atomic
def playlist_copy(*, shared: Playlist, listener: Listener) -> Playlist:
    """Copy a shared playlist to one of the visitor's.

    It holds the songs and their public reasons, and what the visitor, not the owner, is predicted to feel. The owner's
    mood and the path of a journey, which begins with it, stay behind; so the copy is a list like one from a file.

    Raises:
        PlaylistInvalidError: the visitor has neither account nor session.
    """
    owner_check(listener)
    songs = shared_songs(shared)
    return _store(
        listener,
        [(each.position, each.song.pk, each.reason) for each in songs],
        title=shared.title,
        target_quadrant=shared.target_quadrant,
        target_valence=shared.target_valence,
        target_arousal=shared.target_arousal,
        model_version=shared.model_version,
    )


@transaction.atomic
def playlist_import(*, listener: Listener, content: bytes, file_name: str, site: str) -> Playlist:
    """Create a playlist of the songs of a file that are in the catalog, in the file's order.

    `file_name` names the list if the file does not; by `site`, this site's address, our own links are recognised. The
    playlist's `import_report` lists the entries that were not found, are ambiguous, or came twice.

    Raises:
        ExchangeError: the file cannot be read, or none of its songs is here.
        PlaylistInvalidError: the listener has neither account nor session.
    """
    owner_check(listener)
    sheet = sheet_read(content)
    matches = _matches(sheet.entries, site)
    song_ids = list(dict.fromkeys(match.song_id for match in matches if match.song_id is not None))
    if not song_ids:
        names = [f"“{entry.words[:80]}”" for entry in sheet.entries[:_NAMED_IN_ERROR]]
        if len(sheet.entries) > _NAMED_IN_ERROR:
            names.append("…")
        sentence = ngettext(
            "The only song in this file is not in this catalog: %(names)s.",
            "None of the %(n)d songs in this file is in this catalog: %(names)s.",
            len(sheet.entries),
        )
        raise ExchangeError(sentence % {"n": len(sheet.entries), "names": ", ".join(names)})
    try:
        title = title_checked((sheet.title or PurePath(file_name.replace("\\", "/")).stem)[:MAX_TITLE])
    except PlaylistInvalidError:
        title = _("Imported playlist")
    current = EmotionEstimate.objects.filter(is_current=True, song_id__in=song_ids).with_effective()
    estimates = {estimate.song_id: estimate for estimate in current.defer("embedding_bytes")}
    points = [(each.effective_valence, each.effective_arousal) for each in estimates.values()]
    valence, arousal = np.mean(points, axis=0).tolist() if points else (0.0, 0.0)
    return _store(
        listener,
        [
            (place, song_id, _("From your file. %(sentence)s") % {"sentence": sentence})
            for place, song_id in enumerate(song_ids, start=1)
            for sentence in [public_reason_of(estimates.get(song_id)) or _("Not analysed yet.")]
        ],
        title=title,
        target_valence=valence,
        target_arousal=arousal,
        model_version=prevailing_model_version(),
        import_report={"file_name": file_name[:MAX_TITLE], **_report(sheet.entries, matches)},
    )


def _store(listener: Listener, items: list[tuple[int, int, str]], **fields: Any) -> Playlist:
    """Store a list from elsewhere: items of place, song and reason, with what this listener is predicted to feel."""
    playlist = Playlist.objects.create(
        **listener.owner_fields("owner"),
        **fields,
        kind=Playlist.Kind.IMPORTED,
        requested_length=max(len(items), 1),
        seed=0,
        saved_at=timezone.now(),
        arranged_at=timezone.now(),
    )
    felt = predict_items(listener=listener, song_ids=[song_id for _place, song_id, _reason in items])
    PlaylistItem.objects.bulk_create(
        PlaylistItem(
            playlist=playlist,
            position=place,
            song_id=song_id,
            reason=reason,
            felt_valence=valence,
            felt_arousal=arousal,
        )
        for place, song_id, reason in items
        for valence, arousal in [felt.get(song_id, (None, None))]
    )
    return playlist


def _matches(entries: Sequence[FileEntry], site: str) -> list[Match]:
    """Match all entries; each kind of look-up is one query for all of them."""
    sought = [wanted(entry, site) for entry in entries]
    arrived = _arrived({name for each in sought for name in each.file_names})
    looks = _exact_looks(sought)
    matches = [_match(*each, arrived) for each in zip(entries, sought, looks, strict=True)]
    open_ones = [place for place, match in enumerate(matches) if not match.certain]
    searches = _search_looks([sought[place] for place in open_ones])
    for place, found in zip(open_ones, searches, strict=True):
        matches[place] = _match(entries[place], sought[place], [*looks[place], *found], arrived)
    return matches


def _arrived(file_names: set[str]) -> dict[str, dict[int, Song]]:
    """Return songs by the key of their file's name; names have no index, so all are looked up in one pass."""
    uploads = Upload.objects.alias(lower=Lower("file_name")).filter(
        lower__in=[Lower(Value(name)) for name in file_names], song__isnull=False
    )
    arrived: dict[str, dict[int, Song]] = {}
    for upload in uploads.select_related("song__artist").order_by("song_id"):
        songs = arrived.setdefault(file_key(upload.file_name), {})
        if upload.song is not None and len(songs) < _CANDIDATES:
            songs[upload.song.pk] = upload.song
    return arrived


def _match(
    entry: FileEntry, sought: Wanted, looks: Sequence[Sequence[Song]], arrived: Mapping[str, Mapping[int, Song]]
) -> Match:
    """Choose among the songs of the file's name and, until one is certain, those of each look."""
    named: dict[int, list[str]] = {}
    songs_named: dict[int, Song] = {}
    for name in sought.file_names:
        for song_id, song in arrived.get(file_key(name), {}).items():
            named.setdefault(song_id, []).append(name)
            songs_named[song_id] = song
    candidates = {each.song_id: each for each in _candidates(songs_named.values(), named)}
    match = Match(None)
    for place, songs in enumerate(looks):
        if place and not songs:
            continue
        # Songs found earlier know the names of their files.
        candidates = {each.song_id: each for each in _candidates(songs, named)} | candidates
        match = choose(entry, sought, list(candidates.values()))
        if match.certain:
            break
    return match


def _exact_looks(sought: Sequence[Wanted]) -> list[list[list[Song]]]:
    """Return for each entry the songs of its own id, of its content hash, and of each artist and title."""
    songs = Song.objects.select_related("artist").order_by("-id")
    own_ids = {each.own_id for each in sought if each.own_id is not None}
    hashes = {each.content_hash for each in sought if each.content_hash}
    known = list(songs.filter(Q(pk__in=own_ids) | Q(content_hash__in=hashes)))
    by_id, by_hash = {song.pk: song for song in known}, {song.content_hash: song for song in known}
    # A common title matches many songs; an artist has few.
    names = {name for each in sought for name in each.names if name_key(name[0])}
    by_artist = songs.alias(upper=Upper("title")).filter(
        pk__in=ids_by_artist(artist__name_key__in={name_key(artist) for artist, _title in names}),
        upper__in=[Upper(Value(title)) for title in {title for _artist, title in names}],
    )
    by_name: dict[tuple[str, str], list[Song]] = {}
    for song in by_artist.prefetch_related(FURTHER_ARTISTS):
        for key in {artist.name_key for artist in song.artists}:
            by_name.setdefault((key, song.title.casefold()), []).append(song)
    return [
        [
            [by_id[each.own_id]] if each.own_id in by_id else [],
            [by_hash[each.content_hash]] if each.content_hash in by_hash else [],
            *(by_name.get((name_key(artist), title.casefold()), [])[:_CANDIDATES] for artist, title in each.names),
        ]
        for each in sought
    ]


def _search_looks(sought: Sequence[Wanted]) -> list[list[list[Song]]]:
    """Return for each entry the songs that each of its searches finds."""
    # A label split at another dash is the same words, and so the same search.
    queries = [
        list({frozenset(words.split()): words for names in each.names if (words := candidate_query(*names))}.values())
        for each in sought
    ]
    found = song_searches({query for each in queries for query in each}, limit=_CANDIDATES)
    songs = Song.objects.select_related("artist").in_bulk({song_id for ids in found.values() for song_id in ids})
    # A song may be deleted between the two.
    return [[[songs[pk] for pk in found[query] if pk in songs] for query in each] for each in queries]


def _candidates(songs: Iterable[Song], named: Mapping[int, Sequence[str]]) -> list[Candidate]:
    """Describe songs for matching, with the names of their files by id; a song that failed may not play."""
    return [
        Candidate(
            song.pk,
            song.title,
            song.by if song.credit else song.artist.name,
            song.duration_s,
            song.content_hash,
            tuple(named.get(song.pk, ())),
            artist_is_known=song.artist.name != UNKNOWN_ARTIST,
            artists=tuple(artists_split(song.credit)),
        )
        for song in songs
        if song.state != Song.State.FAILED
    ]


def _report(entries: Sequence[FileEntry], matches: Sequence[Match]) -> dict[str, object]:
    seen: set[int] = set()
    report: dict[str, list[dict[str, object]]] = {"not_found": [], "ambiguous": [], "repeated": []}
    for number, (entry, match) in enumerate(zip(entries, matches, strict=True), start=1):
        line: dict[str, object] = {"number": number, "words": entry.words[:MAX_TITLE]}
        if match.song_id is None and not match.others:
            report["not_found"].append(line)
        elif match.song_id in seen:
            report["repeated"].append(line)
        elif match.others:
            others = [*match.others] if match.song_id is None else [match.song_id, *match.others]
            report["ambiguous"].append({**line, "taken": match.song_id is not None, "songs": others})
        if match.song_id is not None:
            seen.add(match.song_id)
    return {"n_entries": len(entries), "n_found": len(seen), **report}
