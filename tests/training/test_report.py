import numpy as np

from emotion.checkpoint import Card
from emotion.mel import MelConfig
from emotion.network import NetworkConfig
from training.metrics import score
from training.report import card_page, scores_table


def scores() -> dict[str, object]:
    truth = np.array([0, 0, 0, 1, 2, 3])
    return {"4qaed": score(truth, np.eye(4)[[0, 0, 1, 1, 2, 3]], list("abcdef")).to_json()}


def test_a_table_shows_every_figure_beside_its_floor() -> None:
    row = scores_table(scores()).splitlines()[-1]
    assert row.startswith("| 4qaed | 6 | **0.833** (")
    assert "| 0.500 |" in row


def test_the_card_s_page_names_data_licence_protocol_and_confusion() -> None:
    facts = {
        "datasets": {"4qaed": {"clips": 900, "licence": "research only"}},
        "split": {"protocol": "artist-grouped", "sizes": {"test": 6}, "sha256": "abc"},
        "test": {"model": scores(), "teacher": scores()},
    }
    page = card_page(Card("b3-test", MelConfig(), NetworkConfig(), 1.25, "fed", facts))
    for part in ("b3-test", "| 4qaed | 900 | research only |", "artist-grouped", "`abc`", "`fed`", "1.250"):
        assert part in page
    assert "| **Q1** | 2 | 1 | 0 | 0 |" in page
