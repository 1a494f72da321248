"""The whole installation under a seeded monkey that breaks things: nothing lost, nothing doubled.

`make chaos` runs it; `python -m tests.system.chaos --help` tells how. Two copies of every daemon,
the stand-in warehouses and a steady stream of orders run as they would anywhere; the monkey kills,
stops, cuts off, fills and repeats. When it has done, everything must settle by itself, and a
computation of its own says what should have come of each order. With `--hosts 2` the copies run
apart, each on a host that has only the trees and the database in common with the other.
"""
