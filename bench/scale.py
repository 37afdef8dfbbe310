"""How the song index grows: build time, memory, search times and recall, against a plain scan and against hnswlib.

Run: python bench/scale.py [sizes] [--no-hnsw], such as python bench/scale.py 10000 100000 1000000. Everything is
measured in this run, each build and each reader in a process of its own. hnswlib is compared with if it is installed
(pip install hnswlib; it has no wheel, so it wants a compiler). bench/scale_rows.py measures whole playlists.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from numpy.typing import NDArray

from bench.scale_songs import made_query, made_songs
from recommender.index.songs import Form, IndexInfo, SongIndex, TableWriter, lift
from recommender.index.versions import load, publish_staged, staging
from tests.recommender.made_songs import best, like_song

K = 50
POOL = 400
# Nobody known; a listener of a few ratings; a usual one; one that differs twice as far as usual.
LISTENERS = (0.0, 0.5, 1.0, 2.0)
QUERIES_EACH = 50
HNSW = {"M": 16, "ef_construction": 100}
HNSW_EF = 800


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", nargs="*", type=int, default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--no-hnsw", action="store_true", help="Leave hnswlib out: its build takes longest.")
    parser.add_argument("--step", choices=["build", "search", "hnsw"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.step:
        step: Callable[[Path, int], dict[str, Any]] = {"build": built, "search": searched, "hnsw": hnsw}[asked.step]
        print(json.dumps(step(asked.folder, asked.sizes[0])))
        return
    steps = ["build", "search"] if asked.no_hnsw else ["build", "search", "hnsw"]
    for size in asked.sizes:
        with tempfile.TemporaryDirectory() as folder:
            figures: dict[str, Any] = {}
            for step_name in steps:
                figures |= _in_a_process(step_name, folder, size)
            _say(size, figures)


def built(folder: Path, n_songs: int) -> dict[str, Any]:
    """Build and publish an index, the table staged on disk as `index_rebuild` does it."""
    with staging(folder) as place:
        with TableWriter(place, 64) as writer:
            for part in made_songs(n_songs):
                writer.add(part)
        table = writer.mapped()
        begun = time.perf_counter()
        places = np.memmap(place / "places.bin", "<f4", "w+", shape=(n_songs, 10))
        index = SongIndex.build(table, IndexInfo(), places)
        build_s = time.perf_counter() - begun
        info = publish_staged(index, place, folder)
    size = sum(path.stat().st_size for path in (folder / f"songs-{info.index_version}").iterdir())
    return {"build_s": build_s, "build_peak_mb": _peak_mb(), "files_mb": size / 2**20}


def searched(folder: Path, n_songs: int) -> dict[str, Any]:
    """Open the published index as a web worker does, and search it."""
    _one_thread()
    before = _memory_mb()
    index = load(folder)
    queries = _queries(index)
    times = _times_ms(lambda query: best(index, query, POOL), queries)
    liked = np.random.default_rng(9).integers(1, n_songs + 1, 100).tolist()
    alike = _times_ms(lambda song_id: like_song(index, song_id, K), liked)
    after = _memory_mb()
    rock = index.table.matching(genre="genre 3")
    narrow = index.table.matching(genre="genre 3", decade=1990)
    figures = {
        "reader_private_mb": after["private"] - before["private"],
        "reader_mapped_mb": after["mapped"] - before["mapped"],
        "felt": _quantiles(times),
        "alike": _quantiles(alike),
        "genre": _quantiles(_times_ms(lambda query: best(index, query, POOL, allowed=rock), queries)),
        "recall_alike": _alike_recall(index, liked[:40]),
        "recall_genre": _recall(index, queries, rock),
        "recall_genre_decade": _recall(index, queries, narrow),
        "scan": _quantiles(_times_ms(lambda query: _scan(index, query, POOL), queries)),
    }
    for differs, some in zip(LISTENERS, _by_listener(queries), strict=True):
        figures[f"recall_{differs:g}"] = _recall(index, some)
    return figures


def hnsw(folder: Path, n_songs: int) -> dict[str, Any]:
    """Build hnswlib's graphs over the same songs, lifted and as they sound, and ask them the same questions."""
    try:
        import hnswlib
    except ImportError:
        return {"hnsw_missing": True}
    index = load(folder)
    queries = [(query, Form.of(query, index.basis).lifted()) for query in _queries(index)]
    liked = np.random.default_rng(9).integers(1, n_songs + 1, 100).tolist()
    about_felt = _asked_graph(hnswlib, lambda rows: lift(np.asarray(index.places[rows])), n_songs, queries, POOL)
    embeddings = index.table.embeddings
    sounds = [(song_id, embeddings[song_id - 1]) for song_id in liked]
    about_alike = _asked_graph(hnswlib, lambda rows: embeddings[rows], n_songs, sounds, K + 1)
    felt_hits = [
        np.isin(_scan(index, query, K), rows).mean()
        for (query, _), rows in zip(queries, about_felt["rows"], strict=True)
    ]
    alike_hits = [
        np.isin(_alike_exact(index, song_id), rows).mean()
        for (song_id, _), rows in zip(sounds, about_alike["rows"], strict=True)
    ]
    for figures, hits in ((about_felt, felt_hits), (about_alike, alike_hits)):
        figures["recall"] = float(np.mean(hits))
        del figures["rows"]
    return {"hnsw_felt": about_felt, "hnsw_alike": about_alike, "hnsw_peak_mb": _peak_mb()}


def _asked_graph(
    hnswlib: Any,
    values: Callable[[slice], NDArray[np.float32]],
    n_songs: int,
    asked: list[tuple[Any, NDArray[np.float32]]],
    k: int,
) -> dict[str, Any]:
    begun = time.perf_counter()
    graph = hnswlib.Index(space="ip", dim=values(slice(0, 1)).shape[1])
    graph.init_index(max_elements=n_songs, **HNSW)
    for start in range(0, n_songs, 65_536):
        rows = slice(start, min(start + 65_536, n_songs))
        graph.add_items(values(rows), np.arange(rows.start, rows.stop))
    build_s = time.perf_counter() - begun
    graph.set_ef(HNSW_EF)
    graph.set_num_threads(1)
    found = [graph.knn_query(vector[None], k=k)[0][0] for _, vector in asked]
    times = _times_ms(lambda each: graph.knn_query(each[1][None], k=k), asked)
    return {"build_s": build_s, "times": _quantiles(times), "rows": found}


def _queries(index: SongIndex) -> list[Any]:
    rng = np.random.default_rng(5)
    return [made_query(index, rng, differs) for differs in LISTENERS for _ in range(QUERIES_EACH)]


def _by_listener(queries: list[Any]) -> list[list[Any]]:
    return [queries[n : n + QUERIES_EACH] for n in range(0, len(queries), QUERIES_EACH)]


def _scan(index: SongIndex, query: Any, k: int, allowed: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
    """Return the best rows by scoring every song in numpy."""
    scores = Form.of(query, index.basis).scores(index.places)
    if allowed is not None:
        scores[~allowed] = -np.inf
    k = min(k, len(scores) - 1)
    return np.argpartition(-scores, k)[:k]


def _recall(index: SongIndex, queries: list[Any], allowed: NDArray[np.bool_] | None = None) -> float:
    """Return the mean share of the exact `K` best that are in the pool of `POOL`."""
    shares = []
    for query in queries:
        k = K if allowed is None else min(K, int(allowed.sum()))
        exact = _scan(index, query, k, allowed)
        shares.append(np.isin(exact, best(index, query, POOL, allowed=allowed).rows).mean())
    return float(np.mean(shares))


def _alike_recall(index: SongIndex, song_ids: list[int]) -> float:
    return float(
        np.mean([np.isin(_alike_exact(index, each), like_song(index, each, K).rows).mean() for each in song_ids])
    )


def _alike_exact(index: SongIndex, song_id: int) -> NDArray[np.int64]:
    cosines = index.table.embeddings @ index.table.embeddings[song_id - 1]
    cosines[song_id - 1] = -2
    return np.argpartition(-cosines, K)[:K]


def _times_ms(ask: Callable[[Any], object], asked: list[Any]) -> list[float]:
    ask(asked[0])
    times = []
    for each in asked:
        begun = time.perf_counter()
        ask(each)
        times.append(1000 * (time.perf_counter() - begun))
    return times


def _quantiles(times: list[float]) -> tuple[float, float]:
    return float(np.median(times)), float(np.quantile(times, 0.99))


def _one_thread() -> None:
    import faiss

    faiss.omp_set_num_threads(1)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _memory_mb() -> dict[str, float]:
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {name: int(lines[key].split()[0]) / 1024 for name, key in (("private", "RssAnon"), ("mapped", "RssFile"))}


def _in_a_process(step: str, folder: str, size: int) -> dict[str, Any]:
    command = [sys.executable, __file__, str(size), "--step", step, "--folder", folder]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _say(size: int, figures: dict[str, Any]) -> None:
    felt, scan, alike = figures["felt"], figures["scan"], figures["alike"]
    private, mapped = figures["reader_private_mb"], figures["reader_mapped_mb"]
    recalls = ", ".join(f"{differs:g} sd {figures[f'recall_{differs:g}']:.4f}" for differs in LISTENERS)
    print(f"\n{size:,} songs")
    build_s, peak_mb, files_mb = (figures[name] for name in ("build_s", "build_peak_mb", "files_mb"))
    print(f"  build {build_s:.1f} s, peak {peak_mb:.0f} MB, files {files_mb:.0f} MB")
    print(f"  a reader: {private:.0f} MB of its own, {mapped:.0f} MB mapped, which readers share")
    print(f"  the {POOL} best for a listener: {_shown(felt)}")
    print(f"    of one genre: {_shown(figures['genre'])}")
    print(f"    recall@{K} by how far listeners differ: {recalls}")
    print(f"    recall@{K} of a genre {figures['recall_genre']:.4f}, and decade {figures['recall_genre_decade']:.4f}")
    print(f"  the {K} most like a song: {_shown(alike)}, recall {figures['recall_alike']:.4f}")
    print(f"  numpy scan for a listener: {_shown(scan)}; ratio to ours {scan[0] / felt[0]:.1f}")
    if "hnsw_felt" in figures:
        for name, ours in (("felt", felt), ("alike", alike)):
            graph = figures[f"hnsw_{name}"]
            ratio = graph["times"][0] / ours[0]
            print(f"  hnswlib, {name}: build {graph['build_s']:.1f} s, {_shown(graph['times'])}, ", end="")
            print(f"recall {graph['recall']:.4f}; ratio to ours {ratio:.1f}")
        print(f"  hnswlib, both: peak {figures['hnsw_peak_mb']:.0f} MB")
    elif "hnsw_missing" in figures:
        print("  hnswlib is not installed; it was left out.")
    sys.stdout.flush()


def _shown(times: tuple[float, float]) -> str:
    return f"p50 {times[0]:.2f} ms, p99 {times[1]:.2f} ms"


if __name__ == "__main__":
    main()
