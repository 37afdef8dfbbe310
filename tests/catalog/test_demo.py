"""The demo songs: what lies in catalog/demo/, what must not be in the files, and how they get into the catalog."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections import Counter
from typing import Any

import pytest
from django.core.management import call_command
from mutagen.oggopus import OggOpus
from PIL import Image

from catalog.files.probe import probe
from catalog.models import Song
from mer_site.installation.demo import DEMO_SONGS

pytestmark = pytest.mark.slow

MANIFEST = json.loads((DEMO_SONGS / "manifest.json").read_text())
LARGEST_BYTES = 12_000_000
NAMES_OF_EMOTIONS = re.compile(
    r"\b(happ|joy|glad|tens|ang(er|ry)|fear|sad|sorrow|grie|melanchol|calm|peace|seren|tranquil|relax"
    r"|quadrant|arousal|valence|mood|emotion)"
)


def test_the_manifest_lists_the_files_as_they_are() -> None:
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in DEMO_SONGS.glob("*.opus")}
    assert digests == {entry["file"]: entry["sha256"] for entry in MANIFEST}
    assert {path.suffix for path in DEMO_SONGS.iterdir()} == {".opus", ".json"}


def test_nine_songs_are_meant_for_each_quadrant() -> None:
    assert Counter(entry["quadrant"] for entry in MANIFEST) == {1: 9, 2: 9, 3: 9, 4: 9}


def test_they_stay_small() -> None:
    assert sum(path.stat().st_size for path in DEMO_SONGS.iterdir()) <= LARGEST_BYTES


@pytest.mark.parametrize("entry", MANIFEST, ids=[entry["file"][:2] for entry in MANIFEST])
def test_a_song_can_be_taken_and_says_nothing_of_the_intention(entry: dict[str, Any]) -> None:
    path = DEMO_SONGS / entry["file"]
    facts = probe(path)
    assert (facts.extension, facts.codec, facts.channels) == ("opus", "opus", 2)
    assert facts.duration_s == pytest.approx(entry["seconds"], abs=0.1)

    tags = facts.tags
    assert (tags.title, tags.album) == (entry["title"], "Moodplane Demo")
    assert all((tags.artist, tags.genre, tags.year, tags.track_number))
    assert not NAMES_OF_EMOTIONS.search(f"{path.name} {tags.title} {tags.artist} {tags.genre}".lower())
    assert set(OggOpus(path).keys()) <= {
        "title", "artist", "album", "genre", "date", "tracknumber", "license", "encoder", "metadata_block_picture",
    }  # fmt: skip
    assert OggOpus(path)["license"] == ["CC0-1.0"]

    assert facts.cover is not None
    with Image.open(io.BytesIO(facts.cover.data)) as image:
        image.load()
        assert (facts.cover.mime_type, image.size) == ("image/png", (500, 500))
        assert len(set(image.convert("RGB").get_flattened_data())) > 4


def test_covers_differ() -> None:
    covers = {OggOpus(DEMO_SONGS / entry["file"])["metadata_block_picture"][0] for entry in MANIFEST}
    assert len(covers) == len(MANIFEST)


@pytest.mark.django_db
def test_the_command_adds_every_song_once_and_only_once() -> None:
    for said in ("36 added, 0 already here, 0 could not be added.", "0 added, 36 already here, 0 could not be added."):
        out = io.StringIO()
        call_command("demo", stdout=out, stderr=io.StringIO())
        assert said in out.getvalue()
        assert Song.objects.filter(album__title="Moodplane Demo").count() == len(MANIFEST)
