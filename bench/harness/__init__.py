"""How a measurement is made, judged and written down; entered by `python -m bench`."""
