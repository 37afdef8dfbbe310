"""What is fitted inside a training fold before the loop, or in its place: closed forms, pre-training, synthesis.

Nothing here looks at other clips than those that the fold trains on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from catalog.core.files import digest, write_atomic
from emotion.inference.checkpoint import SHIPPED_DIR
from emotion.inference.checkpoint import load as load_checkpoint
from emotion.inference.predict import Features
from emotion.zoo.frontends import Chunked, FrontEnd
from emotion.zoo.louro_autoencoder import Autoencoder, AutoencoderConfig, LouroAutoencoderRf
from emotion.zoo.louro_cnn import LouroCnn
from emotion.zoo.louro_crnn_transfer import LouroCrnnTransfer
from emotion.zoo.louro_embeddings_rf import LouroEmbeddingsRf
from emotion.zoo.louro_hybrid import LouroHybrid
from emotion.zoo.registry import FrozenNetwork, HeadedNetwork, Network, create_model
from emotion.zoo.svm import Svm
from emotion.zoo.tagger_svm import TaggerSvm
from training.data.augment import AugmentConfig, augment
from training.data.cache import content_digest
from training.data.splits import Rows, linked_groups
from training.datasets import Clip
from training.fit.loop import ClipSet, Drawn, Start, work_clock
from training.recipes.zoo.data import clip_set
from training.recipes.zoo.systems import ZooError, ZooSystem
from training.recipes.zoo.tuned_svm import fit_svm

_CPU = torch.device("cpu")
_BATCH = 32


@dataclass(frozen=True, slots=True)
class FoldData:
    """One training fold of a system."""

    system: ZooSystem
    clips: Sequence[Clip]
    data: ClipSet
    rows: NDArray[np.int64]  # Of the clips that train.
    groups: NDArray[np.int64]  # `(len(clips),)`, equal for clips that stay on one side.
    seed: int
    work_dir: Path
    data_root: Path
    device: torch.device = _CPU
    seconds: float = math.inf  # Of the processor, after which a stage that learns ends with its epoch.

    @property
    def each(self) -> FrontEnd:
        """The front end of one place."""
        return self.system.front_end.of_a_chunk

    @property
    def quadrants(self) -> Tensor:
        """The quadrants `(n,)` of the training clips, 0 to 3."""
        return torch.from_numpy(self.data.targets[self.rows]).argmax(dim=1)

    def inputs(self, place: int | None = None) -> Tensor:
        """Return the network inputs `(n, *input_shape)` of one place of the training clips; None is the middle."""
        places = np.full_like(self.rows, self.data.inputs.shape[1] // 2 if place is None else place)
        return self.each.tensor(self.data.batch(self.rows, places, _CPU))

    def batches(
        self, epoch: int, batch_size: int, data: ClipSet, change: Callable[[Tensor], Tensor]
    ) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
        """Yield positions in `rows` and network inputs on the device, a random place of each clip, changed."""
        rng = np.random.default_rng((self.seed, epoch))
        order = rng.permutation(len(self.rows))
        for start in range(0, len(order) - 1, batch_size):
            part = order[start : start + batch_size]
            places = rng.integers(data.inputs.shape[1], size=len(part))
            yield part, self.each.tensor(change(data.batch(self.rows[part], places, self.device, training=True)))


Stage = Callable[[Network, FoldData, Mapping[str, Any]], Start]


def fold_start(
    system: ZooSystem,
    clips: Sequence[Clip],
    data: ClipSet,
    duplicates: Sequence[int],
    rows: Rows,
    seed: int,
    work_dir: Path,
    data_root: Path,
    device: torch.device = _CPU,
    seconds: float = math.inf,
) -> Start:
    """Return a fold as the loop takes it over; a network without trainable parameters is fitted already.

    A stage that learns takes at most half of the `seconds` of a fold where the loop follows, else all of them.

    Raises:
        ZooError: The system names a stage that is not known, or one that does not fit its network.
    """
    torch.manual_seed(seed)
    network = create_model(system.member.name, system.network)
    if any(parameter.requires_grad for parameter in network.parameters()):
        seconds /= 2
    groups = linked_groups(clips, duplicates)
    fold = FoldData(system, clips, data, rows.train, groups, seed, work_dir, data_root, device, seconds)
    options = dict(system.before)
    name = options.pop("stage", "fitted" if hasattr(network, "fit") else "")
    if not name:
        return Start(network)
    if name not in STAGES:
        raise ZooError(f"{system.name} wants the stage {name!r}; known are {', '.join(STAGES)}.")
    if strange := sorted(options.keys() - OPTIONS[name]):
        raise ZooError(f"{system.name}: the stage {name!r} has no option {', '.join(strange)}.")
    try:
        return STAGES[name](network, fold, options)
    except KeyError as error:
        raise ZooError(f"{system.name}: the stage {name!r} lacks {error}.") from error


def _fitted(network: Network, fold: FoldData, _: Mapping[str, Any]) -> Start:
    """Fit a network that has a closed form."""
    fit: Callable[[Tensor, Tensor], None] = network.fit  # type: ignore[assignment]
    fit(fold.inputs(), fold.quadrants)
    return Start(network)


def _fitted_to_frozen(network: FrozenNetwork, fold: FoldData) -> Start:
    """Fit what is above a network that is the same in every fold; its features of all clips are computed once."""
    weights = [value.numpy().tobytes() for value in network.state_dict().values()]
    audio = [content_digest(clip.audio) for clip in fold.clips]
    name = digest(b"".join([*weights, *audio, repr(fold.each).encode()]))[:16]
    file = fold.work_dir / "zoo" / f"frozen-{fold.system.member.name}-{name}.npy"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        features = Features(network, fold.each.input_shape, fold.device)
        rows = np.array_split(np.arange(len(fold.clips)), math.ceil(len(fold.clips) / _BATCH))
        parts = []
        for part in tqdm(rows, "features", leave=False, mininterval=5):
            inputs = fold.data.batch(part, np.zeros_like(part), _CPU)
            parts.append(features(fold.each.tensor(inputs)).cpu().numpy())
        write_atomic(file, partial(np.save, arr=np.concatenate(parts)))
    found = np.load(file)
    network.fit_features(torch.from_numpy(found[fold.rows]), fold.quadrants, fold.groups[fold.rows])

    @torch.inference_mode()
    def outputs_of(rows: NDArray[np.int64]) -> tuple[NDArray[np.float32], ...]:
        return tuple(each.float().numpy() for each in network.judge(torch.from_numpy(found[rows])))

    return Start(network, outputs_of=outputs_of)


def _imagenet(network: Network, fold: FoldData, options: Mapping[str, Any]) -> Start:
    """Start the backbone from ImageNet weights; `file` names a state dict."""
    if not isinstance(network, HeadedNetwork):
        raise _misfit(fold, "imagenet")
    network.load_imagenet(Path(options["file"]) if "file" in options else None)
    return Start(network)


def _shipped(network: Network, fold: FoldData, options: Mapping[str, Any]) -> Start:
    """Take the networks of a shipped checkpoint, and fit the head anew."""
    shipped, _ = load_checkpoint(SHIPPED_DIR / f"{options['version']}.safetensors")
    network.load_state_dict(shipped.state_dict())
    if not isinstance(network, FrozenNetwork):
        raise _misfit(fold, "shipped")
    return _fitted_to_frozen(network, fold)


def _svm(network: Network, fold: FoldData, options: Mapping[str, Any]) -> Start:
    """Rank the features, tune C and gamma, and fit."""
    if not isinstance(network, Svm):
        raise _misfit(fold, "svm")
    fit_svm(network, fold.inputs(), fold.quadrants, groups=fold.groups[fold.rows], seed=fold.seed, **options)
    return Start(network)


def _tagger(network: Network, fold: FoldData, options: Mapping[str, Any]) -> Start:
    """Start from public taggers, `weights` in the folder of the data sets."""
    if not isinstance(network, LouroCrnnTransfer | LouroEmbeddingsRf | TaggerSvm):
        raise _misfit(fold, "tagger")
    network.load_taggers([fold.data_root / file for file in options["weights"]])
    return _fitted_to_frozen(network, fold) if isinstance(network, FrozenNetwork) else Start(network)


def _autoencoder(network: Network, fold: FoldData, options: Mapping[str, Any]) -> Start:
    """Train an autoencoder on the clips, without labels, then fit the forest to its codes of every place."""
    if not isinstance(network, LouroAutoencoderRf):
        raise _misfit(fold, "autoencoder")
    autoencoder = Autoencoder(network.config.autoencoder)
    facts = _learn(autoencoder, fold, options, lambda _, inputs: autoencoder.losses(inputs).mean())
    network.encoder.load_state_dict(autoencoder.encoder.state_dict())
    network.eval()
    places = range(fold.data.inputs.shape[1])
    with torch.inference_mode():
        codes = [network.features(part) for place in places for part in fold.inputs(place).split(_BATCH)]
        network.fit_features(torch.cat(codes), fold.quadrants.repeat(len(places)))
    return Start(network, facts=facts)


def _artists(network: Network, fold: FoldData, options: Mapping[str, Any]) -> Start:
    """Learn to tell the artists of the training clips apart, then give the network a new last layer."""
    if not isinstance(network, LouroCnn):
        raise _misfit(fold, "artists")
    names = np.array([fold.clips[row].artist for row in fold.rows])
    known, counts = np.unique(names, return_counts=True)
    several = known[counts >= options["least_clips"]]
    numbers = torch.from_numpy(np.array([np.searchsorted(several, name) if name in several else -1 for name in names]))
    recogniser = nn.Linear(network.classifier.in_features, max(2, len(several)))

    def loss(part: NDArray[np.int64], inputs: Tensor) -> Tensor:
        truth = numbers[torch.from_numpy(part)].to(inputs.device)
        said = recogniser(network.dropout(network.trunk(inputs)))
        # Clips of artists with too few of them have no class.
        return functional.cross_entropy(said, truth, ignore_index=-1, reduction="sum") / max(1, int((truth >= 0).sum()))

    facts = _learn(nn.ModuleList([network, recogniser]), fold, options, loss)
    return Start(network, facts=facts)


def _hybrid(network: Network, fold: FoldData, options: Mapping[str, Any]) -> Start:
    """Train the convolutions alone on changed copies of the clips, before all is trained together."""
    if not isinstance(network, LouroHybrid):
        raise _misfit(fold, "hybrid")
    changes = dict(options.get("augment", {}))
    masks = replace(AugmentConfig.off(), mask_chance=changes.pop("tfm", {"chance": 0.0})["chance"])
    whole, mel = fold.system.front_end, fold.each.image
    assert mel is not None
    # The features of a changed waveform, which take a second a clip, have no part in it.
    image: FrontEnd = replace(whole, each=mel) if isinstance(whole, Chunked) else mel
    fold = replace(fold, system=replace(fold.system, front_end=image))
    changed = clip_set(fold.clips, image, changes, fold.work_dir / "zoo")
    head = nn.Linear(network.config.channels[-1], 4)
    quadrants = fold.quadrants

    def masked(prepared: Tensor) -> Tensor:
        return augment(prepared.reshape(-1, 1, *mel.prepared_shape), masks, range_db=mel.range_db, mel=mel)

    def loss(part: NDArray[np.int64], inputs: Tensor) -> Tensor:
        truth = quadrants[torch.from_numpy(part)].to(inputs.device)
        return functional.cross_entropy(head(network.trunk(inputs)), truth)

    facts = _learn(nn.ModuleList([network.trunk, head]), fold, options, loss, changed, masked)
    return Start(network, facts=facts)


@dataclass(frozen=True, slots=True)
class SyntheticSegments:
    """Training inputs of which some are samples that were synthesised for the quadrant of the clip.

    A draw for a clip is one of its segments or, with the chance of synthetic samples among all, a synthetic one.
    """

    real: Drawn
    synthetic: Mapping[int, NDArray[np.float16]]  # By quadrant, 0 to 3: `(n, *prepared_shape)`.
    quadrants: NDArray[np.int64]  # `(n_clips,)`.
    share: float

    @property
    def shape(self) -> tuple[int, ...]:
        return self.real.shape

    def __getitem__(self, key: Any, /) -> NDArray[Any]:
        rows, places = key
        drawn = np.array(self.real[rows, places], np.float32)
        rng = np.random.default_rng(int(torch.randint(2**62, ())))
        for i in np.flatnonzero(rng.random(len(rows)) < self.share):
            samples = self.synthetic[int(self.quadrants[rows[i]])]
            drawn[i] = samples[rng.integers(len(samples))]
        return drawn


def _deepsmote(network: Network, fold: FoldData, options: Mapping[str, Any]) -> Start:
    """Synthesise samples between neighbours of a quadrant in the codes of an autoencoder.

    Half of its loss is for the codes of a batch of one quadrant in another order, decoded: an image is to be like
    others of its quadrant.

    Source: Dablain, Krawczyk and Chawla (2021), DeepSMOTE, section III.
    """
    size = fold.each.input_shape[1:]
    autoencoder = Autoencoder(AutoencoderConfig(image_size=(size[0], size[1])))
    quadrants, rng = fold.quadrants, np.random.default_rng(fold.seed)

    def loss(part: NDArray[np.int64], inputs: Tensor) -> Tensor:
        same = torch.from_numpy(np.flatnonzero(quadrants[torch.from_numpy(part)].numpy() == rng.integers(4)))
        penalty = inputs.new_zeros(())
        if len(same) > 1:
            chosen = inputs[same]
            decoded = autoencoder.decoder(autoencoder.encoder(chosen).roll(1, dims=0))
            penalty = (decoded - chosen).square().mean()
        return autoencoder.losses(inputs).mean() + penalty

    facts = _learn(autoencoder, fold, options, loss)
    synthetic = {}
    inputs, share = fold.inputs(), float(options["samples_share"])
    with torch.inference_mode():
        codes = torch.cat([autoencoder.encoder(part) for part in inputs.split(_BATCH)])
        for quadrant in range(4):
            own = codes[quadrants == quadrant]
            between = _between(own.numpy(), int(options["neighbours"]), max(1, round(share * len(own))), rng)
            decoded = [autoencoder.decoder(part) for part in torch.from_numpy(between).split(_BATCH)]
            synthetic[quadrant] = _prepared(torch.cat(decoded), fold.data.inputs.shape[2:])
    truth = fold.data.targets.argmax(axis=1)
    mixed = SyntheticSegments(fold.data.inputs, synthetic, truth, share / (1 + share))  # type: ignore[arg-type]
    return Start(network, mixed, facts)


def _between(codes: NDArray[np.float32], neighbours: int, n: int, rng: np.random.Generator) -> NDArray[np.float32]:
    k = min(neighbours, len(codes) - 1)
    near = NearestNeighbors(n_neighbors=k + 1).fit(codes).kneighbors(codes, return_distance=False)[:, 1:]
    chosen = rng.integers(len(codes), size=n)
    other = near[chosen, rng.integers(k, size=n)]
    return np.asarray(codes[chosen] + rng.random((n, 1), np.float32) * (codes[other] - codes[chosen]))


def _prepared(inputs: Tensor, shape: Sequence[int]) -> NDArray[np.float16]:
    # Back from network inputs of three frames in a column's channels to an image in [0, 1].
    image = inputs.permute(0, 2, 3, 1).reshape(-1, *shape) * 0.25 + 0.5
    return np.asarray(image.clamp(0, 1).numpy().astype(np.float16))


def _learn(
    module: nn.Module,
    fold: FoldData,
    options: Mapping[str, Any],
    loss: Callable[[NDArray[np.int64], Tensor], Tensor],
    data: ClipSet | None = None,
    change: Callable[[Tensor], Tensor] = lambda prepared: prepared,
) -> dict[str, Any]:
    """Train a module for the epochs of a stage or as many as there is time for, and return how many those were."""
    clock = work_clock(fold.device)
    begun, epoch = clock(), 0
    module.to(fold.device).train()
    optimiser = torch.optim.Adam(module.parameters(), lr=options["learning_rate"])
    for epoch in range(1, options["epochs"] + 1):
        for part, inputs in fold.batches(epoch, options.get("batch_size", _BATCH), data or fold.data, change):
            optimiser.zero_grad(set_to_none=True)
            loss(part, inputs).backward()
            optimiser.step()
        if clock() - begun > fold.seconds:
            break
    module.to(_CPU).eval()
    return {"before_epochs": epoch}


def _misfit(fold: FoldData, stage: str) -> ZooError:
    return ZooError(f"{fold.system.name} asks for the stage {stage!r}, which {fold.system.member.name} cannot have.")


STAGES: dict[str, Stage] = {
    "fitted": _fitted,
    "imagenet": _imagenet,
    "shipped": _shipped,
    "svm": _svm,
    "tagger": _tagger,
    "autoencoder": _autoencoder,
    "artists": _artists,
    "hybrid": _hybrid,
    "deepsmote": _deepsmote,
}
_LEARNING = {"learning_rate", "epochs", "batch_size"}
# By the name of a stage: what `[before]` may set.
OPTIONS: dict[str, set[str]] = {
    "fitted": set(),
    "imagenet": {"file"},
    "shipped": {"version"},
    "svm": {"evaluations"},
    "tagger": {"weights"},
    "autoencoder": _LEARNING,
    "artists": {"least_clips", *_LEARNING},
    "hybrid": {"augment", *_LEARNING},
    "deepsmote": {"neighbours", "samples_share", *_LEARNING},
}
