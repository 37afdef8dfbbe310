"""axe-core finds nothing to object to on any page, in both themes, on a desktop and on a phone."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Literal

from django.template.loader import render_to_string
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from catalog.models import FolderFile, PossibleDuplicate, Song, WatchedFolder
from emotion.models import ModelVersion
from mer_site.installation import joining
from recommender.requests import Listener, Target
from recommender.services import playlists, sharing
from tests.e2e.conftest import Opener, axe_objections, sign_in
from tests.factories import AlbumFactory, RatingFactory, UploadFactory, UserFactory, WorkerFactory

SIGNED_OUT = [
    "/", "/journey/", "/songs/", "/songs/?q=nothing+is+called+so", "/songs/{song}/", "/playlists/", "/me/", "/status/",
    "/accounts/signup/", "/nothing-is-here/", "/accounts/login/",
]  # fmt: skip
JOURNEY = "/journey/?start_valence=-0.4&start_arousal=0.4&end_valence=0.6&end_arousal=-0.4&length=6"
SIGNED_IN = [
    "/", "/songs/{song}/", JOURNEY, "/playlists/", "/me/", "/me/forget/", "/me/delete/", "/accounts/",
    "/accounts/password/", "/uploads/", "/uploads/folders/", "/status/?span=day", "/models/", "/models/{model}/",
    "/models/{model}/promote/", "/models/rollback/", "/models/zoo/", "/models/compare/?a={model}&b={live}",
    "/library/", "/albums/", "/albums/{album}/", "/artists/", "/artists/{artist}/", "/search/?q=song", "/genres/",
    "/library/folders/", "/smart/ready/wind-down/", "/songs/?more=1&liked=on", "/songs/{song}/add/", "/playlists/new/",
    "/uploads/{upload}/compare/", "/settings/", "/settings/accounts/",
]  # fmt: skip


SEND_WITHOUT_TOKEN = """() => {
  const form = document.createElement("form");
  form.method = "post";
  document.body.append(form);
  form.submit();
}"""
LOOKS: tuple[tuple[Literal["light", "dark"], int], ...] = (("light", 1280), ("dark", 360))


def faults(page: Page) -> list[str]:
    """Return what axe objects to on the page as it is, in both themes and on two widths, and what sticks out of it."""
    found = []
    for theme, width in LOOKS:
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": 900})
        found += [f"{page.url} {theme}: {objection}" for objection in axe_objections(page)]
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append(f"{page.url}: wider than {width} px")
    return found


def answer_with(page: Page, path: str, status: int, template: str) -> None:
    """Let a path answer with a page that stands alone, which no working server shows."""
    body = render_to_string(template)

    def fulfil(route: Route) -> None:
        route.fulfill(status=status, content_type="text/html; charset=utf-8", body=body)

    page.route(f"**{path}", fulfil)


def test_axe_has_no_objection_to_any_page(open_page: Opener, songs: list[Song], models: ModelVersion) -> None:
    edith = UserFactory(username="edith", is_staff=True)
    RatingFactory(listener=edith, song=songs[1])
    WorkerFactory()
    upload = UploadFactory(owner=edith, song=songs[0])
    PossibleDuplicate.objects.create(song=songs[0], other=songs[3])
    folder = WatchedFolder.objects.create(path=b"/srv/music", report={"problem": "empty"}, scanned_at=timezone.now())
    facts = {"size_bytes": 1, "mtime_ns": 1, "ctime_ns": 1, "device": 1, "content_hash": "0" * 64}
    joining.invitation_create(note="Ben", n_most=1, days=7)
    long_ago = timezone.now() - timedelta(days=99)
    FolderFile.objects.create(folder=folder, path=b"a.mp3", song=songs[0], missing_since=long_ago, **facts)
    playlist = playlists.playlist_create(listener=Listener(edith), target=Target(0.5, 0.5), length=5, seed=1)
    shared = sharing.playlist_share(playlist=playlist)
    live = ModelVersion.objects.get(version="shipped-1")
    album = AlbumFactory(artist=songs[0].artist)
    Song.objects.filter(pk__in=[song.pk for song in songs[:8]]).update(album=album)
    named = {
        "album": album.pk,
        "artist": album.artist_id,
        "song": songs[0].pk,
        "model": models.pk,
        "live": live.pk,
        "upload": upload.pk,
    }
    songs[2].state, songs[2].failure_code, songs[2].failure_reason = Song.State.FAILED, "silent_audio", "It is silent."
    songs[2].save()
    found: list[str] = []
    # The policy forbids what axe adds to a page; another test checks for violations. Error pages are requested on
    # purpose.
    with open_page(bypass_csp=True, allow="the server responded with") as page:

        def look(page: Page, addresses: list[str]) -> None:
            for address in addresses:
                page.goto(address.format(**named))
                expect(page.locator("h1")).to_have_count(1)
                expect(page.locator(".htmx-request")).to_have_count(0)
                found.extend(faults(page))

        # Where requests are intercepted the browser caches nothing, so the pages that work are looked at in another.
        alone = page.context.new_page()
        answer_with(alone, "/broken", 500, "500.html")
        answer_with(alone, "/not-understood", 400, "400.html")
        look(alone, ["/broken", "/not-understood"])
        alone.close()
        look(page, SIGNED_OUT)
        sign_in(page, edith.username)
        look(page, [*SIGNED_IN, f"/playlists/{playlist.pk}/?arrange=1", f"/shared/{shared}/"])
        page.goto("/")
        page.locator("button[name=quadrant]").first.click()
        page.wait_for_url(re.compile(r"/playlists/\d+/"))
        found.extend(faults(page))
        menu = page.get_by_role("button", name="Menu", exact=True)
        menu.click()
        found.extend(faults(page))
        page.keyboard.press("Escape")
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_be_visible()
        found.extend(faults(page))
        page.keyboard.press("Escape")
        # What was sent without its token was sent from a page that is too old.
        page.evaluate(SEND_WITHOUT_TOKEN)
        expect(page.locator("h1")).to_have_text("This page has expired")
        found.extend(faults(page))
    assert "\n".join(found) == ""
