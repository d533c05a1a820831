"""Organizations: who owns keys and a wallet. People and their sign-in come here too."""

from troth.control.accounts.organizations import (
    Organization,
    checked_name,
    create,
    find,
    freeze,
    named,
    on_list,
    thaw,
)

__all__ = ["Organization", "checked_name", "create", "find", "freeze", "named", "on_list", "thaw"]
