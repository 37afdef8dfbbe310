"""The paper's whole protocol, unchanged, on whichever of its sources are here, and beside it what it hides.

Clips of 24 s or more, extreme corners, a balanced tenth held out, five stratified folds of the rest, a network for
each, all scored on the held-out tenth. Then the same with no artist on two sides, and the gap between the two.

config -> plan (clips and folds) -> protocol (training.fit.cross_validation, once per protocol)

Source: Cazzaniga et al., sections 4 and 5. What the paper leaves open is chosen in training/recipes/paper.toml.
"""
