"""The zoo: every system of the five papers, one TOML file each, trained and scored by the same folds."""
