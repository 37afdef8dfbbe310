"""The paper's whole protocol on its available sources, and the same protocol with disjoint artists.

Clips of 24 s or more, extreme corners, a balanced tenth held out, five stratified folds of the rest, a network for
each, all scored on the held-out tenth. Then the same with no artist in two parts, and the gap between the two.

Source: Cazzaniga et al., sections 4 and 5. What the paper leaves open is chosen in training/recipes/paper.toml.
"""
