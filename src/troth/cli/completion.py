"""`troth completion`: what a shell needs to complete commands and options."""

from typing import Final

import click
from click.shell_completion import ShellComplete, get_completion_class

_SHELLS: Final = ("bash", "fish", "zsh")
_VARIABLE: Final = "_TROTH_COMPLETE"
_USES: Final = """\b
bash: eval "$(troth completion bash)" in ~/.bashrc
zsh:  eval "$(troth completion zsh)" in ~/.zshrc
fish: troth completion fish > ~/.config/fish/completions/troth.fish
"""


@click.command(epilog=_USES)
@click.argument("shell", type=click.Choice(_SHELLS))
def completion(shell: str) -> None:
    """Print the script that lets SHELL complete commands and options."""
    from troth.cli.main import troth

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(ShellComplete.source(kind(troth, {}, "troth", _VARIABLE)))
