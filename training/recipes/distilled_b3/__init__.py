"""The project's own recipe for an EfficientNetB3, and what can be done with a model that it made.

spectra -> distil (a backbone, from sound alone) -> backbone (features) -> teacher, head, protocols -> cards
"""
