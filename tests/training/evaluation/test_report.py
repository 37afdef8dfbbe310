import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotion.inference.checkpoint import Card
from emotion.inference.quadrants import Quadrant
from emotion.zoo.efficientnet_b3 import EfficientNetConfig
from emotion.zoo.frontends import MelConfig
from tests.training.made_qaed import made_qaed
from tests.training.made_run import SOURCES, made_predictions, made_run
from training.data.splits import Fold, Folds, Protocol, SplitError
from training.datasets import DATASETS
from training.evaluation.comparison import compare_systems
from training.evaluation.metrics import score
from training.evaluation.predictions import Predictions
from training.evaluation.report.page import report_page
from training.evaluation.report.plots import example_images
from training.evaluation.report.run import (
    ClipLabel,
    NotInRunError,
    all_labels,
    clips_of,
    duplicates_of,
    read_run,
    scores_by_protocol,
)
from training.evaluation.report.tables import (
    Table,
    axis_table,
    by_arousal,
    by_genre,
    by_loudness,
    card_page,
    class_table,
    confident_errors,
    figure,
    fold_table,
    gap_table,
    leave_one_out_table,
    scores_table,
)

pytestmark = pytest.mark.slow


def scores() -> dict[str, Any]:
    truth = np.array([0, 0, 0, 1, 2, 3])
    return {"4qaed": score(truth, np.eye(4)[[0, 0, 1, 1, 2, 3]], list("abcdef")).to_json()}


def test_a_table_shows_every_figure_beside_its_floor() -> None:
    row = scores_table(scores()).splitlines()[-1]
    assert row.startswith("| 4qaed | 6 | **0.833** (")
    assert "| 0.500 |" in row


def facts() -> dict[str, Any]:
    return {
        "datasets": {"4qaed": {"clips": 900, "licence": "research only"}},
        "split": {"protocol": "artist-grouped", "sizes": {"test": 6}, "sha256": "abc"},
        "test": {"model": scores(), "teacher": scores()},
    }


def page_of(facts: dict[str, Any]) -> str:
    return card_page(Card("b3-test", MelConfig(), EfficientNetConfig(), 1.25, "fed", facts))


def test_the_card_s_page_names_data_licence_protocol_and_confusion() -> None:
    page = page_of(facts())
    for part in ("b3-test", "| 4qaed | 900 | research only |", "artist-grouped", "`abc`", "`fed`", "1.250"):
        assert part in page
    assert "| **Q1** | 2 | 1 | 0 | 0 |" in page
    assert "10 s cuts" in page


def test_a_card_may_bring_tables_limits_and_what_was_tried() -> None:
    table = Table("Seeds", "Three heads.", ("seed", "macro-F1"), ((1, 0.7), (2, None)))
    extra = {
        "method": "It learned from sound.",
        "tables": [table.to_json()],
        "limits": ["It has never heard a choir."],
        "tried": [{"what": "mixup", "result": "nothing: .700 beside .701"}],
    }
    page = page_of({**facts(), **json.loads(json.dumps(extra))})
    assert "It learned from sound." in page
    assert "## Seeds\n\nThree heads.\n\n| seed | macro-F1 |\n|---|---|\n| 1 | 0.700 |\n| 2 | – |" in page
    assert "| mixup | nothing: .700 beside .701 |" in page
    assert "- It has never heard a choir." in page
    assert "10 s cuts" not in page
    only_tables = page_of({"datasets": {}, "tables": extra["tables"]})
    assert "## Seeds" in only_tables
    assert "Confusion" not in only_tables


def test_a_card_names_its_folds_or_their_fault() -> None:
    extra = facts()
    extra["folds"] = {"held_out": extra["split"]["sha256"], "artist_grouped": "b" * 64}
    page = page_of(extra)
    assert "never saw an artist" in page
    assert (
        f"The ids of all folds lie in the run folder (`splits*.json`); further hashes: artist grouped `{'b' * 64}`."
        in page
    )
    noted = page_of({**facts(), "split": {**facts()["split"], "note": "Two pairs lie across."}})
    assert "\nTwo pairs lie across.\n" in noted
    assert "never saw an artist" not in noted
    assert "further hashes" not in noted


def test_a_table_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="is not a table"):
        Table.from_json({"title": "x"})
    with pytest.raises(ValueError, match=r"A row of “x” has 1 cells for 2 columns"):
        Table.from_json({"title": "x", "columns": ["a", "b"], "rows": [["c"]]})
    table = Table("x", "", ("a", "b"), (("c", 1.5), ("d", None)))
    assert Table.from_json(json.loads(json.dumps(table.to_json()))) == table


def test_cells_are_escaped_and_numbers_stand_right() -> None:
    table = Table("x", "", ("song", "F1"), (("<b>|</b>", figure(-0.5, (-0.7, -0.3), bold=True)),))
    assert "&lt;b&gt;|&lt;/b&gt;" in table.to_html()
    assert '<td class="number"><strong>-0.500</strong> (-0.700 to -0.300)</td>' in table.to_html()
    assert r"| <b>\|</b> | **-0.500** (-0.700 to -0.300) |" in table.to_markdown()


def test_folds_and_classes_are_the_paper_s_tables() -> None:
    predictions = made_predictions(("artist_grouped", "held_out"))
    table = fold_table(predictions, "artist_grouped")
    rows = predictions.where((predictions.protocol == "artist_grouped") & (predictions.fold == 2))
    assert table.columns == ("", "fold 1", "fold 2", "fold 3", "fold 4", "fold 5", "all folds")
    assert table.rows[0][0] == "all, accuracy"
    assert table.rows[0][3] == pytest.approx(np.mean(rows.probabilities.argmax(1) == rows.truth))
    assert [row[0] for row in class_table(predictions, "held_out").rows][1].startswith("Q2 A+V- (energetic and dark)")
    with pytest.raises(NotInRunError, match="one fold only"):
        fold_table(predictions, "held_out")


def test_a_dataset_missing_from_a_fold_leaves_a_dash_there() -> None:
    predictions = made_predictions(("artist_grouped",))
    kept = predictions.where((predictions.dataset != "emopia") | (predictions.fold != 1))
    row = next(row for row in fold_table(kept, "artist_grouped").rows if row[0] == "emopia, macro-F1")
    assert row[2] is None
    assert None not in (row[1], row[3], row[4], row[5])


def test_a_source_left_out_stands_beside_one_that_was_not() -> None:
    predictions = made_predictions(("held_out", "leave_one_source_out"))
    table = leave_one_out_table(predictions)
    by_protocol = scores_by_protocol(predictions)
    assert [row[0] for row in table.rows] == [*SOURCES, "all"]
    assert table.rows[0][-2] == pytest.approx(by_protocol["held_out"]["4qaed"]["accuracy"], abs=1e-4)
    with pytest.raises(NotInRunError, match="left no source out"):
        leave_one_out_table(predictions.where(predictions.protocol == "held_out"))
    with pytest.raises(NotInRunError, match="no artist_grouped and no stratified folds"):
        gap_table(predictions)


def test_valence_and_arousal_are_scored_where_they_were_rated() -> None:
    predictions = made_predictions(("held_out",))
    table = axis_table(predictions, "held_out")
    assert [row[:3] for row in table.rows] == [
        (f"emomusic, {axis}", figure, 180)
        for axis in ("valence", "arousal")
        for figure in ("as predicted", "from the quadrants")
    ]
    with pytest.raises(NotInRunError, match="rated valence and arousal"):
        axis_table(predictions.where(predictions.dataset == "4qaed"), "held_out")


def test_errors_by_arousal_genre_and_loudness() -> None:
    predictions = made_predictions(("held_out",))
    high, low, *rated = by_arousal(predictions)
    assert high.n + low.n == len(predictions)
    assert sum(group.n for group in rated) == np.isfinite(predictions.arousal_true).sum()
    truth, said = predictions.truth, predictions.probabilities.argmax(1)
    assert high.accuracy == pytest.approx(np.mean((said == truth)[truth < 2]))
    assert high.right_about_arousal == pytest.approx(np.mean(said[truth < 2] < 2))
    assert re.fullmatch(r"Q[12] taken for Q[1-4], \d+ %", high.slip)
    assert {group.name for group in by_genre(predictions)} == {"rock", "jazz", "classical", "electronic"}
    assert [group.n for group in by_loudness(predictions)] == [140] * 4
    predictions.genre[:] = ""
    predictions.loudness_db[:] = np.nan
    with pytest.raises(NotInRunError, match="genre"):
        by_genre(predictions)
    with pytest.raises(NotInRunError, match="level"):
        by_loudness(predictions)


def test_the_most_confident_errors_are_errors_and_in_order() -> None:
    rows = confident_errors(made_predictions(("held_out",)), 5).rows
    assert all(row[2] != row[3] for row in rows)
    assert [row[4] for row in rows] == sorted((row[4] for row in rows), reverse=True)


class Outline(HTMLParser):
    """What a page is made of, and whether its elements close in order."""

    VOID = frozenset({"meta", "link", "img", "br", "path", "use", "rect"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "xlink:href")]
        self.ids += [value or "" for name, value in attrs if name == "id" and tag in ("section", "clippath")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


@pytest.fixture(scope="module")
def full_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    run = read_run(made_run(tmp_path_factory.mktemp("runs") / "b3-made-1"))
    image = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    unused = ClipLabel("emomusic/unused", "emomusic", 0, 0.1, 0.1, selected=False)
    others = {"other <model>": made_predictions(("held_out",), seed=5)}
    return report_page(
        run,
        systems=compare_systems(run.predictions, others),
        examples={quadrant: (f"4qaed/{quadrant.name}", image) for quadrant in Quadrant},
        labels=[*(ClipLabel(f"emomusic/{i}", "emomusic", i % 4, 0.2, -0.2, selected=True) for i in range(8)), unused],
    )


def test_the_page_needs_nothing_but_itself(full_page: str) -> None:
    outline = Outline(full_page)
    assert outline.open == []
    assert not {"script", "link", "img", "iframe"} & set(outline.tags)
    assert [link for link in outline.links if not link.startswith(("#", "data:"))] == []
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", full_page)
    assert len(outline.ids) == len(set(outline.ids))
    # Each plot takes its colours from the page's light and dark style.
    assert "#0a0b" not in full_page
    assert outline.tags.count("svg") >= 12


def test_the_page_has_every_section_and_says_them_in_words(full_page: str) -> None:
    assert (
        "Tested on 560 clips of artists that it was not trained on, the model names the right quadrant for" in full_page
    )
    for anchor in (
        "short",
        "data",
        "training",
        "held_out",
        "stratified",
        "sources",
        "plane",
        "errors",
        "systems",
        "repeat",
    ):
        assert f'<section id="{anchor}">' in full_page
        assert f'href="#{anchor}"' in full_page
    for number in (2, 3, 4, 5):
        assert f"paper's Figure {number}" in full_page or f"paper&#x27;s Figure {number}" in full_page
    assert 'class="absent"' not in full_page
    assert "1 not used" in full_page
    assert "other &lt;model&gt; against this run" in full_page
    assert "other <model>" not in full_page


def test_a_run_that_lacks_nearly_everything_gives_a_page_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"version": "b3-<young>", "seed": 3}))
    page = report_page(read_run(tmp_path))
    assert Outline(page).open == []
    assert "b3-&lt;young&gt;" in page
    for sentence in ("no predictions of labelled clips yet", "no loss by epoch", "does not name the datasets"):
        assert sentence in page


def test_a_run_of_one_source_and_one_protocol_is_reported(tmp_path: Path) -> None:
    predictions = made_predictions(("paper",))
    predictions.where(predictions.dataset == "4qaed").save(tmp_path / "predictions.npz")
    page = report_page(read_run(tmp_path))
    assert "The paper&#x27;s protocol" in page
    assert "No network of this run was tested on two datasets" in page
    assert "No tested clip of this run has rated valence and arousal" in page


def test_the_texts_in_a_runs_metrics_are_shown(tmp_path: Path) -> None:
    table = Table("Windows", "One against five.", ("windows", "macro-F1"), (("one", 0.7), ("five", 0.72)))
    extra = {"tables": [table.to_json()], "limits": ["No choirs."], "tried": [{"what": "mixup", "result": "<nothing>"}]}
    (tmp_path / "run.json").write_text(json.dumps({"version": "b3-made"}))
    (tmp_path / "metrics.json").write_text(json.dumps(extra))
    page = report_page(read_run(tmp_path))
    for part in ("One against five.", "No choirs.", "&lt;nothing&gt;"):
        assert part in page


def test_a_missing_or_damaged_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not a run folder"):
        read_run(tmp_path)
    run = made_run(tmp_path / "run", ("held_out",))
    (run / "predictions.npz").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(ValueError, match=r"predictions\.npz is damaged"):
        read_run(run)
    made_predictions(("held_out",)).save(run / "predictions.npz")
    (run / "run.json").write_text("{")
    with pytest.raises(ValueError, match=r"run\.json is not JSON"):
        read_run(run)


@pytest.mark.parametrize("damage", ["begins", "text", "flipped", "array", "empty"])
def test_damaged_predictions_are_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "predictions.npz"
    made_predictions(("held_out",)).save(path)
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[200] ^= 255
    array = io.BytesIO()
    np.save(array, np.zeros(3))
    damaged = {"begins": whole[:-9], "text": b"x", "flipped": bytes(flipped), "array": array.getvalue(), "empty": b""}
    path.write_bytes(damaged[damage])
    with pytest.raises(ValueError, match=r"predictions\.npz is damaged: .*\. Delete it, and make it again\."):
        Predictions.load(path)
    with pytest.raises(FileNotFoundError, match=r"none\.npz"):
        Predictions.load(tmp_path / "none.npz")


def test_predictions_of_clips_that_the_folds_do_not_test_are_refused(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", ("held_out",))
    said = made_predictions(("held_out",))
    replace(said, clip=np.char.add(said.clip, "b")).save(run / "predictions.npz")
    with pytest.raises(SplitError, match=r"560 clips were tested .* held_out folds .* such as 4qaed/0b in fold 1"):
        read_run(run)


def test_a_history_that_is_still_being_written_is_read_to_its_last_whole_line(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", ("held_out",))
    whole = (run / "history.jsonl").read_text()
    (run / "history.jsonl").write_text(whole[:-30])
    assert len(read_run(run).history) == whole.count("\n") - 1
    assert next(iter(read_run(run).stages())) == "fine-tune, fold 1"
    (run / "history.jsonl").write_text("{torn\n" + whole)
    with pytest.raises(ValueError, match="Line 1 of"):
        read_run(run)


def test_images_and_unused_clips_come_from_the_data_where_it_is(tmp_path: Path) -> None:
    data_root = made_qaed(tmp_path / "data", clips=3, seconds=6.0)
    clips = DATASETS["4qaed"].load(data_root / "4qaed", tmp_path / "work")
    rows = made_predictions(("held_out",)).where(np.arange(8))
    truth = np.array([clip.quadrant.index for clip in clips[:12] if clip.quadrant])
    tested = [i for quadrant in range(4) for i in np.flatnonzero(truth == quadrant)[:2]]
    probabilities = np.eye(4, dtype=np.float32)[truth[tested]] * np.linspace(0.4, 0.6, 8, dtype=np.float32)[:, None]
    said = replace(rows, clip=np.array([clips[i].id for i in tested]), truth=truth[tested], probabilities=probabilities)
    said.save(tmp_path / "predictions.npz")
    fold = Fold((clips[0].id,), (), tuple(said.clip.tolist()))
    Folds(Protocol.HELD_OUT, (fold,)).save(tmp_path / "splits.json")
    run = read_run(tmp_path)
    here = clips_of(run, data_root=data_root, work_dir=tmp_path / "work")
    images = example_images(run, MelConfig(window_s=6.0), here)
    # Of each quadrant's two the second is the surer.
    assert [name for name, _ in images.values()] == said.clip.tolist()[1::2]
    assert images[Quadrant.Q3][1].shape == (300, 300)
    labels = {label.clip: label for label in all_labels(run, here)}
    assert len(labels) == 12
    assert sum(label.selected for label in labels.values()) == len({*said.clip.tolist(), clips[0].id})
    assert duplicates_of(run, here, work_dir=tmp_path / "work").keys() == set(said.clip.tolist())
    nowhere = clips_of(run, data_root=tmp_path / "nowhere", work_dir=tmp_path / "work")
    assert example_images(run, MelConfig(), nowhere) == {}
    assert len(all_labels(run, nowhere)) == 8
    assert duplicates_of(run, nowhere, work_dir=tmp_path / "work") == {}


def test_a_table_without_rows_has_every_column_of_predictions(tmp_path: Path) -> None:
    empty = Predictions.empty()
    assert len(empty) == 0
    empty.save(tmp_path / "predictions.npz")
    with_rows = made_predictions(("held_out",))
    assert len(type(empty).concatenate([empty, with_rows])) == len(with_rows)
