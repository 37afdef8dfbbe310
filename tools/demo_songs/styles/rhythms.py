"""One-bar rhythms that melodies are made of: "x" strikes, "-" holds, "." rests. Pure."""

from __future__ import annotations

FLOWING = ("x---x-x-x---x---", "x-----x-x---x---", "x---x---x-x-x---")
SIGHING = ("x-------x---....", "x-----------....", "....x-------x---", "x---....x-------")
SPARSE = ("x-------x-------", "x-----------x---", "x-----x-x-------", "....x---x-------")
LIVELY = ("x-x-x---x-x-x---", "x--x--x-x-x-x---", "x-x-xxx-x---x-x-", "x--x--x---x-x-x-")
SYNCOPATED = ("x--x--x--x--x-x-", "..x--x--x-x--x--", "x--x--x---------", "x-x--x-x--x-x---")
RUNNING = ("x-xxx-x-x-xxx-x-", "x-x-x-x-x-xxx-x-", "xxx-x-x-xxx-x---")
JABBING = ("x..x..x.....x.x.", "x.x...x.x.x.....", "x---..x-x---..xx", "x-----x.x-----x.")
SEVENS = ("x..x..x.x.x...", "x.x...x..x..x.", "x---..x-x.x...")
FIVES = ("x..x..x...x.x...x.x.", "x---..x-x---..xxx...", "x.....x.x...x..x..x.")
THREES = ("x-------x---", "x---x-x-x---", "x-----x-x---")
SPARSE_THREES = ("x-----------", "x-------x---", "x---x-------")
SIXES = ("x---x-x---x-", "x-x-x-x---x-", "x-----x-x-x-")
