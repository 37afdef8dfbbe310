"""EfficientNetB3 and two public taggers under a kernel head."""
