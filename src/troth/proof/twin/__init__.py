"""Doubles of the world outside: providers that fail on demand, and a tiny real model.

upstream      a mock provider as a server: `python -m troth.proof.twin.upstream`
chat, messages, embeddings   its answers, shaped as the published documents say
faults        what a model's name makes it do
tiny_model    writes a tiny real model file (a program of its own: needs numpy and gguf)
fake_stripe   a double of Stripe: its API, a page to pay on, webhooks that go astray
model_server  serves that file by llama.cpp (a program of its own: needs xllamacpp)
"""
