"""All artists and genres of a song, where the first artist and the first genre were kept."""

from importlib import import_module

import django.db.models.deletion
from django.db import migrations, models

_first = import_module("catalog.migrations.0003_song_search")

SEARCH = """
CREATE OR REPLACE FUNCTION catalog_song_search() RETURNS trigger LANGUAGE plpgsql AS $trigger$
BEGIN
    NEW.search :=
        setweight(to_tsvector('simple', catalog_search_fold(NEW.title)), 'A') ||
        setweight(to_tsvector('simple', catalog_search_fold(
            (SELECT name FROM catalog_artist WHERE id = NEW.artist_id) || ' ' || NEW.credit)), 'B') ||
        setweight(to_tsvector('simple', catalog_search_fold(
            (SELECT album.title || CASE WHEN album.artist_id = NEW.artist_id THEN '' ELSE ' ' || artist.name END
             FROM catalog_album album JOIN catalog_artist artist ON artist.id = album.artist_id
             WHERE album.id = NEW.album_id))), 'C') ||
        setweight(to_tsvector('simple', catalog_search_fold(NEW.genre)), 'D');
    RETURN NEW;
END
$trigger$;

CREATE TRIGGER catalog_song_search
    BEFORE INSERT OR UPDATE OF title, artist_id, credit, album_id, genre ON catalog_song
    FOR EACH ROW EXECUTE FUNCTION catalog_song_search();

CREATE OR REPLACE FUNCTION catalog_artist_renamed() RETURNS trigger LANGUAGE plpgsql AS $trigger$
BEGIN
    UPDATE catalog_song SET title = title WHERE artist_id = NEW.id
        OR album_id IN (SELECT id FROM catalog_album WHERE artist_id = NEW.id);
    RETURN NULL;
END
$trigger$;

DROP TRIGGER catalog_album_renamed ON catalog_album;
CREATE TRIGGER catalog_album_renamed AFTER UPDATE OF title, artist_id ON catalog_album
    FOR EACH ROW WHEN (OLD.title IS DISTINCT FROM NEW.title OR OLD.artist_id IS DISTINCT FROM NEW.artist_id)
    EXECUTE FUNCTION catalog_album_renamed();
"""
# The search as it was, without its tables of letters, which are still there.
_FUNCTIONS = _first.CREATE[_first.CREATE.index("CREATE FUNCTION catalog_song_search()") :]
_LAST = "UPDATE catalog_song SET title = title;"
SEARCH_BEFORE = """
DROP TRIGGER catalog_album_renamed ON catalog_album;
DROP FUNCTION catalog_album_renamed();
DROP TRIGGER catalog_artist_renamed ON catalog_artist;
DROP FUNCTION catalog_artist_renamed();
DROP TRIGGER catalog_song_search ON catalog_song;
DROP FUNCTION catalog_song_search();
""" + _FUNCTIONS.replace(_LAST, "DROP TRIGGER catalog_song_search ON catalog_song;")
# No column of a trigger can change its type.
WITHOUT = "DROP TRIGGER catalog_song_search ON catalog_song"
TRIGGER_BEFORE = """
CREATE TRIGGER catalog_song_search BEFORE INSERT OR UPDATE OF title, artist_id, album_id, genre ON catalog_song
    FOR EACH ROW EXECUTE FUNCTION catalog_song_search();
"""


class Migration(migrations.Migration):
    dependencies = [("catalog", "0012_duplicates_by_sound")]

    operations = [
        migrations.RunSQL(WITHOUT, TRIGGER_BEFORE),
        migrations.AddField(
            model_name="song",
            name="credit",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="All artists as written, where that is more than the first one's name.",
                max_length=1000,
            ),
        ),
        migrations.AlterField(
            model_name="song",
            name="artist",
            field=models.ForeignKey(
                help_text="The first of them.",
                on_delete=django.db.models.deletion.PROTECT,
                related_name="songs",
                to="catalog.artist",
            ),
        ),
        migrations.AlterField(
            model_name="song",
            name="genre",
            field=models.CharField(blank=True, db_index=True, help_text="Several between semicolons.", max_length=300),
        ),
        migrations.CreateModel(
            name="FurtherArtist",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("place", models.PositiveSmallIntegerField(help_text="From 1; the song's own artist has 0.")),
                (
                    "artist",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="further_songs",
                        to="catalog.artist",
                    ),
                ),
                (
                    "song",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="further_artists",
                        to="catalog.song",
                    ),
                ),
            ],
            options={"ordering": ["place"]},
        ),
        migrations.AddConstraint(
            model_name="furtherartist",
            constraint=models.UniqueConstraint(fields=("song", "artist"), name="further_artist_once"),
        ),
        migrations.RunSQL(SEARCH, SEARCH_BEFORE),
    ]
