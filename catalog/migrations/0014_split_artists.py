"""Artists that were several in one name ("Ann; Bob", "Ann feat. Bob") become several; what the songs show stays."""

import re

from django.db import migrations

# A frozen copy of the rule in `catalog.core.names`.
_SEPARATOR = re.compile(r"\s*;\s*|\s+/\s+|\s+[(\[]?(?:feat\.?|featuring|ft\.)\s+", re.IGNORECASE)


def _key(name):
    return " ".join(name.casefold().split())[:300]


def _split(name):
    names = {}
    for part in map(str.strip, _SEPARATOR.split(name)):
        if part[-1:] in (")", "]") and part.count(part[-1]) > part.count({")": "(", "]": "["}[part[-1]]):
            part = part[:-1].rstrip()  # noqa: PLW2901
        if part:
            names.setdefault(_key(part), part)
    return list(names.values())


def split_artists(apps, _schema_editor):
    artists, albums, songs, further = (
        apps.get_model("catalog", name) for name in ("Artist", "Album", "Song", "FurtherArtist")
    )
    for joined in artists.objects.filter(name__iregex=r";|\s/\s|\s[(\[]?(feat\.?|featuring|ft\.)\s").order_by("pk"):
        names = _split(joined.name)
        if not names or names == [joined.name]:
            continue
        rows = [artists.objects.get_or_create(name_key=_key(name), defaults={"name": name})[0] for name in names]
        ids = list(songs.objects.filter(artist=joined).values_list("pk", flat=True))
        further.objects.bulk_create(
            [
                further(song_id=pk, artist=artist, place=place)
                for pk in ids
                for place, artist in enumerate(rows[1:], start=1)
            ],
            batch_size=1000,
        )
        songs.objects.filter(pk__in=ids).update(artist=rows[0], credit=joined.name)
        for album in albums.objects.filter(artist=joined):
            same = albums.objects.filter(artist=rows[0], title_key=album.title_key).first()
            if same is None:
                albums.objects.filter(pk=album.pk).update(artist=rows[0])
            else:
                songs.objects.filter(album=album).update(album=same)
                album.delete()
        joined.delete()


class Migration(migrations.Migration):
    dependencies = [("catalog", "0013_all_artists")]

    operations = [migrations.RunPython(split_artists, migrations.RunPython.noop)]
