"""The catalogues are whole, the language can be chosen and stays, and programs are not disturbed by it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import polib
import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.utils import translation
from polib import POEntry
from pytest_django import Settings
from rest_framework.test import APIClient

from catalog.core import wording
from emotion.inference.quadrants import Quadrant
from mer_site.preferences import words_digest
from recommender.reasons.reasons import public_reason
from tests.site.catalogues import DOMAINS, PLACE, ROOT, po_path, read_po, translations

pytestmark = pytest.mark.slow

LANGUAGES = [code for code, _ in django_settings.LANGUAGES if code != "en"]
CATALOGUES = [(language, domain) for language in LANGUAGES for domain in DOMAINS]
GERMAN = {"Accept-Language": "de-DE,de;q=0.9,en;q=0.5"}


# --- The catalogues -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("language", "domain"), CATALOGUES)
def test_every_message_is_translated(language: str, domain: str) -> None:
    messages = read_po(po_path(language, domain))
    assert len(messages) > 50
    assert [message.msgid for message in messages if not _is_translated(message)] == []
    assert [message.msgid for message in messages if message.fuzzy] == []


def _is_translated(message: POEntry) -> bool:
    texts = translations(message)
    return len(texts) == (2 if message.msgid_plural else 1) and all(texts.values())


@pytest.mark.parametrize(("language", "domain"), CATALOGUES)
def test_a_translation_has_the_places_of_its_message(language: str, domain: str) -> None:
    assert [message.msgid for message in read_po(po_path(language, domain)) if not _places_fit(message)] == []


def _places_fit(message: POEntry) -> bool:
    """Both forms of a plural may leave out what the English singular does: "one song" needs no number."""
    texts = list(translations(message).values())
    if not message.msgid_plural:
        return Counter(PLACE.findall(texts[0])) == Counter(PLACE.findall(message.msgid))
    needed = set(PLACE.findall(message.msgid)) & set(PLACE.findall(message.msgid_plural))
    known = set(PLACE.findall(message.msgid_plural)) | set(PLACE.findall(message.msgid))
    return all(needed <= set(PLACE.findall(text)) <= known for text in texts)


@pytest.mark.parametrize(("language", "domain"), CATALOGUES)
def test_what_programs_read_is_what_translators_wrote(language: str, domain: str) -> None:
    path = po_path(language, domain)
    written, compiled = (
        {(message.msgctxt, message.msgid, message.msgid_plural): translations(message) for message in messages}
        for messages in (read_po(path), polib.mofile(str(path.with_suffix(".mo"))))
    )
    assert compiled == written, "run manage.py compilemessages"


@pytest.mark.skipif(shutil.which("xgettext") is None, reason="Collecting messages needs GNU gettext.")
def test_no_message_of_the_code_is_missing(tmp_path: Path) -> None:
    for package in ("catalog", "emotion", "recommender", "training", "mer_site", "templates", "static/js", "locale"):
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("*.safetensors", "*.npz", "__pycache__")
        )
    shutil.copy(ROOT / "manage.py", tmp_path)
    environment = {"PATH": os.environ["PATH"], "MOODPLANE_VAR": str(tmp_path / "var"), "SECRET_KEY": "for this test"}
    command = [sys.executable, "manage.py", "makemessages", *(f"--locale={language}" for language in LANGUAGES)]
    for domain in DOMAINS:
        subprocess.run([*command, "-d", domain], cwd=tmp_path, env=environment, check=True, capture_output=True)
    for language, domain in CATALOGUES:
        path = po_path(language, domain)
        fresh = read_po(tmp_path / path.relative_to(ROOT))
        assert [message.msgid for message in fresh if not _is_translated(message)] == [], "run manage.py makemessages"
        assert {m.msgid for m in read_po(path)} - {m.msgid for m in fresh} == set(), "no longer said anywhere"


# --- Modules without Django ---------------------------------------------------------------------------------------


def test_pure_modules_speak_the_language_that_is_active() -> None:
    assert public_reason(Quadrant.Q4, 0.82) == "Calm and positive, 82 % sure."
    with translation.override("de"):
        assert public_reason(Quadrant.Q4, 0.82) == "Ruhig und positiv, zu 82 % sicher."
        assert [quadrant.label for quadrant in Quadrant] == ["Fröhlich", "Angespannt", "Traurig", "Ruhig"]
        assert wording.number(3.25, 1) == "3,2"
    assert wording.number(3.25, 1) == "3.2"


def test_without_a_translator_they_speak_english() -> None:
    script = (
        "from catalog.core import wording\n"
        "print(wording.gettext('x'), wording.ngettext('one', 'many', 1), wording.ngettext('one', 'many', 2),\n"
        "      wording.pgettext('sense', 'y'), wording.number(1.25, 2))"
    )
    said = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["x", "one", "many", "y", "1.25"]


# --- Choosing -----------------------------------------------------------------------------------------------------


def language_of(client: Client, **headers: str) -> str:
    page = client.get("/accounts/login/", headers=headers).content.decode()
    return page.split('<html lang="')[1].split('"')[0]


def test_the_browser_decides_until_the_user_chooses(client: Client, db: None) -> None:
    assert language_of(client) == "en"
    assert language_of(client, **GERMAN) == "de"
    assert language_of(client, **{"Accept-Language": "fr,nl"}) == "en"
    chosen = client.post("/language/", {"language": "de"}, headers={"Referer": "http://testserver/songs/?q=tide"})
    assert (chosen.status_code, chosen["Location"]) == (302, "http://testserver/songs/?q=tide")
    assert language_of(client) == "de"
    client.post("/language/", {"language": "en"})
    assert language_of(client, **GERMAN) == "en"


def test_the_choice_is_a_lasting_cookie_and_outlives_signing_in(client: Client, alice: object, password: str) -> None:
    client.post("/language/", {"language": "de"})
    cookie = client.cookies["language"]
    assert (cookie["max-age"], cookie["samesite"]) == (365 * 24 * 3600, "Lax")
    client.post("/accounts/login/", {"username": "alice", "password": password})
    assert '<html lang="de"' in client.get("/playlists/").content.decode()


def test_only_a_form_changes_it_and_it_leads_nowhere_else(client: Client, db: None) -> None:
    for chosen in (
        client.post("/language/", {"language": "de", "next": "https://elsewhere.example/"}),
        client.post("/language/", {"language": "tlh"}, headers={"Referer": "https://elsewhere.example/"}),
    ):
        assert (chosen.status_code, chosen["Location"]) == (302, "/")
    assert client.cookies["language"].value == "de"
    client.get("/language/", {"language": "en"})
    assert client.cookies["language"].value == "de"
    strict = Client(enforce_csrf_checks=True)
    assert strict.post("/language/", {"language": "de"}).status_code == 403


def test_a_closed_site_can_be_read_in_ones_language(client: Client, settings: Settings, db: None) -> None:
    settings.MOODPLANE_PUBLIC = False
    client.post("/language/", {"language": "de"})
    assert language_of(client) == "de"
    assert client.get(f"/words/de/{words_digest('de')}.js").status_code == 200


# --- The words of scripts -----------------------------------------------------------------------------------------


def test_scripts_get_their_words_in_german_and_need_none_in_english(client: Client, db: None) -> None:
    address = f"/words/de/{words_digest('de')}.js"
    page = client.get("/accounts/login/", headers=GERMAN).content.decode()
    assert f'<script src="{address}" defer></script>' in page
    assert "/words/" not in client.get("/accounts/login/").content.decode()
    answer = client.get(address)
    assert answer["Content-Type"].startswith("text/javascript")
    assert {"public", "immutable"} <= set(answer["Cache-Control"].replace(",", " ").split())
    said = read_po(po_path("de", "djangojs"))
    one = next(message for message in said if not message.msgid_plural and message.msgid.isascii())
    assert f'"{one.msgid}"' in answer.content.decode()
    # Another language of the browser does not change what the address promises.
    assert client.get(address, headers={"Accept-Language": "en"}).content == answer.content
    assert client.get("/words/tlh/0.js").status_code == 404


# --- Programs -----------------------------------------------------------------------------------------------------


def test_the_api_says_its_sentences_in_german_and_keeps_its_codes(
    api_anonymous: APIClient, api_alice: APIClient
) -> None:
    for address, method in (("/api/v1/playlists/4711/", "get"), ("/api/v1/playlists/", "post")):
        english = getattr(api_alice, method)(address).json()
        german = getattr(api_alice, method)(address, headers=GERMAN).json()
        assert (german["status"], german["code"]) == (english["status"], english["code"])
        assert german["detail"] != english["detail"]
    assert api_anonymous.get("/api/v1/ratings/", headers=GERMAN).json()["code"] == "not_authenticated"


def test_the_api_writes_numbers_for_programs(api_alice: APIClient, tagged_song: int) -> None:
    english = api_alice.get(f"/api/v1/songs/{tagged_song}/").json()
    german = api_alice.get(f"/api/v1/songs/{tagged_song}/", headers=GERMAN).json()
    assert german == english


@pytest.fixture
def tagged_song(db: None) -> int:
    """The id of a song with a tag."""
    from tests.factories import EstimateFactory

    return EstimateFactory(confidence=0.625).song.pk
