"""Limits that a process sets itself before it reads a stranger's file."""

import resource

import psutil

# Beside what a process that waits holds; the largest good cover and its copies need a tenth.
MOST_BYTES = 400 * 1024 * 1024


def process_confine(*, file_bytes: int = 0) -> None:
    """Limit memory, and the size of the files that this process writes."""
    # The heap and private maps; files that are mapped, such as libraries, do not count. Not every system has `data`.
    most_bytes = getattr(psutil.Process().memory_info(), "data", 0) + MOST_BYTES
    limits = ((resource.RLIMIT_DATA, most_bytes), (resource.RLIMIT_FSIZE, file_bytes), (resource.RLIMIT_CORE, 0))
    for limit, value in limits:
        resource.setrlimit(limit, (value, value))


def cpu_confine(cpu_s: int) -> None:
    """Allow this process so many more seconds of CPU."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + 1 + cpu_s, hard))
