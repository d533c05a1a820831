"""Bytes, HTTP/1.1, TLS; knows no key, model or price.

Listening side: `server` accepts, `connection` orders requests and answers, `framing` and `chunks`
refuse what is ambiguous, `arrival` is a request on its way in, `sink` its way back.
Answering side: `pool` keeps connections to origins, `client` is one of them and one call on it,
`resolver` finds addresses. `events` reads and writes server-sent events. `limits` has every number.
Read `connection` and `client` first: all else serves them.
"""
