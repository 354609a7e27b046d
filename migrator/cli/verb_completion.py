"""``havre completion``: the script that makes a shell complete verbs and options."""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class

from migrator.cli.group import Verb
from migrator.errors import UsageError

__all__ = ["completion"]


@click.command(
    cls=Verb,
    epilog="""
havre completion bash > ~/.local/share/bash-completion/completions/havre
havre completion zsh > ~/.zfunc/_havre
havre completion fish > ~/.config/fish/completions/havre.fish
""",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> int:
    """Print the completion script of a shell."""
    found = get_completion_class(shell)
    if found is None:
        raise UsageError(f"there is no completion for {shell}")
    # The base method: bash's own would start a bash here to ask for its version.
    root = ctx.find_root().command
    click.echo(ShellComplete.source(found(root, {}, "havre", "_HAVRE_COMPLETE")))
    return 0
