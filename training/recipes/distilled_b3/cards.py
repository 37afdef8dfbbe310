"""A model's card, and its scores on its own held-out clips through the code that serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from emotion.exceptions import AudioUnreadableError
from emotion.inference.predict import Prediction, Predictor, points_of
from training.data.splits import PARTS, Folds, Protocol, SplitError
from training.datasets import DATASETS, Clip
from training.evaluation.comparison import probe_run
from training.evaluation.metrics import Scores, score_axis, score_by_dataset
from training.evaluation.predictions import Predictions
from training.evaluation.report.tables import Table, figure, probe_table
from training.fit.run_folder import SPLITS
from training.recipes.distilled_b3.config import DistilledB3Config
from training.recipes.distilled_b3.features import ClipFeatures, load_clips

METHOD = """\
Its backbone was pre-trained without labels, by learning to predict what two public music taggers hear in endless
remixes of the training clips (`training/recipes/distilled_b3/distil.py`); its head was then fitted to the labels and
to the opinions of a support vector machine on the taggers' features (`training/recipes/distilled_b3/head.py`)."""
LIMITS = (
    "It hears 24 s of a song, from the middle, and says one thing of them.",
    "A source that it never saw is harder than an artist that it never saw: see the rows “source unseen”.",
    "Emotify's labels are felt emotions read as perceived ones; they are the only such labels in the training data.",
    "Emotion in Music and DEAM were heard as 10 s cuts that repeat, EMOPIA as rendered MIDI.",
    "Western popular, classical and game-like piano music; nothing is known about the rest.",
    "Its sound was learned from taggers that were trained on Western popular music, with whatever they are deaf to.",
)
_PROTOCOLS = {
    Protocol.ARTIST_GROUPED: "artists unseen",
    Protocol.STRATIFIED: "artists seen (as the papers do)",
    Protocol.LEAVE_ONE_SOURCE_OUT: "source unseen",
}


def evaluate(
    weights: Path,
    *,
    data_root: Path,
    work_dir: Path,
    engine: str,
    device: str,
    log: Callable[[str], None],
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
            f"No {weights.stem}.{SPLITS} lies beside {weights}: the model was made before the ids of its test clips "
            "were saved with it, and these cannot be told apart. Evaluate its run folder instead."
        )
    [rows] = folds.rows(clips)
    tested = [clips[i] for i in rows.test]
    served: list[tuple[Clip, Prediction]] = []
    results = predictor.predict([clip.audio for clip in tested])
    for clip, result in tqdm(zip(tested, results, strict=True), total=len(tested), desc="clips", mininterval=5):
        if isinstance(result, AudioUnreadableError):
            log(f"{clip.id}: {result}")
        else:
            served.append((clip, result))
    probabilities = np.stack([result.probabilities for _, result in served])
    valence, arousal = np.array([(result.valence, result.arousal) for _, result in served]).T
    predictions = Predictions.of_clips(
        [clip for clip, _ in served],
        protocol=Protocol.HELD_OUT,
        fold=0,
        logits=np.log(np.maximum(probabilities, 1e-12)).astype(np.float32) * np.float32(predictor.card.temperature),
        probabilities=probabilities,
        points=(valence, arousal),
        embeddings=np.stack([result.embedding for _, result in served]),
    )
    if keep is not None:
        predictions.save(keep)
    return score_by_dataset(predictions)


def saved_folds(weights: Path, facts: Mapping[str, Any]) -> Folds | None:
    """Return the folds that a model was trained and tested on, from beside its weights; None where they are missing.

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
    config: DistilledB3Config,
    features: ClipFeatures,
    dealt: Sequence[Folds],
    *,
    student: Predictions,
    teacher: Predictions,
    seeds: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    """Return the facts of a model's card.

    `dealt` starts with the held-out protocol, on which the weights were fitted and tested; `student` and `teacher` have
    the same rows; `seeds` has the scores of each head that was fitted on the held-out split.
    """
    [held_out] = dealt[0].folds
    both = {"model": student, "teacher": teacher}
    tested = {name: each.where(each.protocol == Protocol.HELD_OUT) for name, each in both.items()}
    tables = [seed_table(seeds)]
    if (student.protocol != Protocol.HELD_OUT).any():
        tables.append(protocol_table(student, teacher))
        tables.append(unseen_table(student, {*held_out.train, *held_out.validation}))
    tables.append(axis_table(student))
    # With one source, or few artists in the test, there is nothing to tell apart.
    with suppress(ValueError):
        tables.append(probe_table(probe_run(tested["model"])))
    return {
        "method": METHOD,
        "datasets": {
            name: {
                "clips": int(np.sum(features.sources == name)),
                "licence": DATASETS[name].licence
                if name in DATASETS
                else "of the people of this installation; stays here",
            }
            for name in dict.fromkeys(features.sources)
        },
        "split": {
            "protocol": "grouped by artist, song and near-duplicate recording, 10 folds stratified by source and "
            "quadrant: 2 test, 1 validation; EMOPIA: published val is the test",
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
        "config": asdict(config),
    }


def protocol_table(student: Predictions, teacher: Predictions) -> Table:
    """Return macro-F1 and accuracy of model and teacher by source and protocol."""
    rows = []
    for dataset in dict.fromkeys(student.dataset):
        for protocol, title in _PROTOCOLS.items():
            chosen = (student.dataset == dataset) & (student.protocol == protocol)
            if not chosen.any():
                continue
            ours, theirs = (score_by_dataset(table.where(chosen))[str(dataset)] for table in (student, teacher))
            figures = (
                ours.n,
                figure(ours.macro_f1, ours.macro_f1_interval),
                figure(ours.accuracy, ours.accuracy_interval),
                ours.floor_accuracy,
                ours.ece,
                figure(theirs.macro_f1, theirs.macro_f1_interval),
                theirs.accuracy,
            )
            rows.append((f"{dataset}, {title}", *figures))
    note = (
        "Five folds, or one per source. The head and the teacher were fitted anew in every fold; the backbone was not: "
        "it learned from the sound, never from a label, of seven tenths of these clips. What that is worth is the next "
        "table. A source left out is one whose labels no head saw."
    )
    columns = ("test", "n", "macro-F1 (95 %)", "accuracy (95 %)", "floor", "ECE", "teacher: macro-F1", "accuracy")
    return Table("Folds, artists and sources", note, columns, tuple(rows))


def unseen_table(student: Predictions, seen: set[str]) -> Table:
    """Return artist-grouped accuracy on clips whose sound the backbone learned from, and on the others."""
    grouped = student.where(student.protocol == Protocol.ARTIST_GROUPED)
    is_seen = np.isin(grouped.clip, list(seen))
    rows = []
    for dataset in dict.fromkeys(grouped.dataset):
        here = grouped.dataset == dataset
        if not (here & is_seen).any() or not (here & ~is_seen).any():
            continue
        parts = [score_by_dataset(grouped.where(here & part))[str(dataset)] for part in (is_seen, ~is_seen)]
        cells = [(part.n, figure(part.macro_f1, part.macro_f1_interval)) for part in parts]
        rows.append((str(dataset), *cells[0], *cells[1]))
    note = "Artist-grouped folds. Were the hearing worth much, the first figure would be higher than the second."
    columns = ("source", "n heard", "macro-F1, heard (95 %)", "n unheard", "macro-F1, unheard (95 %)")
    return Table("Does it matter that the backbone heard a clip?", note, columns, tuple(rows))


def seed_table(seeds: Sequence[dict[str, Any]]) -> Table:
    """Return the held-out macro-F1 of each head."""
    names = list(seeds[0]["test"])
    scores = [[float(each["test"][name]["macro_f1"]) for name in names] for each in seeds]
    rows = [
        (f"{each['seed']}{' (shipped)' if each['kept'] else ''}", float(each["validation_loss"]), *row)
        for each, row in zip(seeds, scores, strict=True)
    ]
    deviations = np.std(scores, axis=0, ddof=1) if len(seeds) > 1 else np.zeros(len(names))
    spreads = (f"{mean:.3f} ± {spread:.3f}" for mean, spread in zip(np.mean(scores, axis=0), deviations, strict=True))
    note = "Macro-F1 on the held-out artists. The head with the lowest validation loss is shipped. One backbone."
    columns = ("seed", "validation loss", *names)
    return Table("Seeds of the head", note, columns, (*rows, ("mean ± standard deviation", None, *spreads)))


def axis_table(student: Predictions) -> Table:
    """Return how well valence and arousal follow the ratings: of their own output, and projected from probabilities."""
    rows = []
    for protocol in (Protocol.HELD_OUT, Protocol.ARTIST_GROUPED, Protocol.LEAVE_ONE_SOURCE_OUT):
        chosen = student.where((student.protocol == protocol) & ~np.isnan(student.valence_true))
        if not len(chosen):
            continue
        projections = points_of(chosen.probabilities.astype(np.float64), None)
        for axis, projection in zip(("valence", "arousal"), projections, strict=True):
            rated = getattr(chosen, f"{axis}_true")
            output, projected = (
                score_axis(rated, values, chosen.artist) for values in (getattr(chosen, axis), projection)
            )
            figures = (output.r2, output.ccc, output.rmse, projected.r2, projected.ccc, output.floor_rmse)
            rows.append((f"{axis}, {protocol.replace('_', ' ')}", output.n, *figures))
    note = (
        "Ratings of Emotion in Music and DEAM, -1 to 1. R² and CCC (concordance) of the network's own output, then of "
        "the projection of the four probabilities; root mean square error beside that of the mean rating."
    )
    columns = ("axis", "n", "R²", "CCC", "RMSE", "R² projected", "CCC projected", "RMSE of the mean")
    return Table("Valence and arousal", note, columns, tuple(rows))
