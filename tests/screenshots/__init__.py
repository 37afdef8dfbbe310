"""Pictures of every screen: `make screenshots`, or `python -m tests.screenshots --help`."""
