"""Organizations, who own keys and a wallet, and their projects. People come here too."""

from troth.control.accounts.organizations import (
    Organization,
    checked_name,
    create,
    find,
    forget_name,
    freeze,
    is_closed,
    named,
    narrowed,
    on_list,
    refuse_closed,
    set_zone,
    thaw,
)
from troth.control.accounts.projects import (
    Project,
    create_project,
    project_named,
    projects_of,
)

__all__ = [
    "Organization",
    "Project",
    "checked_name",
    "create",
    "create_project",
    "find",
    "forget_name",
    "freeze",
    "is_closed",
    "named",
    "narrowed",
    "on_list",
    "project_named",
    "projects_of",
    "refuse_closed",
    "set_zone",
    "thaw",
]
