"""The zoo's table in Markdown: nothing on it is filled in by hand but its words, and no two protocols are mixed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from pytest_django import Settings

from tests.training.made_zoo import made_row, made_rows
from training.evaluation.comparison import corrected_t_test
from training.recipes.zoo import recipe, standings, systems
from training.recipes.zoo.page import kept_words, zoo_page
from training.recipes.zoo.standings import BASELINE, PROTOCOLS, published_of, standings_of
from training.recipes.zoo.table import rows_of

SYSTEMS = ["bathigama_raw1d", "liu_simple", "louro_cnn", "louro_svm", "majority"]
PAGE = Path(django_settings.BASE_DIR) / "docs" / "zoo.md"


def sections(page: str) -> dict[str, str]:
    """Return the parts of a page by their headings."""
    parts = [part.partition("\n") for part in page.split("\n## ")[1:]]
    return {heading: text for heading, _, text in parts}


def cells(text: str, system: str) -> list[list[str]]:
    """Return the cells of the lines of a system, one for each table."""
    lines = [line for line in text.splitlines() if line.startswith(f"| `{system}` |")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


@pytest.fixture
def artist5() -> str:
    return sections(zoo_page(made_rows(), SYSTEMS))["Five folds that share no artist, song or recording"]


def test_the_best_come_first_with_floors_and_costs(artist5: str) -> None:
    names = [line.split("`")[1] for line in artist5.splitlines() if line.startswith("| `")]
    assert names[:4] == ["louro_svm", "louro_cnn", "bathigama_raw1d", "majority"]
    scores, costs, _ = cells(artist5, "louro_cnn")
    assert scores[1:4] == ["0.600 (0.570–0.630)", "0.100", "0.610 (0.250)"]
    assert costs[1:] == ["1,234,567", "890", "40.0", "15", "12 to 20 epochs of at most 200"]
    assert cells(artist5, "louro_svm")[1][4:] == ["the paper’s own", "nothing"]
    assert "n = 900, folds `artist5-fold`" in artist5


def test_top3_stands_where_the_paper_reports_it(artist5: str) -> None:
    assert cells(artist5, "bathigama_raw1d")[0][4] == "0.930 (0.750)"
    assert cells(artist5, "louro_cnn")[0][4] == "–"
    others = sections(zoo_page([made_row("louro_cnn", 0.6)], SYSTEMS))
    assert "top-3" not in others["Five folds that share no artist, song or recording"]


def test_a_figure_of_another_protocol_says_so(artist5: str) -> None:
    assert cells(artist5, "louro_cnn")[0][-1] == "0.606 F1, its own protocol"
    assert "0.92 top-3 accuracy, its own protocol" in cells(artist5, "bathigama_raw1d")[0][-1]
    assert cells(artist5, "majority")[0][-1] == "–"
    page = sections(zoo_page(made_rows(), SYSTEMS))
    alike = page["Ten times ten folds balanced by quadrant, as Louro et al. have them"]
    assert cells(alike, "louro_cnn")[0][-1] == "0.606 F1, the same protocol"
    other_data = [made_row("louro_cnn", 0.6, protocol="louro10x10", data="emopia")]
    assert "the same protocol |" not in zoo_page(other_data, SYSTEMS)
    assert cells(page["What the papers report"], "louro_svm")[0][:3] == ["`louro_svm`", "0.7559", "F1"]


def test_a_system_without_a_row_is_named_as_not_run(artist5: str) -> None:
    assert "Not run: `liu_simple`." in artist5
    page = sections(zoo_page(made_rows(), SYSTEMS))
    assert (
        "Not run: `bathigama_raw1d`, `liu_simple`, `louro_svm`, `majority`."
        in page["Ten times ten folds balanced by quadrant, as Louro et al. have them"]
    )
    assert "`stratified5`" in page["Not run at all"]
    assert "`artist5`" not in page["Not run at all"]
    empty = zoo_page([], SYSTEMS)
    assert all(f"`{name}`" in sections(empty)["Not run at all"] for name in [*PROTOCOLS, *SYSTEMS])


def test_each_is_tested_against_the_baseline_and_the_best(artist5: str) -> None:
    heads = next(line for line in artist5.splitlines() if "less `" in line)
    assert heads == "| system | less `louro_cnn` (95 %) | p | less `louro_svm`, the best (95 %) | p |"
    assert cells(artist5, "louro_cnn")[2][1:3] == ["–", "–"]
    assert cells(artist5, "louro_cnn")[2][3].startswith("-0.150 (")
    assert cells(artist5, "louro_svm")[2][1].startswith("+0.150 (")
    assert cells(artist5, "louro_svm")[2][2:] == ["< .001", "–", "–"]


def test_tests_are_corrected_for_the_folds_and_the_number_of_systems() -> None:
    rows = [
        made_row("louro_cnn", 0.6, by_fold=[0.60, 0.62, 0.58, 0.61, 0.59]),
        made_row("a", 0.62, by_fold=[0.66, 0.60, 0.62, 0.63, 0.59]),
        made_row("b", 0.61, by_fold=[0.63, 0.61, 0.60, 0.61, 0.60]),
        made_row("elsewhere", 0.5, folds="others"),
    ]
    table = standings_of(rows, [])[0]
    assert table.references == (BASELINE, "a")
    by_name = {each.row["system"]: each.against[0] for each in table.rows}
    alone = {
        row["system"]: corrected_t_test(rows[0]["by_fold"], row["by_fold"], test_to_train=1 / 3.6) for row in rows[1:3]
    }
    for name, test in alone.items():
        difference = by_name[name]
        assert difference is not None
        assert (difference.value, difference.low, difference.high) == (test.difference, *test.interval)
    smaller, larger = sorted(alone, key=lambda name: alone[name].p_value)
    adjusted = [each.p_value for name in (smaller, larger) if (each := by_name[name])]
    assert adjusted[0] == pytest.approx(2 * alone[smaller].p_value)
    assert adjusted[1] == pytest.approx(max(2 * alone[smaller].p_value, alone[larger].p_value))
    assert by_name[BASELINE] is None
    assert by_name["elsewhere"] is None


def test_ten_repetitions_count_as_ten_folds() -> None:
    rows = [made_row("louro_cnn", 0.6, protocol="louro10x10"), made_row("b", 0.61, protocol="louro10x10")]
    rows[1]["by_fold"][0] += 0.2
    tested = standings_of(rows, [])[0].rows[0].against[0]
    expected = corrected_t_test(rows[0]["by_fold"], rows[1]["by_fold"], test_to_train=1 / 8.1)
    assert tested is not None
    assert tested.p_value == expected.p_value


def test_where_all_networks_share_the_test_clips_there_is_no_test() -> None:
    rows = [made_row("louro_cnn", 0.6, protocol="paper"), made_row("majority", 0.1, protocol="paper")]
    assert "There are no tests: they need two systems" in zoo_page(rows, SYSTEMS)
    alone = zoo_page([made_row("majority", 0.1)], SYSTEMS)
    assert "There are no tests: they need two systems" in alone
    assert "`louro_cnn` was not run here, so that nothing is tested against it." in alone


# --- Words ----------------------------------------------------------------------------------------------------------


def test_words_are_kept_when_the_page_is_written_anew(tmp_path: Path) -> None:
    page = tmp_path / "zoo.md"
    assert kept_words(tmp_path) == ""
    page.write_text(zoo_page([], SYSTEMS, kept_words(tmp_path)))
    assert kept_words(tmp_path) == ""
    page.write_text(page.read_text().replace("<!-- words -->\n", "<!-- words -->\n\nThe CNN agrees.\n\nThe SVM too.\n"))
    for rows in (made_rows(), made_rows()[:2], []):
        page.write_text(zoo_page(rows, SYSTEMS, kept_words(tmp_path)))
        assert page.read_text().count("The CNN agrees.\n\nThe SVM too.") == 1
    (tmp_path / "zoo_words.md").write_text("Written apart.\n")
    assert kept_words(tmp_path) == "Written apart."


def test_the_command_writes_the_page(tmp_path: Path, settings: Settings) -> None:
    settings.BASE_DIR = tmp_path
    settings.MOODPLANE_ZOO_RESULTS = tmp_path / "zoo.json"
    settings.MOODPLANE_ZOO_RESULTS.write_text(json.dumps(made_rows()))
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs" / "zoo.md"
    page.write_text("<!-- words -->\nKept.\n<!-- /words -->\n")
    call_command("zoo", "table")
    assert page.read_text() == zoo_page(made_rows(), systems.system_names(), "Kept.")


@pytest.mark.skipif(not PAGE.exists(), reason="`manage.py zoo table` has not been run yet.")
def test_the_page_is_that_of_its_rows() -> None:
    rows = rows_of(django_settings.MOODPLANE_ZOO_RESULTS)
    anew = zoo_page(rows, systems.system_names(), kept_words(PAGE.parent))
    assert PAGE.read_text() == anew, "run manage.py zoo table"


# --- What it stands on ----------------------------------------------------------------------------------------------


def test_protocols_are_those_that_are_run() -> None:
    assert list(PROTOCOLS) == list(recipe.PROTOCOLS)
    for name, protocol in recipe.PROTOCOLS.items():
        assert PROTOCOLS[name].about == protocol.about
        assert PROTOCOLS[name].n_folds == (0 if name == "paper" else protocol.n_folds)


def test_systems_are_named_without_building_them() -> None:
    assert standings.system_names() == systems.system_names()


def test_published_figures_are_of_systems_that_papers_have() -> None:
    sources: list[dict[str, Any]] = standings.published_sources()
    assert sum(len(source["figures"]) for source in sources) > 20
    for source in sources:
        assert source["where"]
        assert source["test"]
        assert all(0 < figure < 1 for figure in source["figures"].values())
        assert source["figures"].keys() <= set(standings.system_names())
        assert source.get("protocol", "paper") in PROTOCOLS
    assert [each.figure for each in published_of("louro_hybrid", "louro10x10", "4qaed")] == [0.6804, 0.6785, 0.8024]
