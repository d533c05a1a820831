"""Load generator and mock upstream in Python, for machines without a Go toolchain.

Same flags and output as the compiled ones, without TLS. They cost about five times as much: the
gateway's CPU a unit still holds, requests a second and latencies then say little.
"""
