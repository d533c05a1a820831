"""The bench: what a request and a streamed event cost, here and in other gateways.

Read in this order: `harness/cases.py` (what is measured), `systems/` (what is measured beside),
`harness/accounting.py` (how CPU is counted), `harness/gates.py` (what must hold).
"""
