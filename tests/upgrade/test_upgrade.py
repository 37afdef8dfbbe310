"""An installation of version 0.1.0 starts on the code of today with all that people put into it.

The facts were read from the installation before it was dumped. Renames change `tests.upgrade.today`, never the facts.
"""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.test import Client
from rest_framework.test import APIClient

from tests.upgrade import today
from tests.upgrade.conftest import HERE

pytestmark = pytest.mark.usefixtures("old_var")

ANN_PASSWORD = "lantern over the weir 41"
ANN_COOKIE = "6li6rnzetk8qjd9p35sbrv7rlhphf611"
NOBODY_COOKIE = "zyz1o8fc3x40u2l26qws0fx2kpre6ugi"
BEN_TOKEN = "daffc54efde1a9ce629476efc6e45f40a4406b2a"
CURATOR_TOKEN = "45a2b3a3e05e0d130d18bfe49d826b8f36a4e3ab"
SHARE_TOKEN = "fDG85S1Ib4i92K3VfIcxQexDCnf37z5XYtjKNWxgdB4"

# --- Facts --------------------------------------------------------------------------------------------------------

COUNTS = {
    "accounts": 8,
    "API tokens": 6,
    "artists": 20,
    "albums": 21,
    "songs": 53,
    "uploads": 57,
    "unfinished uploads": 2,
    "possible duplicates": 2,
    "changes": 10,
    "edits": 6,
    "overrides": 6,
    "models": 2,
    "model events": 7,
    "retrainings": 3,
    "workers": 1,
    "re-analyses": 2,
    "re-analysed songs": 10,
    "estimates": 103,
    "curves": 55,
    "waveforms": 53,
    "saliency maps": 3,
    "perceived labels": 3,
    "ratings": 31,
    "listens": 5,
    "moods": 3,
    "playlists": 9,
    "playlist items": 42,
    "priors": 1,
}

LAMP = 37
SONGS = {
    1: (
        "Kites over the Car Park (Evening)", "Pocket Meridian", "Moodplane Demo", "Deep House", 2024, 1, "tagged",
        48.02,
    ),
    2: ("Tangerine Signal", "Brass Tangerine", "Moodplane Demo", "Disco", 2021, 2, "tagged", 50.93),
    9: ("Saturday in Copper Street", "Brass Tangerine", "Copper and Current", "Electro", 2022, 9, "tagged", 49.15),
    10: ("Borrowed Generator", "Null Harbour", "Copper and Current", "Electro", 2023, 10, "tagged", 49.03),
    36: ("Lending Library", "Pocket Meridian", "Moodplane Demo", "Chamber", 2023, 36, "queued", 51.49),
    LAMP: ("Small Lamp, Lit", "Nell Roe", "Short Pieces", "Folk", 2019, 1, "tagged", 6.01),
    39: ("Small lamp", "Nell Roe", "", "", None, None, "tagged", 6.51),
    41: ("Gone from the Disk", "Odd Numbers", "", "", None, None, "failed", 6.01),
    44: ("By Pieces", "Odd Numbers", "", "Jazz", 2021, None, "tagged", 6.01),
}  # fmt: skip
LAMP_SHA256 = "2b51822b326ad76ca97890e1941848137ea1047e9f9b0e83a91a3c7a4b257c28"
COVER_SHA256 = "176bb51131d987e5bbffcd011c557e7cd3ce1b61e0ce684d1e81a19ccbb9069a"

# What the model says: quadrant, probabilities, point.
MODEL_SAID = {
    1: ("Q1", (0.8147, 0.0480, 0.0331, 0.1042), (0.2367, 0.2184)),
    5: ("Q1", (0.4396, 0.1620, 0.1319, 0.2664), (0.0285, 0.0193)),
    6: ("Q1", (0.3623, 0.1583, 0.1636, 0.3158), (0.0100, 0.0100)),
    7: ("Q1", (0.5665, 0.3337, 0.0407, 0.0590), (0.0373, 0.1852)),
    LAMP: ("Q3", (0.0395, 0.0529, 0.4663, 0.4413), (-0.1835, -0.4119)),
}
# What counts: quadrant, whether a curator set it, point; 0.1 put what a curator contradicts .01 beside the axis.
ANSWERS = {
    1: ("Q1", False, (0.2367, 0.2184)),
    5: ("Q2", True, (-0.2405, 0.0193)),
    6: ("Q1", False, (0.0100, 0.0100)),
    7: ("Q1", False, (0.0373, 0.1852)),
    LAMP: ("Q4", True, (0.2058, -0.4119)),
}
# Song, quadrant (empty: the model's own), before, note, whether it holds.
OVERRIDES = [
    (5, "Q3", "Q1", "Minor from the second verse on.", False),
    (5, "Q2", "Q3", "Heard again: tense, not sad.", True),
    (6, "Q4", "Q1", "Too calm for happy.", False),
    (7, "Q1", "Q1", "As the model hears it, set all the same.", False),
    (7, "", "Q1", "", True),
    (LAMP, "Q4", "Q3", "A lullaby.", True),
]
# Who made it, how many songs, who undid it.
CHANGES = {pk: ("curator", 2 if pk == 3 else 1, "curator" if pk in (2, 6) else "") for pk in range(1, 11)}
LAMP_CHANGE = 9
EDITS = [
    (
        1, 1, {"genre": "House", "title": "Kites over the Car Park"},
        {"genre": "Deep House", "title": "Kites over the Car Park (Evening)"},
    ),
    (2, 2, {"year": 2021}, {"year": 1999}),
    (
        3, 9, {"album": "Moodplane Demo", "genre": "Disco"}, {"album": "Copper and Current", "genre": "Electro"},
    ),
    (
        3, 10, {"album": "Moodplane Demo", "genre": "Industrial"}, {"album": "Copper and Current", "genre": "Electro"},
    ),
    (9, LAMP, {"title": "Small Lamp"}, {"title": "Small Lamp, Lit"}),
    (10, LAMP, {"cover": ""}, {"cover": f"covers/17/{COVER_SHA256}.png"}),
]  # fmt: skip

# File, owner, state, song, code, whether hidden.
UPLOADS = {
    1: ("01-kites-over-the-car-park.ogg", "", "tagged", 1, "", False),
    37: ("small lamp.ogg", "curator", "tagged", LAMP, "", False),
    41: ("gone.ogg", "curator", "failed", 41, "", False),
    42: ("deleted.ogg", "curator", "failed", None, "", False),
    43: ("hidden.ogg", "curator", "tagged", 43, "", True),
    44: ("small lamp.ogg", "curator", "duplicate", LAMP, "duplicate", False),
    45: ("not music.mp3", "curator", "failed", None, "not_audio", False),
    46: ("too short.ogg", "curator", "failed", None, "too_short", False),
    47: ("tus.ogg", "curator", "tagged", 44, "", False),
}
DUPLICATES = [(39, LAMP, "open"), (40, 38, "both")]
HALF = "01a9005e9d15c0fc3e93df8276517fbf"
UNFINISHED = [(HALF, "curator", "long way.ogg", 69_903, 34_951)]
WHOLE_SHA256 = "5e3d115f96d84c90abcd1c34736b55e80dd4f9a7ad0ca965c7f2655b24d1a5e2"

MODELS = {
    "b3-flagship": ("live", "shipped", "", 720, ""),
    "b3-copy": ("retired", "file", "b3-flagship", 720, "b3-flagship"),
}
MODEL_EVENTS = [
    ("imported", "b3-flagship", "", ""),
    ("shipped", "b3-flagship", "", ""),
    ("imported", "b3-copy", "", ""),
    ("checked", "b3-copy", "", ""),
    ("checked", "b3-copy", "", ""),
    ("promoted", "b3-copy", "b3-flagship", "To see whether a second model can serve."),
    ("rolled_back", "b3-flagship", "b3-copy", "The copy says the same."),
]
RETRAININGS = [
    ("refused", False, "refit", ""),
    ("skipped", False, "refit", ""),
    ("queued", True, "refit", "sam"),
]
# Model, state, adopted, done, songs that wait.
REANALYSES = [("b3-copy", "done", 0, 43, []), ("b3-flagship", "paused", 43, 8, [53, 54])]
# Which models analysed a song, and whose estimate is current.
VERSIONS = {
    1: {"b3-flagship": True, "b3-copy": False},
    45: {"b3-flagship": True, "b3-copy": False},
    53: {"b3-copy": True},
}
# State, quadrant, window, rows and columns, weight of the first stretch.
SALIENCY = {
    5: ("done", "Q1", 24.0, (8, 11), 0.1528),
    LAMP: ("done", "Q3", 6.0, (8, 11), 0.4836),
    3: ("waiting", "", 0.0, (1, 0), 0.0),
}

LABELS = {
    ("ann", 3, "Q1", None, None),
    ("ann", 21, "Q3", None, None),
    ("ben", 21, "Q3", -0.6, -0.4),
}
_ANN_MOOD, _BEN_MOOD = (-0.5, 0.25), (0.2, -0.3)
_NO_POINT = (None, None)
# Song, felt, liked, familiar, felt nothing, mood before, playlist, place.
RATINGS = {
    "ann": {
        (9, (0.75, 0.5), True, True, False, _ANN_MOOD, 1, 1),
        (5, (-0.25, 0.5), None, None, False, _ANN_MOOD, None, None),
        (21, (-0.5, -0.5), None, None, False, _ANN_MOOD, None, None),
        (LAMP, (0.5, -0.75), None, None, False, _ANN_MOOD, None, None),
        (12, (-0.75, 0.75), None, None, False, _ANN_MOOD, None, None),
        (26, _NO_POINT, None, None, True, _ANN_MOOD, None, None),
        (33, _NO_POINT, True, None, False, _ANN_MOOD, None, None),
    },
    "ben": {
        (3, (0.5, 0.5), True, None, False, _BEN_MOOD, None, None),
        (20, (-0.25, -0.5), False, None, False, _BEN_MOOD, None, None),
        (33, (0.75, -0.25), True, None, False, _BEN_MOOD, None, None),
        (8, _NO_POINT, True, None, False, _BEN_MOOD, None, None),
    },
}
LISTENS = [
    ("ann", 9, 1, "completed", 49.5),
    ("ann", 16, 1, "skipped", 4.0),
    ("ben", 20, None, "completed", 60.0),
    ("ben", 8, None, "started", None),
    ("", 24, 9, "completed", 50.0),
]
MOODS = [("ann", *_ANN_MOOD), ("ben", *_BEN_MOOD), ("", 0.4, 0.6)]

# Owner, title, kind, marks, songs in order.
PLAYLISTS = {
    1: ("ann", "Up from here", "mood", {"saved"}, [9, 16, 4, 1, 11, 2]),
    2: ("ann", "Journey to Calm", "journey", {"saved", "shared"}, [12, 14, 5, 6, 29, 28]),
    3: ("ben", "Around “Small Lamp, Lit”", "song", set(), [44, 40, 25, 30, 19]),
    4: ("ben", "By hand", "mood", {"saved", "arranged"}, [31, 30, 4, 20, 33]),
    5: ("ben", "From a file", "imported", {"saved", "arranged"}, [5, 38]),
    6: ("ann", "Sad", "mood", {"discarded"}, [26, 23, 44, 24]),
    7: ("ann", "Sad", "mood", set(), [26, 23, 44, 24]),
    8: ("ben", "Journey to Calm", "imported", {"saved", "arranged"}, [12, 14, 5, 6, 29, 28]),
    9: ("", "Calm", "mood", set(), [24, 22, 35, 20]),
}
# Quadrant, target, path, mood, around, filters, variety, seed, note.
WISHES = {
    1: ("Q1", (0.6, 0.6), [], _ANN_MOOD, None, {}, 0.3, 7, ""),
    2: (
        "", (0.6, -0.5), [[-0.5, 0.5], [0.0, 0.0], [0.6, -0.5]], (-0.5, 0.5), None, {}, 0.3, 11,
        "No song is nearer to where you want to be (calm) than 34 % of the pad; this journey ends at the nearest.",
    ),
    3: ("", (0.01, -0.4119), [], _BEN_MOOD, LAMP, {}, 0.3, 3, ""),
    4: ("", (0.3, -0.6), [], _BEN_MOOD, None, {"decade": 2020}, 0.6, 5, ""),
}  # fmt: skip
# Song, reason, whether played, target, and what closeness, ratings and mood added to its rank.
PLACED = {
    (1, 1): (
        9, "Energetic and positive, 87 % sure; some way from your target.", True, (0.6, 0.6),
        (0.4931, 0.0, -0.1951),
    ),
    (1, 6): (
        2,
        "Energetic and positive, 85 % sure; some way from your target; your rating of a similar song moved it happier.",
        False, (0.6, 0.6), (0.4678, 0.0909, -0.1529),
    ),
    (2, 3): (
        5, "Energetic and dark, as a curator set it; step 3 of 6, on the way to sad.", False, (-0.1661, 0.1661),
        (0.8449, -0.0454, 0.1978),
    ),
    (5, 2): (38, "From your file. Perhaps quiet and sad, only 41 % sure.", False, _NO_POINT, (None, None, None)),
}  # fmt: skip


def near(values: Any) -> Any:
    """Values as they are written here: rounded to four digits."""
    return pytest.approx(values, abs=6e-5)


def api(token: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    return client


def browser(cookie: str) -> Client:
    client = Client()
    client.cookies["sessionid"] = cookie
    return client


def signed_in(name: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(username=name))
    return client


def page(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, (address, answer.status_code)
    return answer.content.decode()


# --- Rows ---------------------------------------------------------------------------------------------------------


def test_every_row_is_there() -> None:
    assert {name: kind._default_manager.count() for name, kind in today.KINDS.items()} == COUNTS


def test_songs_have_their_tags_and_files() -> None:
    assert {pk: today.song(pk) for pk in SONGS} == SONGS
    assert hashlib.sha256(today.song_file(LAMP).read_bytes()).hexdigest() == LAMP_SHA256
    assert hashlib.sha256(today.cover_file(LAMP).read_bytes()).hexdigest() == COVER_SHA256


def test_what_the_model_said_and_what_counts_are_there() -> None:
    for pk, (quadrant, probabilities, point) in MODEL_SAID.items():
        assert today.model_said(pk) == (quadrant, near(probabilities), near(point)), pk
    for pk, (quadrant, is_set, point) in ANSWERS.items():
        assert today.answer(pk) == (quadrant, is_set, near(point)), pk
    assert {pk: today.versions(pk) for pk in VERSIONS} == VERSIONS
    assert today.embedding_size(LAMP) == 64


def test_what_curators_did_is_there() -> None:
    assert today.overrides() == OVERRIDES
    assert today.changes() == CHANGES
    assert today.edits() == EDITS


def test_uploads_are_there() -> None:
    assert {pk: today.upload(pk) for pk in UPLOADS} == UPLOADS
    assert today.duplicates() == DUPLICATES
    assert today.unfinished() == UNFINISHED


def test_models_and_their_history_are_there() -> None:
    assert today.models() == MODELS
    assert today.model_events() == MODEL_EVENTS
    assert today.retrainings() == RETRAININGS
    assert today.reanalyses() == REANALYSES
    assert today.worker() == ("gpu@killed", "cpu", "openvino", "b3-flagship")


def test_curves_waveforms_and_maps_are_there() -> None:
    assert today.curve(5)[:4] == ("done", 4.0, 24.0, 8)
    assert today.curve(LAMP)[:4] == ("done", 4.0, 6.0, 1)
    assert today.waveform(LAMP) == (120, 255)
    assert {pk: today.saliency(pk) for pk in SALIENCY} == SALIENCY
    assert today.saliency_claim(3)


def test_what_listeners_said_and_did_is_there() -> None:
    assert today.labels() == LABELS
    assert {name: today.ratings(name) for name in RATINGS} == RATINGS
    assert today.listens() == LISTENS
    assert today.moods() == MOODS
    assert today.prior() == ("b3-flagship", 6, 28, True)


def test_playlists_are_there_in_order_with_their_reasons() -> None:
    assert {pk: today.playlist(pk) for pk in PLAYLISTS} == PLAYLISTS
    assert {pk: today.wish(pk) for pk in WISHES} == WISHES
    assert today.not_found(5) == ["Nobody - A Song That Is Not Here"]
    for (pk, position), (song, reason, is_played, target, terms) in PLACED.items():
        found = today.placed(pk, position)
        assert found[:3] == (song, reason, is_played), (pk, position)
        assert found[3:] == (near(target), near(terms)), (pk, position)


# --- What people do next ------------------------------------------------------------------------------------------


def test_a_password_and_a_session_still_open_the_door() -> None:
    client = Client()
    assert client.login(username="ann", password=ANN_PASSWORD)
    for ann in (client, browser(ANN_COOKIE)):
        assert "Up from here" in page(ann, "/playlists/")


def test_an_api_token_still_opens_the_door() -> None:
    mine = api(BEN_TOKEN).get("/api/v1/playlists/").json()["results"]
    assert [playlist["id"] for playlist in mine] == [8, 5, 4, 3]
    assert APIClient().get("/api/v1/ratings/").status_code == 401


def test_a_shared_link_still_opens_the_playlist() -> None:
    html = page(Client(), f"/shared/{SHARE_TOKEN}/")
    titles = ("Teeth of the Harrow", "Seven Red Bicycles", "Morning, Opposite Shore")
    places = [html.index(title) for title in titles]
    assert "Journey to Calm" in html
    assert places == sorted(places)


def test_a_visitor_takes_what_they_said_into_an_account() -> None:
    visitor = browser(NOBODY_COOKIE)
    assert "Rain on a Closed Ballroom" in page(visitor, "/playlists/9/")
    chosen = "a row of poplars 63"
    answer = visitor.post("/accounts/signup/", {"username": "gus", "password1": chosen, "password2": chosen})
    assert answer.status_code == 302
    assert today.playlist(9)[0] == "gus"
    said = {rating[:3] for rating in today.ratings("gus")}
    assert said == {(24, (0.5, -0.5), True), (22, _NO_POINT, True)}


def test_half_an_upload_goes_on_and_becomes_a_song() -> None:
    curator = Client(headers={"Authorization": f"Token {CURATOR_TOKEN}"})
    address = f"/api/v1/uploads/resumable/{HALF}/"
    tus = {"Tus-Resumable": "1.0.0"}
    assert curator.head(address, headers=tus)["Upload-Offset"] == "34951"
    rest = (HERE / "rest-of-the-upload.bin").read_bytes()
    piece = {**tus, "Upload-Offset": "34951"}
    answer = curator.generic("PATCH", address, rest, content_type="application/offset+octet-stream", headers=piece)
    assert answer.status_code == 204
    song = curator.get(answer["Upload-Status-Url"]).json()["song"]
    assert today.song(song)[:2] == ("Half Way There", "Odd Numbers")
    assert hashlib.sha256(today.song_file(song).read_bytes()).hexdigest() == WHOLE_SHA256
    assert today.unfinished() == []


def test_an_edit_can_be_undone() -> None:
    curator = signed_in("curator")
    assert "A lullaby." in page(curator, "/songs/edit/history/")
    assert curator.post(f"/songs/edit/history/{LAMP_CHANGE}/undo/").status_code == 302
    assert today.song(LAMP)[0] == "Small Lamp"
    assert today.answer(LAMP) == ("Q3", False, near((-0.1835, -0.4119)))
    assert today.changes()[LAMP_CHANGE] == ("curator", 1, "curator")


def test_an_override_still_holds_when_another_is_set() -> None:
    curator = api(CURATOR_TOKEN)
    assert curator.patch("/api/v1/songs/5/", {"quadrant": "Q4", "note": "Calm after all."}).status_code == 200
    assert today.answer(5)[:2] == ("Q4", True)
    assert today.overrides()[-1] == (5, "Q4", "Q2", "Calm after all.", True)
    assert today.model_said(5)[0] == "Q1"


def test_a_discarded_playlist_comes_back() -> None:
    assert signed_in("ann").post("/playlists/6/restore/").status_code == 302
    assert today.playlist(6)[3] == set()


def test_a_playlist_can_be_made_from_what_was_learned() -> None:
    call_command("index_rebuild")
    made = api(BEN_TOKEN).post("/api/v1/playlists/", {"quadrant": "Q4", "length": 5, "seed": 1})
    assert made.status_code == 201
    assert len(made.json()["items"]) == 5


def test_a_paused_reanalysis_goes_on() -> None:
    call_command("reanalyse", "--resume")
    assert today.reanalyses()[-1] == ("b3-flagship", "running", 43, 8, [53, 54])


def test_the_first_start_brings_the_new_model_along_and_analyses_every_song_again() -> None:
    call_command("models", "register")
    assert {version: row[:3] for version, row in today.models().items()} == {
        "hybrid-b3": ("live", "shipped", "b3-flagship"),
        "b3-flagship": ("retired", "shipped", ""),
        "b3-copy": ("retired", "file", "b3-flagship"),
    }
    assert today.model_events()[len(MODEL_EVENTS) :] == [
        ("imported", "hybrid-b3", "", ""),
        ("shipped", "hybrid-b3", "b3-flagship", ""),
    ]
    *before, (version, state, n_adopted, n_done, waiting) = today.reanalyses()
    assert [row[:2] for row in before] == [("b3-copy", "done"), ("b3-flagship", "superseded")]
    assert (version, state, n_adopted, n_done, len(waiting)) == ("hybrid-b3", "running", 0, 0, 51)
    # Until a song's turn comes, its old estimate serves; what curators did stays.
    test_what_the_model_said_and_what_counts_are_there()
    test_what_curators_did_is_there()
    call_command("models", "register")
    assert len(today.reanalyses()) == 3


# --- Pages --------------------------------------------------------------------------------------------------------


def test_the_audio_and_the_cover_are_served() -> None:
    audio = Client().get(f"/songs/{LAMP}/audio", headers={"Range": "bytes=0-3"})
    assert (audio.status_code, audio.getvalue()) == (206, b"OggS")
    assert Client().get(f"/songs/{LAMP}/cover").getvalue().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("name", "address", "text"),
    [
        ("ann", "/", "Up from here"),
        ("ann", "/me/", "Lake Without a Name"),
        ("ann", "/songs/?q=lamp", "Small Lamp, Lit"),
        ("ann", f"/songs/{LAMP}/", "Small Lamp, Lit"),
        ("ann", "/songs/5/", "Seven Red Bicycles"),
        ("ann", "/playlists/2/", "step 3 of 6"),
        ("ben", "/playlists/5/", "A Song That Is Not Here"),
        ("ann", "/status/", "b3-flagship"),
        ("curator", "/status/", "worker_lost"),
        ("curator", "/uploads/", "long way.ogg"),
        ("curator", "/songs/edit/", "Small Lamp, Lit"),
        ("curator", f"/songs/{LAMP}/", "A lullaby."),
        ("sam", "/models/", "b3-copy"),
        ("sam", "/models/2/", "To see whether a second model can serve."),
    ],
)
def test_pages_show_it(name: str, address: str, text: str) -> None:
    assert text in page(signed_in(name), address)


def test_the_panel_explains_a_tag() -> None:
    panel = Client().get(f"/songs/{LAMP}/saliency/", headers={"HX-Request": "true"})
    assert panel.status_code == 200
    assert "1.1 kHz" in panel.content.decode()


def test_the_curator_is_one_and_the_staff_are_the_staff() -> None:
    assert list(Group.objects.get(name="curator").user_set.values_list("username", flat=True)) == ["curator"]
    assert User.objects.get(is_staff=True).username == "sam"


def test_everything_a_listener_gave_can_be_taken_out() -> None:
    export = signed_in("ann").get("/me/export/json/")
    assert export.status_code == 200
    assert "Up from here" in b"".join(export).decode()
