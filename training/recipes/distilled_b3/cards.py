"""A model's card, and its scores on its own held-out clips through the code that serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from emotion.inference.predict import Predictor
from emotion.inference.quadrants import Quadrant
from training.data.splits import PARTS, Folds, Protocol, SplitError
from training.datasets import DATASETS, DatasetError
from training.evaluation.comparison import probe_run
from training.evaluation.curves import curve_table, follow
from training.evaluation.held_out import said_of_audio
from training.evaluation.metrics import Scores, score_axis, score_by_dataset
from training.evaluation.predictions import Predictions
from training.evaluation.report.tables import Table, cells, figure, probe_table
from training.fit.run_folder import SPLITS
from training.recipes.distilled_b3.features import ClipFeatures, load_clips
from training.recipes.registry import Log

METHOD = """\
Its backbone was pre-trained without labels: it predicts the features of two public music taggers on random mixtures of
the training clips (`training/recipes/distilled_b3/distil.py`). Its head was then fitted to the labels and to the soft
targets of a support vector machine on the taggers' features (`training/recipes/distilled_b3/head.py`)."""
LIMITS = (
    "The model makes one estimate per song, from a 24 s excerpt of the middle.",
    "It is less accurate on a new source than on a new artist: see the rows “source unseen”.",
    "Emotify's labels are induced emotions read as perceived ones; no other labels in the training data are.",
    "Emotion in Music and DEAM were available as 10 s excerpts, which are repeated, and EMOPIA as rendered MIDI.",
    "The training data are Western popular, classical and game-like piano music; other music was not tested.",
    "Its features imitate those of taggers trained on Western popular music, and share their blind spots.",
)
_PROTOCOLS = {
    Protocol.ARTIST_GROUPED: "artists unseen",
    Protocol.STRATIFIED: "artists seen (as in the papers)",
    Protocol.LEAVE_ONE_SOURCE_OUT: "source unseen",
}


def evaluate(
    weights: Path,
    *,
    data_root: Path,
    work_dir: Path,
    engine: str,
    device: str,
    log: Log,
    keep: Path | None = None,
) -> dict[str, Scores]:
    """Score a checkpoint on its own held-out clips, from audio files through the serving code.

    A clip that cannot be read is left out and logged; the predictions are saved to `keep`.

    Raises:
        SplitError: The ids of its folds are missing, not those of its card, or not of the datasets here.
    """
    predictor = Predictor.load(weights, engine=engine, device=device)
    facts = predictor.card.facts
    clips = load_clips(facts["config"]["datasets"], data_root, work_dir)
    folds = saved_folds(weights, facts)
    if folds is None:
        raise SplitError(
            f"No {weights.stem}.{SPLITS} lies next to {weights}: the model predates the saving of test ids, so "
            "its test clips are unknown. Evaluate its run folder instead."
        )
    [rows] = folds.rows(clips)
    predictions = said_of_audio(predictor, [clips[i] for i in rows.test], log)
    if keep is not None:
        predictions.save(keep)
    return score_by_dataset(predictions)


def evaluate_curves(weights: Path, *, data_root: Path, work_dir: Path, engine: str, device: str, log: Log) -> Table:
    """Compare a checkpoint's curves with drawn ones: of its held-out clips, and of data sets it did not learn from.

    Raises:
        SplitError: The ids of its folds are missing, or not those of its card.
        DatasetError: No data set with curves is on this machine.
    """
    predictor = Predictor.load(weights, engine=engine, device=device)
    folds = saved_folds(weights, predictor.card.facts)
    if folds is None:
        raise SplitError(f"No {weights.stem}.{SPLITS} lies next to {weights}: its test clips are unknown.")
    learned, tested = predictor.card.facts["config"]["datasets"], {*folds.folds[0].test}
    followed = []
    for dataset in DATASETS.values():
        folder = data_root / dataset.folder
        if dataset.curves is None or not folder.is_dir():
            continue
        curves = dataset.curves(folder)
        clips = [
            clip
            for clip in dataset.load(folder, work_dir)
            if curves.get(clip.id) and clip.audio.is_file() and (clip.dataset not in learned or clip.id in tested)
        ]
        followed += follow(predictor, clips, curves, log=log)
    if not followed:
        raise DatasetError(f"No data set with drawn curves and audio is in {data_root}.")
    return curve_table(followed)


def saved_folds(weights: Path, facts: Mapping[str, Any]) -> Folds | None:
    """Return the folds that a model was trained and tested on, next to its weights; None where they are missing.

    Raises:
        SplitError: The ids are not those of the card's hash.
    """
    places = (weights.with_suffix(f".{SPLITS}"), weights.parent / SPLITS)
    path = next((path for path in places if path.is_file()), None)
    folds = Folds.load(path) if path else None
    if folds and not folds.is_named(facts["split"]["sha256"]):
        raise SplitError(f"{path} is not the split that the card of {weights.name} names: the two are of two models.")
    return folds


def facts_of(
    config: Mapping[str, Any],
    features: ClipFeatures,
    dealt: Sequence[Folds],
    predictions: Mapping[str, Predictions],
    *,
    method: str = METHOD,
    seeds: Sequence[tuple[str, float, dict[str, Scores]]] = (),
) -> dict[str, Any]:
    """Return the facts of a model's card.

    `dealt` starts with the held-out protocol, on which the weights were fitted and tested; `predictions` are those of
    the "model" and, of the held-out clips at least, of others beside it, such as its "teacher"; `seeds` has name,
    validation loss and scores of each head that was fitted on the held-out split.
    """
    [held_out] = dealt[0].folds
    tested = {name: each.where(each.protocol == Protocol.HELD_OUT) for name, each in predictions.items()}
    student = predictions["model"]
    tables = [seed_table(seeds)] if seeds else []
    if (student.protocol != Protocol.HELD_OUT).any():
        tables.append(protocol_table(student, predictions.get("teacher")))
        tables.append(unseen_table(student, {*held_out.train, *held_out.validation}))
    tables.append(axis_table(student))
    # With one source, or few artists in the test, there is no probe.
    with suppress(ValueError):
        duplicates = dict(zip([clip.id for clip in features.clips], features.duplicates.tolist(), strict=True))
        tables.append(probe_table(probe_run(tested["model"], duplicates)))
    licences = {name: dataset.licence for name, dataset in DATASETS.items()}
    local = "labels by users of this installation; not shared"
    return {
        "method": method,
        "datasets": {
            name: {"clips": int(np.sum(features.sources == name)), "licence": licences.get(name, local)}
            for name in dict.fromkeys(features.sources)
        },
        "split": {
            "protocol": "grouped by artist, song and near-duplicate recording, 10 folds stratified by source and "
            "quadrant: 2 test, 1 validation; EMOPIA is tested on its published validation part",
            "sizes": {part: len(getattr(held_out, part)) for part in PARTS},
            "sha256": dealt[0].sha256,
        },
        "folds": {folds.protocol: folds.sha256 for folds in dealt},
        "test": {
            who: {name: scores.to_json() for name, scores in score_by_dataset(rows).items()}
            for who, rows in tested.items()
        },
        "limits": list(LIMITS),
        "tables": [table.to_json() for table in tables],
        "config": dict(config),
    }


def protocol_table(student: Predictions, teacher: Predictions | None) -> Table:
    """Return macro-F1 and accuracy of a model, and of its teacher if it has one, by source and protocol."""
    rows = []
    for dataset in dict.fromkeys(student.dataset):
        for protocol, title in _PROTOCOLS.items():
            chosen = (student.dataset == dataset) & (student.protocol == protocol)
            if not chosen.any():
                continue
            ours = score_by_dataset(student.where(chosen))[str(dataset)]
            accuracy = figure(ours.accuracy, ours.accuracy_interval)
            row = [f"{dataset}, {title}", ours.n, _macro_f1(ours), accuracy, ours.floor_accuracy, ours.ece]
            if teacher is not None:
                theirs = score_by_dataset(teacher.where(chosen))[str(dataset)]
                row += [_macro_f1(theirs), theirs.accuracy]
            rows.append(tuple(row))
    note = (
        "Five folds, or one per source. Heads were fitted separately in every fold; the backbone was "
        "pre-trained once, without labels, on audio that includes seven tenths of these clips; see the next table for "
        "the effect. For “source unseen”, no head was fitted to labels of that source."
    )
    columns = ["test", "n", "macro-F1 (95 %)", "accuracy (95 %)", "floor", "ECE"]
    columns += ["teacher: macro-F1", "accuracy"] if teacher is not None else []
    return Table("Folds, artists and sources", note, tuple(columns), tuple(rows))


def _macro_f1(scores: Scores) -> str:
    return figure(scores.macro_f1, scores.macro_f1_interval)


def unseen_table(student: Predictions, pretrained: set[str]) -> Table:
    """Return artist-grouped macro-F1 on clips that the backbone was pre-trained on, and on the others."""
    grouped = student.where(student.protocol == Protocol.ARTIST_GROUPED)
    is_seen = np.isin(grouped.clip, list(pretrained))
    rows = []
    for dataset in dict.fromkeys(grouped.dataset):
        here = grouped.dataset == dataset
        if not (here & is_seen).any() or not (here & ~is_seen).any():
            continue
        seen, others = (score_by_dataset(grouped.where(here & part))[str(dataset)] for part in (is_seen, ~is_seen))
        rows.append((str(dataset), seen.n, _macro_f1(seen), others.n, _macro_f1(others)))
    note = "Artist-grouped folds. If pre-training on a clip mattered much, its macro-F1 would exceed that of new clips."
    columns = ("source", "n pre-trained on", "macro-F1, pre-trained on (95 %)", "n new", "macro-F1, new (95 %)")
    return Table("Effect of pre-training on a clip", note, columns, tuple(rows))


def seed_table(seeds: Sequence[tuple[str, float, dict[str, Scores]]]) -> Table:
    """Return the held-out macro-F1 of each head."""
    names = list(seeds[0][2])
    scores = [[float(tested[name].macro_f1) for name in names] for _, _, tested in seeds]
    rows = [(seed, float(loss), *row) for (seed, loss, _), row in zip(seeds, scores, strict=True)]
    deviations = np.std(scores, axis=0, ddof=1) if len(seeds) > 1 else np.zeros(len(names))
    spreads = (f"{mean:.3f} ± {spread:.3f}" for mean, spread in zip(np.mean(scores, axis=0), deviations, strict=True))
    note = "Macro-F1 on the held-out artists, with one backbone. The head with the lowest validation loss is shipped."
    columns = ("seed", "validation loss", *names)
    return Table("Seeds of the head", note, columns, (*rows, ("mean ± standard deviation", None, *spreads)))


def axis_table(student: Predictions) -> Table:
    """Return how points fit the ratings, and how often they lie on the labelled side of each axis."""
    rows = []
    for protocol in (Protocol.HELD_OUT, Protocol.ARTIST_GROUPED, Protocol.LEAVE_ONE_SOURCE_OUT):
        chosen, labelled = student.where(student.protocol == protocol), student.of_protocol(protocol)
        rated = chosen.where(~np.isnan(chosen.valence_true))
        if not len(rated):
            continue
        corners = np.array([quadrant.corner for quadrant in Quadrant])[labelled.truth]
        for i, axis in enumerate(("valence", "arousal")):
            scores = score_axis(getattr(rated, f"{axis}_true"), getattr(rated, axis), rated.artist)
            side = float(np.mean((getattr(labelled, axis) > 0) == (corners[:, i] > 0)))
            fit = cells(scores, "n", "**r", "ccc", "r2", "rmse", "floor_rmse")
            rows.append((f"{axis}, {protocol.replace('_', ' ')}", *fit, side))
    note = (
        "Points against the ratings of Emotion in Music and DEAM, -1 to 1; the last column is over all clips with a "
        "quadrant. Points use the whole plane and not the raters' scale, which costs R²: its square is what a line "
        "through the correlation would explain."
    )
    columns: tuple[str, ...] = ("axis", "rated", "correlation (95 %)", "CCC (95 %)", "R² (95 %)", "RMSE (95 %)")
    columns += ("RMSE of the mean", "right side")
    return Table("Valence and arousal", note, columns, tuple(rows))
