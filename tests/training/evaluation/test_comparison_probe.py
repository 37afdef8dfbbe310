import numpy as np
import pytest

from tests.training.made_run import made_predictions
from training.evaluation.comparison import name_the_dataset, probe_run


def made(shift: float, n: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    dataset = np.array(["a", "b"])[rng.integers(0, 2, n)]
    embedding = rng.normal(0, 1, (n, 8))
    embedding[dataset == "b", 3] += shift
    return embedding, dataset, np.array([f"artist {i // 4} of {name}" for i, name in enumerate(dataset)])


def test_a_shift_is_found_and_its_absence_too() -> None:
    seen = name_the_dataset(*made(6.0))
    assert seen.accuracy > 0.98
    assert seen.accuracy_interval[0] <= seen.accuracy <= seen.accuracy_interval[1]
    assert np.trace(seen.confusion) == round(seen.accuracy * seen.n)
    unseen = name_the_dataset(*made(0.0))
    assert abs(unseen.balanced_accuracy - 0.5) < 0.12
    assert unseen.accuracy_interval[0] < unseen.floor_accuracy


def test_an_artist_met_before_does_not_help() -> None:
    # Each artist has a place of its own, which names the dataset only to those who have met the artist.
    rng = np.random.default_rng(1)
    artist = np.repeat(np.arange(60), 5)
    places = rng.normal(0, 10, (60, 60))
    dataset = np.array(["a", "b"])[rng.integers(0, 2, 60)][artist]
    result = name_the_dataset(places[artist] + rng.normal(0, 0.1, (300, 60)), dataset, artist)
    assert result.balanced_accuracy < 0.7


def test_a_near_duplicate_by_another_artist_does_not_help() -> None:
    # Each recording comes under five artists' names; its place names the dataset only to those who know it.
    rng = np.random.default_rng(1)
    recording = np.repeat(np.arange(60), 5)
    places = rng.normal(0, 10, (60, 60))
    dataset = np.array(["a", "b"])[rng.integers(0, 2, 60)][recording]
    songs = places[recording] + rng.normal(0, 0.1, (300, 60)), dataset, np.arange(300)
    assert name_the_dataset(*songs).balanced_accuracy > 0.95
    assert name_the_dataset(*songs, recording).balanced_accuracy < 0.7


def test_near_duplicates_of_a_run_are_given_by_clip() -> None:
    predictions = made_predictions(("held_out",))
    without = probe_run(predictions)
    alone = {clip: i for i, clip in enumerate(predictions.clip.tolist())}
    assert probe_run(predictions, alone) == without
    linked = {clip: i // 2 if i % 40 < 2 else -i for clip, i in alone.items()}
    assert probe_run(predictions, linked) != without


@pytest.mark.parametrize("n_artists", [5, 6, 9])
def test_five_artists_of_one_clip_each_are_enough(n_artists: int) -> None:
    dataset = np.repeat(["a", "b"], n_artists)
    embedding = np.random.default_rng(2).normal(0, 1, (2 * n_artists, 3))
    embedding[dataset == "b"] += 20
    probe = name_the_dataset(embedding, dataset, np.arange(2 * n_artists))
    assert (probe.n, probe.accuracy, probe.confusion) == (2 * n_artists, 1.0, [[n_artists, 0], [0, n_artists]])
    # One recording by two artists, in both datasets.
    linked = np.arange(2 * n_artists)
    linked[-1] = 0
    assert name_the_dataset(embedding, dataset, np.arange(2 * n_artists), linked).n == 2 * n_artists
    with pytest.raises(ValueError, match="a has 4 artists here; 5 artist-grouped folds need one each"):
        name_the_dataset(embedding[n_artists - 4 :], dataset[n_artists - 4 :], np.arange(n_artists + 4))


def test_what_cannot_be_probed_is_refused_with_a_reason() -> None:
    embedding, dataset, artist = made(1.0)
    with pytest.raises(ValueError, match="There is only a"):
        name_the_dataset(embedding[dataset == "a"], dataset[dataset == "a"], artist[dataset == "a"])
    few = np.where(dataset == "b", "the only one", artist)
    with pytest.raises(ValueError, match="b has 1 artists here"):
        name_the_dataset(embedding, dataset, few)


def test_only_one_network_of_a_run_is_probed() -> None:
    predictions = made_predictions(("held_out", "leave_one_source_out"))
    probe = probe_run(predictions)
    assert probe.n == int(np.sum(predictions.protocol == "held_out"))
    assert probe.datasets == ("4qaed", "emomusic", "emopia")
    # The made embeddings are shifted by source.
    assert probe.accuracy > probe.floor_accuracy + 0.1
    with pytest.raises(ValueError, match="No network of this run"):
        probe_run(predictions.where(predictions.protocol == "leave_one_source_out"))


def test_half_precision_embeddings_do() -> None:
    embedding, dataset, artist = made(6.0)
    whole = name_the_dataset(embedding.astype(np.float16).astype(np.float64), dataset, artist)
    assert name_the_dataset(embedding.astype(np.float16), dataset, artist) == whole
