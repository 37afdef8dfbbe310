"""Artists, albums and songs in the order of their names, and artists and albums under the search."""

import django.contrib.postgres.indexes
from django.db import migrations, models

import catalog.core.sql

# Only "The" is dropped: "Die" and "La" are also words of titles, and "A-ha" begins with no article.
SORT_KEY = """
CREATE FUNCTION catalog_sort_key(value text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $sort$
    SELECT coalesce(
        nullif(regexp_replace(btrim(regexp_replace(catalog_search_fold(value), '\\s+', ' ', 'g')), '^the (?=.)', ''), ''),
        lower(value COLLATE "C")
    )
$sort$;
"""


def _sort_key(name: str) -> models.GeneratedField:
    return models.GeneratedField(
        db_persist=True,
        expression=catalog.core.sql.SortKey(name),
        output_field=models.TextField(db_collation="C"),
    )


def _words(name: str, index: str) -> django.contrib.postgres.indexes.GinIndex:
    return django.contrib.postgres.indexes.GinIndex(catalog.core.sql.SearchWords(name), name=index)


class Migration(migrations.Migration):
    dependencies = [("catalog", "0017_bit_rate")]

    operations = [
        migrations.RunSQL(SORT_KEY, "DROP FUNCTION catalog_sort_key(text)"),
        migrations.AlterModelOptions(name="album", options={"ordering": ["sort_key"]}),
        migrations.AlterModelOptions(name="artist", options={"ordering": ["sort_key"]}),
        migrations.AddField("album", "sort_key", _sort_key("title")),
        migrations.AddField("artist", "sort_key", _sort_key("name")),
        migrations.AddField("song", "sort_key", _sort_key("title")),
        migrations.RemoveIndex(model_name="song", name="song_by_title"),
        migrations.AddIndex("album", models.Index(fields=["sort_key", "id"], name="album_by_title")),
        migrations.AddIndex("album", _words("title", "album_words")),
        migrations.AddIndex("artist", models.Index(fields=["sort_key", "id"], name="artist_by_name")),
        migrations.AddIndex("artist", _words("name", "artist_words")),
        migrations.AddIndex("song", models.Index(fields=["sort_key", "-id"], name="song_by_title")),
        migrations.AddIndex("song", models.Index(fields=["album", "artist"], name="song_by_album")),
    ]
