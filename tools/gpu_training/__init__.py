"""Fifteen minutes on a GPU that has neither the data sets nor a database: `python -m tools.gpu_training`.

`prepare` writes one file on the machine with the data sets; `run` there distils EfficientNetB3 for longer than two CPU
cores can, fits its heads, tries a full fine-tuning, and leaves run folders and figures; repeated, it resumes.
"""
