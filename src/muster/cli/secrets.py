"""`muster secrets`: the key that credentials are sealed with."""

from typing import Annotated

import typer

from muster.cli.console import Failed, out, print_json
from muster.cli.options import DataOption, JsonOption, settings_for

LostOption = Annotated[
    bool,
    typer.Option(
        "--lost", help="The key is lost: begin with the one in the file, or a new one; nothing is sealed anew."
    ),
]

app = typer.Typer(no_args_is_help=True, help="The key that stored credentials are sealed with.")


@app.callback()
def _family() -> None:
    """Keeps `rotate` a command of its own while the family has no other."""


@app.command("rotate")
def rotate(lost: LostOption = False, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Seal all stored credentials with a new key and forget the old one; the service must be stopped."""
    from muster.bootstrap.folder import StartRefused
    from muster.bootstrap.rotation import begin_anew, rotate_key
    from muster.database.connection import DatabaseError
    from muster.sealing import SealingError

    settings = settings_for(data=data)
    try:
        done = begin_anew(settings) if lost else rotate_key(settings)
    except (StartRefused, DatabaseError, SealingError) as error:
        raise Failed(str(error)) from None
    if as_json:
        print_json({"keyFile": str(done.key_file), "keyId": done.key_id, "resealed": done.resealed})
        return
    if lost:
        out.print(f"The key {done.key_id} counts from now on; what the lost one sealed has to be entered anew.")
        out.print(f"Keep a copy of {done.key_file} apart from the backups.")
        return
    begun = " A change of key that was begun before is ended." if done.was_begun else ""
    out.print(f"{done.resealed} stored values are sealed with the new key {done.key_id}.{begun}")
    out.print(f"Keep a copy of {done.key_file} apart from the backups; those of before need the old key.")
