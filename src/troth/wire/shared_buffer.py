"""The one buffer that all connections of a process read into.

Reads are synchronous (a loop asks for a buffer, fills it and hands it over in one turn), so one
buffer serves all. It is zeroed after each read: a loop's own buffer would never be freed and would
keep the last prompt readable.
"""

SIZE = 256 * 1024
BUFFER = bytearray(SIZE)
VIEW = memoryview(BUFFER)
SHORT_VIEW = VIEW[: 64 * 1024]  # for upstreams: no one stream takes the loop for long
ZEROS = memoryview(bytes(SIZE))
