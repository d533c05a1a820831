"""What is on offer, as values: models, prices, offerings, upstreams.

Read `model`, then `price`, then `offering`. `load` turns a catalog file into these values.
"""
