"""What makes the site an app: its manifest, its icons, its service worker, and the page that a device keeps."""

from __future__ import annotations

import json
import re
from io import BytesIO

import pytest
from django.core.management import call_command
from django.test import Client
from PIL import Image
from pytest_django import Settings

from mer_site import web_app
from tests.site.test_tokens import colours, luminance

pytestmark = pytest.mark.django_db


def body(client: Client, url: str) -> bytes:
    answer = client.get(url)
    assert answer.status_code == 200, url
    content: bytes = answer.getvalue()
    return content


def manifest(client: Client, language: str = "en") -> dict[str, object]:
    answer = client.get("/manifest.webmanifest", headers={"Accept-Language": language})
    assert answer["Content-Type"] == "application/manifest+json"
    described: dict[str, object] = json.loads(answer.content)
    return described


def test_the_manifest_describes_an_app_whose_pictures_are_what_it_says(client: Client) -> None:
    described = manifest(client)
    assert {described[key] for key in ("id", "start_url", "scope")} == {"/"}
    assert (described["short_name"], described["display"]) == ("Moodplane", "standalone")
    pictures = [*described["icons"], *described["screenshots"]]  # type: ignore[misc]
    assert {icon["purpose"] for icon in described["icons"]} == {"any", "maskable"}  # type: ignore[attr-defined]
    for picture in pictures:
        with Image.open(BytesIO(body(client, picture["src"]))) as image:
            assert f"{image.width}x{image.height}" == picture["sizes"]
            assert Image.MIME[str(image.format)] == picture["type"]
    for shortcut in described["shortcuts"]:  # type: ignore[attr-defined]
        assert client.get(shortcut["url"]).status_code == 200


def test_a_maskable_icon_keeps_the_mark_within_the_part_that_no_mask_cuts(client: Client) -> None:
    with Image.open("static/img/icon-maskable.png") as image:
        rgb = image.convert("RGB")
    ground, centre = rgb.getpixel((0, 0)), (rgb.width - 1) / 2
    marked = [(x, y) for y in range(0, rgb.height, 4) for x in range(0, rgb.width, 4) if rgb.getpixel((x, y)) != ground]
    assert marked
    assert max(((x - centre) ** 2 + (y - centre) ** 2) ** 0.5 for x, y in marked) <= 0.4 * rgb.width


def test_the_manifest_speaks_the_visitors_language(client: Client) -> None:
    described = manifest(client, "de")
    assert (described["lang"], described["dir"]) == ("de", "ltr")
    assert [each["name"] for each in described["shortcuts"]] == ["Hören", "Reise", "Playlists"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("theme", "ground"), [("light", web_app.GROUND_LIGHT), ("dark", web_app.GROUND_DARK)])
def test_the_systems_bars_have_the_colour_of_the_page(client: Client, theme: str, ground: str) -> None:
    parts = [int(ground[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [((part + 0.055) / 1.055) ** 2.4 if part > 0.04045 else part / 12.92 for part in parts]
    seen = sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    assert seen == pytest.approx(luminance(colours(theme)["paper"]), abs=0.003)
    assert f'content="{ground}"' in client.get("/accounts/login/").content.decode()


def test_without_collected_files_there_is_no_service_worker(client: Client) -> None:
    assert client.get("/sw.js").status_code == 404
    assert 'data-worker=""' in client.get("/").content.decode()


@pytest.fixture
def collected(settings: Settings, tmp_path: object) -> None:
    """Static files with their hashed names."""
    settings.STATIC_ROOT = f"{tmp_path}/static"
    others = [f"{app}/*" for app in ("admin", "rest_framework", "drf_spectacular_sidecar")]
    call_command("collectstatic", interactive=False, verbosity=0, ignore_patterns=others)


@pytest.mark.usefixtures("collected")
def test_the_service_worker_is_of_one_version_and_names_files_that_exist(client: Client) -> None:
    answer = client.get("/sw.js")
    assert answer["Content-Type"] == "text/javascript; charset=utf-8"
    assert "no-store" in answer["Cache-Control"]
    assert "default-src 'self'" in answer["Content-Security-Policy"]
    script = answer.content.decode()
    config = json.loads(re.search(r"start\(self, (.*)\);", script)[1])  # type: ignore[index]
    assert f'<meta name="moodplane-version" content="{config["version"]}">' in client.get("/").content.decode()
    module = re.search(r'from "([^"]+)"', script)
    assert module is not None
    assert {module[1]} <= set(config["shell"])
    assert all(re.search(r"\.[0-9a-f]{12}\.\w+$|^/words/", url) for url in config["shell"])
    assert all(body(client, url) for url in config["shell"])
    # Whatever the page without a line loads is among them.
    copy = client.get(config["page"], {"copy": ""}).content.decode()
    loaded = re.findall(r'<(?:script|link)[^>]*(?:src|href)="(/(?:static|words)/[^"]+\.(?:css|js))"', copy)
    assert loaded
    assert set(loaded) <= set(config["shell"])


def test_the_page_that_a_device_keeps_says_nothing_of_a_person(client_alice: Client, client: Client) -> None:
    copy = client_alice.get("/offline/?copy")
    assert "no-store" in copy["Cache-Control"]
    text = copy.content.decode()
    assert "alice" not in text
    assert 'data-listener=""' in text
    assert "There is no connection to your Moodplane." in text
    assert "alice" in client_alice.get("/offline/").content.decode()
    assert client.get("/offline/").status_code == 200


def test_a_closed_site_lets_everybody_install_it(client: Client, settings: Settings) -> None:
    settings.MOODPLANE_PUBLIC = False
    for address in ("/manifest.webmanifest", "/offline/?copy"):
        assert client.get(address).status_code == 200
