"""The buffers that all connections of a process read into.

Reads are synchronous (a loop asks for a buffer, fills it and hands it over in one turn), so one
buffer serves all. It is zeroed after each read: a loop's own buffer would never be freed and would
keep the last prompt readable. What comes over TLS is read into the second, which never holds
anything but what is encrypted, and decrypted into the first.
"""

SIZE = 256 * 1024
BUFFER = bytearray(SIZE)
VIEW = memoryview(BUFFER)
SHORT_VIEW = VIEW[: 64 * 1024]  # for upstreams: no one stream takes the loop for long
ZEROS = memoryview(bytes(SIZE))
SEALED = memoryview(bytearray(64 * 1024))
