"""Rows of the zoo's table, as `manage.py zoo run` would write them."""

from __future__ import annotations

from typing import Any

FOLDS = {"artist5": 5, "stratified5": 5, "louro10x10": 100, "paper": 5}


def made_row(system: str, macro_f1: float, *, protocol: str = "artist5", **changes: Any) -> dict[str, Any]:
    """Return a row whose folds lie around its macro-F1."""
    spread = [(-1) ** fold * 0.01 * (fold % 3) for fold in range(FOLDS[protocol])]
    return {
        "system": system,
        "title": f"The system {system}",
        "paper": "Louro et al., section 3.1",
        "protocol": protocol,
        "data": "4qaed",
        "folds": f"{protocol}-folds",
        "n": 900,
        "macro_f1": macro_f1,
        "low": round(macro_f1 - 0.03, 4),
        "high": round(macro_f1 + 0.03, 4),
        "by_fold": [round(macro_f1 + each, 4) for each in spread],
        "accuracy": round(macro_f1 + 0.01, 4),
        "top3": 0.93,
        "floor": 0.1,
        "floor_accuracy": 0.25,
        "floor_top3": 0.75,
        "ece": 0.05,
        "parameters": 1_234_567,
        "train_s": 890.4,
        "epochs": [12] * FOLDS[protocol],
        "infer_ms": 20.0,
        "budget_min": 15.0,
        "cut": "",
        "note": "Batches of 32 are a choice.",
        **changes,
    }


def made_rows() -> list[dict[str, Any]]:
    """Return rows of two protocols; one system has a number of its paper on the same one."""
    return [
        made_row("louro_cnn", 0.6, infer_ms=40.0, cut="12 to 20 epochs of at most 200"),
        made_row("louro_svm", 0.75, infer_ms=900.0, parameters=0, budget_min=0.0),
        made_row("bathigama_raw1d", 0.41, paper="Bathigama and Madushika, abstract", infer_ms=300.0),
        made_row("majority", 0.1, paper="none: a floor", infer_ms=1.5, by_fold=[0.1] * 5, low=0.09, high=0.11),
        made_row("louro_cnn", 0.63, protocol="louro10x10"),
    ]
