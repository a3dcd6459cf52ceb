"""progress, cache."""

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lamppost.cli.common import add_verb, json_option, say

__all__ = ["add_verbs"]


def add_verbs(verbs: Any) -> None:
    """The verbs that look at runs and at what they share."""
    progress = add_verb(verbs, "progress", "say how far a run is, from its folder, wherever it works", _progress)
    progress.add_argument("folder", type=Path, metavar="DIR", help="run folder")
    json_option(progress)
    cache = add_verb(verbs, "cache", "say what a cache or a run folder holds, and remove what is not needed", _cache)
    cache.add_argument("folder", type=Path, metavar="DIR", help="cache or run folder")
    cache.add_argument("--collect", action="store_true", help="remove what no run that is still there needs")
    cache.add_argument("--max-size", metavar="SIZE", help="remove the least recently used down to this, as in 20GB")
    cache.add_argument("--older-than", metavar="TIME", help="remove what was not used for so long, as in 30d or 12h")
    cache.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    json_option(cache)


def _progress(options: argparse.Namespace) -> None:
    from lamppost.api import progress
    from lamppost.run.progress.view import lines

    found = progress(options.folder)
    for line in [json.dumps(found)] if options.json else lines(found):
        say(line)


def _cache(options: argparse.Namespace) -> None:
    from lamppost.api import cache

    found = cache(
        options.folder,
        collect_unlisted=options.collect,
        max_size=options.max_size,
        older_than=options.older_than,
        dry_run=options.dry_run,
    )
    for line in [json.dumps(found)] if options.json else _lines(found):
        say(line)


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    """What a cache holds, in words."""
    from lamppost.run.quantities import size

    removed = found["removed"]
    if "left" in removed:
        what = "would remove" if found["dry_run"] else "removed"
        yield f"{what:<13}{removed['artefacts']} artefacts, {size(removed['bytes'])}"
    rows = [*found["stages"].items(), ("all", found), ("no run needs", found["unlisted"])]
    for name, some in rows:
        yield f"{name:<13}{some['artefacts']:>9} artefacts {size(some['bytes']):>10}"
    yield f"{'unfinished':<30} {size(found['unfinished']):>12}, of killed processes {size(found['left_over'])}"
    for user in found["users"]:
        there = f"{user['artefacts']} of {user['needs']} artefacts, {size(user['bytes'])}"
        yield f"{user['state']:<13}{user['folder']}, {user['result']}: {there}"
