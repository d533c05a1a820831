"""How an asked form of the answer reaches an Anthropic upstream: in its own field or as a tool.

A model with the feature `json_schema` takes a schema in `output_config.format`. Any other that
knows tools is given one tool whose arguments are the form and is made to call it; the arguments
are then the answer. "Any JSON object" always goes as a tool: the field wants every key named.
Callers who bring tools of their own keep them: where the field cannot say the form, it is refused.
"""

from typing import Final, Literal

import msgspec

from troth.catalog.offering import Offering
from troth.providers.conversation import Choice, Conversation, Tool, fields_of, is_plain_id
from troth.providers.json_values import Fields, Json

Way = Literal["none", "field", "tool", "lacking"]

_ANY_OBJECT: Final[Fields] = {"type": "object", "additionalProperties": True}
_TOLD: Final = "Give the whole answer as one JSON object."
_NAME: Final = "answer"
_CALLERS_TOOLS: Final = frozenset({"tools", "functions"})
_NOT_IN_TOOLS: Final = frozenset({"allOf", "anyOf", "oneOf"})


def way_of_form(fields: Fields, offering: Offering) -> Way:
    """Return how the form that a chat request asks for gets to the offering, if it can."""
    wanted = fields.get("response_format")
    if wanted is None or offering.upstream.dialect != "anthropic":
        return "none"
    form = fields_of(wanted)
    kind = form.get("type")
    if kind not in {"json_schema", "json_object"}:
        return "none"
    features = offering.model.features - offering.lacks
    has_field = "json_schema" in features
    if has_field and kind == "json_schema":
        return "field"
    is_free = "tools" in features and fields.keys().isdisjoint(_CALLERS_TOOLS)
    if is_free and _is_object(fields_of(form.get("json_schema")).get("schema")):
        return "tool"
    return "field" if has_field else "lacking"


def with_form_as_tool(said: Conversation) -> Conversation:
    """Return a conversation whose form is a tool that must be called, once.

    Nothing is thought before a forced call: the dialect allows only one of both.
    """
    form = said.form
    if form is None:
        return said
    name = form.name if is_plain_id(form.name) else _NAME
    schema: Json = {**_ANY_OBJECT}
    if type(form.schema) is dict:
        schema = {"type": "object", **form.schema}
    return msgspec.structs.replace(
        said,
        tools=(Tool(name, _TOLD, schema),),
        choice=Choice("tool", name),
        is_parallel=False,
        form=None,
        effort=None,
    )


def _is_object(schema: Json) -> bool:
    """Tell whether a schema is one of objects, as the arguments of a tool must be."""
    if schema is None:
        return True
    shape = fields_of(schema)
    if shape:
        return shape.get("type") == "object" and shape.keys().isdisjoint(_NOT_IN_TOOLS)
    return schema == {}
