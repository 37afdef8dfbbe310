"""What a model's card says, and its scores on its own held-out clips."""

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
from training.data.splits import PARTS, Fold, Folds, Protocol, SplitError
from training.datasets import DATASETS, Clip
from training.evaluation.dataset_probe import probe_run
from training.evaluation.metrics import Scores, score_axis, score_by_dataset
from training.evaluation.predictions import Predictions
from training.evaluation.report.table import Table, figure
from training.evaluation.report.tables import probe_table
from training.fit.run_folder import SPLITS
from training.recipes.distilled_b3.config import FlagshipConfig
from training.recipes.distilled_b3.features import Material, load_clips


def evaluate(
    weights: Path,
    *,
    data_root: Path,
    work_dir: Path,
    engine: str,
    device: str,
    say: Callable[[str], None],
    keep: Path | None = None,
) -> dict[str, Scores]:
    """Score a checkpoint on its own held-out clips, from audio files through the serving code.

    Args:
        weights: A checkpoint of `run`; its card says which clips it never saw.
        data_root: Folder of the datasets.
        work_dir: Where rendered audio is kept.
        engine: As in `emotion.inference.engines.make_engine`.
        device: As in `emotion.inference.engines.make_engine`.
        say: Receives warnings.
        keep: Where what was said of each clip is written, for comparisons to come.

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
    said = served(predictor, [clips[i] for i in rows.test], say)
    if keep is not None:
        said.save(keep)
    return score_by_dataset(said)


def saved_folds(weights: Path, facts: Mapping[str, Any]) -> Folds | None:
    """Return who trained, validated and tested a model, from beside its weights; None where no ids lie there.

    Raises:
        training.data.splits.SplitError: The ids are not those of the card's hash.
    """
    places = (weights.with_suffix(f".{SPLITS}"), weights.parent / SPLITS)
    path = next((path for path in places if path.is_file()), None)
    folds = Folds.load(path) if path else None
    if folds and not folds.is_named(facts["split"]["sha256"]):
        raise SplitError(f"{path} is not the split that the card of {weights.name} names: the two are of two models.")
    return folds


def served(predictor: Predictor, clips: list[Clip], say: Callable[[str], None]) -> Predictions:
    """Return what the serving code says of labelled clips; one that cannot be read is left out, and said so."""
    kept: list[tuple[Clip, Prediction]] = []
    results = predictor.predict([clip.audio for clip in clips])
    for clip, result in tqdm(zip(clips, results, strict=True), total=len(clips), desc="clips", mininterval=5):
        if isinstance(result, AudioUnreadableError):
            say(f"{clip.id}: {result}")
        else:
            kept.append((clip, result))
    probabilities = np.stack([result.probabilities for _, result in kept])
    valence, arousal = np.array([(result.valence, result.arousal) for _, result in kept]).T
    return Predictions.of_clips(
        [clip for clip, _ in kept],
        protocol=Protocol.HELD_OUT,
        fold=0,
        logits=np.log(np.maximum(probabilities, 1e-12)).astype(np.float32) * np.float32(predictor.card.temperature),
        probabilities=probabilities,
        points=(valence, arousal),
        embeddings=np.stack([result.embedding for _, result in kept]),
    )


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


def facts_of(
    config: FlagshipConfig,
    material: Material,
    dealt: Sequence[Folds],
    *,
    said: Predictions,
    taught: Predictions,
    seeds: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    """Return the facts of a model's card.

    Args:
        config: The run.
        material: All clips.
        dealt: Folds of every protocol; on the first, the held-out one, the weights were fitted and tested.
        said: All predictions of the student.
        taught: Those of the teacher, on the same rows.
        seeds: Scores of each head that was fitted on the held-out split.
    """
    [held_out] = dealt[0].folds
    here = {
        name: said.where(said.protocol == Protocol.HELD_OUT) for said, name in ((said, "model"), (taught, "teacher"))
    }
    return {
        "method": METHOD,
        "datasets": {
            name: {"clips": int(np.sum(material.sources == name)), "licence": licence_of(name)}
            for name in dict.fromkeys(material.sources)
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
            for who, rows in here.items()
        },
        "limits": list(LIMITS),
        "tables": [table.to_json() for table in tables(said, taught, held_out, seeds)],
        "config": asdict(config),
    }


def licence_of(name: str) -> str:
    """Return a dataset's licence as stated at its source."""
    return DATASETS[name].licence if name in DATASETS else "of the people of this installation; stays here"


def tables(said: Predictions, taught: Predictions, held_out: Fold, seeds: Sequence[dict[str, Any]]) -> list[Table]:
    """Return the tables of a card."""
    found = [seed_table(seeds)]
    if (said.protocol != Protocol.HELD_OUT).any():
        found.append(protocol_table(said, taught))
        found.append(unheard_table(said, {*held_out.train, *held_out.validation}))
    found.append(axis_table(said))
    # With one source, or few artists in the test, there is nothing to tell apart.
    with suppress(ValueError):
        found.append(probe_table(probe_run(said.where(said.protocol == Protocol.HELD_OUT))))
    return found


def protocol_table(said: Predictions, taught: Predictions) -> Table:
    """Return macro-F1 and accuracy by source and protocol, the teacher's beside the model's."""
    rows = []
    for dataset in dict.fromkeys(said.dataset):
        for protocol, title in _PROTOCOLS.items():
            chosen = (said.dataset == dataset) & (said.protocol == protocol)
            if not chosen.any():
                continue
            mine, theirs = (score_by_dataset(table.where(chosen))[str(dataset)] for table in (said, taught))
            rows.append(
                (
                    f"{dataset}, {title}",
                    mine.n,
                    figure(mine.macro_f1, mine.macro_f1_interval),
                    figure(mine.accuracy, mine.accuracy_interval),
                    mine.floor_accuracy,
                    mine.ece,
                    figure(theirs.macro_f1, theirs.macro_f1_interval),
                    theirs.accuracy,
                )
            )
    note = (
        "Five folds, or one per source. The head and the teacher were fitted anew in every fold; the backbone was not: "
        "it learned from the sound, never from a label, of seven tenths of these clips. What that is worth is the next "
        "table. A source left out is one whose labels no head saw."
    )
    columns = ("test", "n", "macro-F1 (95 %)", "accuracy (95 %)", "floor", "ECE", "teacher: macro-F1", "accuracy")
    return Table("Folds, artists and sources", note, columns, tuple(rows))


def unheard_table(said: Predictions, heard: set[str]) -> Table:
    """Return artist-grouped accuracy on clips whose sound the backbone learned from, and on those it never heard."""
    grouped = said.where(said.protocol == Protocol.ARTIST_GROUPED)
    is_heard = np.isin(grouped.clip, list(heard))
    rows = []
    for dataset in dict.fromkeys(grouped.dataset):
        here = grouped.dataset == dataset
        if not (here & is_heard).any() or not (here & ~is_heard).any():
            continue
        parts = [score_by_dataset(grouped.where(here & part))[str(dataset)] for part in (is_heard, ~is_heard)]
        cells = [(part.n, figure(part.macro_f1, part.macro_f1_interval)) for part in parts]
        rows.append((str(dataset), *cells[0], *cells[1]))
    note = "Artist-grouped folds. Were the hearing worth much, the first figure would be higher than the second."
    columns = ("source", "n heard", "macro-F1, heard (95 %)", "n unheard", "macro-F1, unheard (95 %)")
    return Table("Does it matter that the backbone heard a clip?", note, columns, tuple(rows))


def seed_table(seeds: Sequence[dict[str, Any]]) -> Table:
    """Return the held-out macro-F1 of each head."""
    names = list(seeds[0]["test"])
    rows = [
        (
            f"{each['seed']}{' (shipped)' if each['kept'] else ''}",
            float(each["validation_loss"]),
            *(float(each["test"][name]["macro_f1"]) for name in names),
        )
        for each in seeds
    ]
    spreads = (_spread([each["test"][name]["macro_f1"] for each in seeds]) for name in names)
    spread = ("mean ± standard deviation", None, *spreads)
    note = "Macro-F1 on the held-out artists. The head with the lowest validation loss is shipped. One backbone."
    return Table("Seeds of the head", note, ("seed", "validation loss", *names), (*rows, spread))


def _spread(values: Sequence[float]) -> str:
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1) if len(values) > 1 else 0:.3f}"


def axis_table(said: Predictions) -> Table:
    """Return how well valence and arousal follow the ratings: of their own output, and projected from probabilities."""
    rows = []
    for protocol in (Protocol.HELD_OUT, Protocol.ARTIST_GROUPED, Protocol.LEAVE_ONE_SOURCE_OUT):
        chosen = said.where((said.protocol == protocol) & ~np.isnan(said.valence_true))
        if not len(chosen):
            continue
        projected = points_of(chosen.probabilities.astype(np.float64), None)
        for axis, other in zip(("valence", "arousal"), projected, strict=True):
            rated = getattr(chosen, f"{axis}_true")
            own, by_projection = (score_axis(rated, found, chosen.artist) for found in (getattr(chosen, axis), other))
            name = f"{axis}, {protocol.replace('_', ' ')}"
            figures = (own.r2, own.ccc, own.rmse, by_projection.r2, by_projection.ccc, own.floor_rmse)
            rows.append((name, own.n, *figures))
    note = (
        "Ratings of Emotion in Music and DEAM, -1 to 1. R² and CCC (concordance) of the network's own output, then of "
        "the projection of the four probabilities; root mean square error beside that of the mean rating."
    )
    columns = ("axis", "n", "R²", "CCC", "RMSE", "R² projected", "CCC projected", "RMSE of the mean")
    return Table("Valence and arousal", note, columns, tuple(rows))
