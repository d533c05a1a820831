"""`troth init`: a settings file to fill in, and the data folder."""

from pathlib import Path
from typing import Final

import click
import msgspec

from troth.cli.session import Session, with_session

_TEMPLATE: Final = """\
# Settings of Troth. Flags and variables (TROTH_SERVER__GATEWAYS=2) go over what stands here.
# 'troth config show' lists every setting with its value and where it comes from.

[server]
bind = "127.0.0.1:8080"          # the API
control_bind = "127.0.0.1:8081"  # health and metrics
gateways = 1                     # about one for each core

[data]
folder = {folder}

# The books are SQLite in the data folder, or PostgreSQL by an address in a file of its own:
# [store]
# url_file = "database.url"      # postgresql://user:password@host/database

# A provider, and its key in a file or a variable; the shipped catalog knows some of its models.
# [providers.groq]
# kind = "groq"
# api_key_file = "groq.key"      # or the variable GROQ_API_KEY

# A server of your own needs its address and its models.
# [providers.house]
# kind = "llamacpp"
# url = "http://127.0.0.1:8000/v1"
#
# [models."house/small"]
# provider = "house"
# upstream_model = "small"
# context_length = 8192
# max_output = 2048
# price = {{ input = "0.05", output = "0.10" }}  # US dollars per million tokens

# Credit is bought through Stripe; whoever sells must say who they are and how VAT is charged.
# [payments]
# kind = "stripe"
# api_key_file = "stripe.key"                # or the variable STRIPE_API_KEY
# webhook_secret_file = "stripe-webhook.key" # or the variable STRIPE_WEBHOOK_SECRET
# return_url = "https://example.com/wallet"  # where a payer comes back to
#
# [seller]
# name = "Example Ltd"
#
# [vat]
# engine = "none"                            # or "table", "stripe_tax": ask who does your taxes
"""


@click.command()
@with_session
def init(session: Session) -> None:
    """Write troth.toml here, unless there is one, and make the data folder and its database."""
    from troth.server.local import prepare
    from troth.server.settings import FILE_NAME

    file = Path(session.config or FILE_NAME)
    is_new = not file.exists()
    if is_new:
        file.parent.mkdir(parents=True, exist_ok=True)
        folder = msgspec.json.encode(session.data or "troth-data").decode()
        file.write_text(_TEMPLATE.format(folder=folder), "utf-8")
        file.chmod(0o600)
    settings = msgspec.structs.replace(session, config=str(file)).reading().settings
    prepare(settings)
    body = msgspec.json.encode({"config": str(file), "data": str(settings.folder), "new": is_new})
    session.output.document(
        body,
        {"settings": f"{file}{'' if is_new else ' (was there)'}", "data": str(settings.folder)},
    )
    session.output.say("Next: troth serve")
