"""The edge: processes, sockets, settings, transactions. Everything is wired here and only here.

`supervisor` starts `gateway_process` (one a slot) and `control_process`. `link` is the gateway's
end of the socket between them, `desk` the other; `messages` is what they say to each other and
`handover` what a child is given when it starts.
"""
