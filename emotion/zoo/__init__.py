"""The zoo: front ends, and architectures in one file each, found through `emotion.zoo.registry`."""
