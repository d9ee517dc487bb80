"""`python -m muster.sample --users N --out FILE`: writes a sample directory, as JSON or CSV by the file's ending."""

import argparse
import sys
from pathlib import Path

from muster.sample.documents import render_groups_csv, render_json, render_users_csv
from muster.sample.people import DEFAULT_SEED, DEFAULT_USERS, make_directory


def main(arguments: list[str] | None = None) -> int:
    """Writes the documents and says what is in them; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m muster.sample", description=__doc__)
    parser.add_argument("--users", type=int, default=DEFAULT_USERS, help="how many people (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="another seed makes another company")
    parser.add_argument("--out", type=Path, required=True, help="FILE.json, or FILE.csv (and FILE.groups.csv)")
    options = parser.parse_args(arguments)
    try:
        directory = make_directory(options.users, options.seed)
    except ValueError as error:
        parser.error(str(error))
    out: Path = options.out
    match out.suffix.lower():
        case ".json":
            documents = {out: render_json(directory)}
        case ".csv":
            groups = out.with_suffix(".groups.csv")
            documents = {out: render_users_csv(directory), groups: render_groups_csv(directory)}
        case _:
            parser.error(f"{out.name} ends neither in .json nor in .csv.")
    for path, content in documents.items():
        path.write_bytes(content)
    members = sum(len(group["members"]) for group in directory.groups)
    sys.stdout.write(
        f"{len(directory.users)} users, {len(directory.groups)} groups and {members} memberships "
        f"in {' and '.join(str(path) for path in documents)}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
