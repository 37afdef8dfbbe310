"""The zoo: front ends and architectures, one file each, found through `emotion.zoo.registry`."""
