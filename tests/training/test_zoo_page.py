"""The page of the zoo's table, for the staff only."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from tests.site.page_reader import differing, english_in
from tests.training.made_zoo import made_row, made_rows
from training.evaluation.model_report import AXES
from training.recipes.zoo.charts import interval_chart, speed_chart
from training.recipes.zoo.standings import PROTOCOLS, Standings, standings_of, system_names

pytestmark = pytest.mark.django_db

ZOO = "/models/zoo/"


@pytest.fixture
def results(settings: Settings, tmp_path: Path) -> Path:
    """Where the rows lie; no system has been run."""
    settings.MOODPLANE_ZOO_RESULTS = tmp_path / "zoo.json"
    return tmp_path / "zoo.json"


@pytest.fixture
def run(results: Path) -> Path:
    """Where the rows of some systems lie."""
    results.write_text(json.dumps(made_rows()))
    return results


def page(client: Client, url: str = ZOO) -> str:
    answer = client.get(url)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def table(rows: list[dict[str, Any]]) -> Standings:
    return standings_of(rows, system_names())[0]


# --- Who ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("run")
def test_only_the_staff_comes_in(
    client: Client, client_alice: Client, client_cleo: Client, client_staff: Client
) -> None:
    assert [each.get(ZOO).status_code for each in (client_alice, client_cleo, client_staff)] == [403, 403, 200]
    assert client.get(ZOO)["Location"].startswith("/accounts/login/?next=/models/zoo/")
    assert client_staff.post(ZOO).status_code == 405
    assert f'href="{ZOO}"' in page(client_staff, "/models/")


# --- What is shown ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("results")
def test_an_empty_zoo_says_how_to_fill_it(client_staff: Client) -> None:
    shown = page(client_staff)
    assert "No system has been run under this protocol yet." in shown
    assert "<code>manage.py zoo run --protocol artist5</code>" in shown
    assert f"Each of the {len(system_names())} systems" in shown
    assert '<svg class="chart"' not in shown


@pytest.mark.usefixtures("run")
def test_every_system_stands_beside_its_floor_and_its_paper(client_staff: Client) -> None:
    shown = page(client_staff)
    assert "Five folds that share no artist, song or recording" in shown
    assert "900 clips of 4qaed." in shown
    places = [shown.index(f"<code>{name}</code>") for name in ("louro_svm", "louro_cnn", "bathigama_raw1d", "majority")]
    assert places == sorted(places)
    assert "0.600 (0.570–0.630)" in shown
    assert "0.610 (0.250)" in shown
    assert shown.count("0.930 (0.750)") == 1
    assert re.search(r'0\.606 <span lang="en">F1</span>, its own protocol', shown)
    assert "1,234,567" in shown
    assert "12 to 20 epochs of at most 200" in shown
    assert "Less louro_cnn (95 %)" in shown
    assert "Less louro_svm (95 %)" in shown
    assert "+0.15 (+0.15 to +0.15)" in shown
    assert "<code>louro_crnn</code>" in shown.partition("Not run</h2>")[2]
    assert shown.count('<svg class="chart"') == 2


@pytest.mark.usefixtures("run")
def test_links_choose_the_protocol(client_staff: Client) -> None:
    shown = page(client_staff, f"{ZOO}?protocol=louro10x10")
    assert re.search(r'href="\?protocol=louro10x10" aria-current="true">[^<]*<span class="muted number">1<', shown)
    assert '0.606 <span lang="en">F1</span>, the same protocol' in shown
    assert "There are none: they need two systems" in shown
    assert "manage.py zoo run --protocol paper" in page(client_staff, f"{ZOO}?protocol=paper")
    assert page(client_staff, f"{ZOO}?protocol=magic").count('aria-current="true"') == page(client_staff).count(
        'aria-current="true"'
    )


def test_the_first_protocol_with_rows_is_shown(results: Path, client_staff: Client) -> None:
    results.write_text(json.dumps([made_row("majority", 0.1, protocol="stratified5")]))
    shown = page(client_staff)
    assert "Five folds balanced by quadrant, which share artists" in shown
    assert "louro_cnn was not run under this protocol." in shown


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "Expecting property name"),
        ("{}", "it is no list"),
        ("[1]", "row 1 is no row"),
        ('[{"system": "x"}]', "row 1 lacks its protocol"),
        (json.dumps([made_row("liu_simple", 0.5), made_row("means", 0.5, low="x")]), "row 2 has 'x' as its low"),
        (json.dumps([made_row("liu_simple", 0.5) | {"protocol": "magic"}]), "row 1 is of the protocol magic"),
    ],
)
def test_a_damaged_table_is_a_sentence_that_names_it(
    results: Path, client_staff: Client, content: str, problem: str
) -> None:
    results.write_text(content)
    shown = html.unescape(page(client_staff))
    assert "The table of the zoo cannot be read." in shown
    assert f"{results} is no table of results: {problem}" in shown
    german = client_staff.get(ZOO, headers={"Accept-Language": "de"}).content.decode()
    assert "Die Tabelle des Zoos kann nicht gelesen werden." in german
    with pytest.raises(CommandError, match=f"{results} is no table of results"):
        call_command("zoo", "table")
    assert results.read_text() == content


def test_data_sets_are_never_mixed(results: Path, client_staff: Client) -> None:
    results.write_text(json.dumps([made_row("liu_simple", 0.5), made_row("liu_simple", 0.3, data="emotify", n=400)]))
    shown = page(client_staff)
    assert "900 clips of 4qaed." in shown
    assert "400 clips of emotify." in shown
    assert shown.count('<svg class="chart"') == 4


@pytest.mark.usefixtures("run")
def test_it_costs_few_queries(client_staff: Client, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_max_num_queries(4):
        page(client_staff)


@pytest.mark.usefixtures("run")
def test_the_page_is_german(client_staff: Client) -> None:
    found = []
    for name in PROTOCOLS:
        address = f"{ZOO}?protocol={name}"
        german = client_staff.get(address, headers={"Accept-Language": "de"}).content.decode()
        assert '<html lang="de"' in german
        found += [*english_in(address, german), *differing(address, german, client_staff.get(address).content.decode())]
    assert found == []


# --- Drawings -----------------------------------------------------------------------------------------------------


def test_the_intervals_stand_in_order_and_mark_the_floor() -> None:
    chart = interval_chart(table(made_rows()))
    assert [each.name for each in chart.intervals] == [
        "1 louro_svm", "2 louro_cnn", "3 bathigama_raw1d", "4 majority",
    ]  # fmt: skip
    assert all(10 <= each.low_x <= each.x <= each.high_x <= 310 for each in chart.intervals)
    assert chart.intervals[0].floor_x < chart.intervals[0].low_x
    assert chart.intervals[3].floor_x == chart.intervals[3].x
    assert chart.intervals[3].y < chart.axis_y
    assert chart.sentence.startswith("From 0.100 (majority) to 0.750 (louro_svm). Lines are 95 % intervals;")
    assert "the floor, 0.100," in chart.sentence


def test_what_is_neither_slower_nor_worse_is_named() -> None:
    rows = [*made_rows()[:4], made_row("slow_and_worse", 0.5, infer_ms=5000.0)]
    chart = speed_chart(table(rows))
    assert len(chart.dots) == 5
    assert all(AXES.left <= x <= AXES.right and AXES.top <= y <= AXES.bottom for x, y in chart.dots)
    assert [label.text for label in chart.labels] == ["5", "2", "1"]
    assert chart.sentence.endswith(
        "these: 5 majority (0.100 in 1.5 ms); 2 louro_cnn (0.600 in 40.0 ms); 1 louro_svm (0.750 in 900.0 ms)."
    )
    assert [tick.text for tick in chart.x_ticks] == ["1", "10", "100", "1000", "10000"]


def test_one_system_is_drawn_too() -> None:
    alone = table([made_row("majority", 0.1, infer_ms=0.0)])
    chart = speed_chart(alone)
    assert [tick.text for tick in chart.x_ticks] == ["0.1", "1"]
    assert len(interval_chart(alone).intervals) == 1
