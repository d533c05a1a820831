"""What proves the promises: the twin (doubles of the outside world) and the search for content.

Nothing of a running gateway imports this plane; the demo and the tests do.
"""
