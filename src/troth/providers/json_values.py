"""JSON as decoded: what the fields of a request or an answer can hold."""

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Fields = dict[str, "Json"]
