"""`workbench history`: every result that was ever measured, found again."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workbench.cli.show import print_json, table
from workbench.files import write_whole

if TYPE_CHECKING:
    from workbench.history import Entry

_SHOWN = 8
_ORDERS = ("measured_at", "accuracy", "size_bytes", "macs", "recipe", "model", "data", "note", "star")


@click.command()
@click.option("--text", default="", help="Words that are in names, recipe, note or key.")
@click.option("--model", help="Only results about this model.")
@click.option("--data", help="Only results on these data.")
@click.option("--starred", is_flag=True, help="Only results with a star.")
@click.option("--sort", "order", type=click.Choice(_ORDERS), default="measured_at", show_default=True)
@click.option("--ascending", is_flag=True, help="Smallest or oldest first.")
@click.option("--limit", type=click.IntRange(0), default=20, show_default=True, help="Rows to list; 0 for all.")
@click.option("--star", metavar="KEY", help="Give a result a star; the beginning of its key is enough.")
@click.option("--unstar", metavar="KEY", help="Take the star of a result away.")
@click.option("--note", nargs=2, metavar="KEY TEXT", help="Write a note beside a result, in place of the one before.")
@click.option("--csv", type=click.Path(dir_okay=False, path_type=Path), help="Write all that is found as a table here.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: the rows, and how many there are.")
def history(
    text: str,
    model: str | None,
    data: str | None,
    starred: bool,
    order: str,
    ascending: bool,
    limit: int,
    star: str | None,
    unstar: str | None,
    note: tuple[str, str] | None,
    csv: Path | None,
    as_json: bool,
) -> None:
    """List results that were measured, the newest first, and write stars and notes beside them."""
    from workbench.history import Query, key_of, page
    from workbench.store import Store
    from workbench.tabular import exported

    wanted = Query(text=text, model=model, data=data, starred=starred, order=order, descending=not ascending)
    with Store() as store:
        for start, on in ((star, True), (unstar, False)):
            if start is not None:
                store.set_star(key_of(store, start), on)
        if note is not None:
            store.set_note(key_of(store, note[0]), note[1])
        if csv is not None:
            write_whole(csv, exported(store, wanted, "csv"))
        found = page(store, dataclasses.replace(wanted, limit=limit or None))
    if as_json:
        print_json({"total": found.total, "rows": [dataclasses.asdict(entry) for entry in found.entries]})
        return
    if found.entries:
        click.echo(
            table(
                [["", "key", "measured (UTC)", "model", "data", "accuracy", "bytes", "recipe", "note"]]
                + [_line(entry) for entry in found.entries]
            )
        )
    click.echo(f"{len(found.entries):,} of {found.total:,} results")


def _line(entry: Entry) -> list[str]:
    from workbench.tabular import moment

    accuracy = ""
    if entry.accuracy is not None and entry.low is not None and entry.high is not None:
        accuracy = f"{100 * entry.accuracy:.2f} % [{100 * entry.low:.2f}, {100 * entry.high:.2f}]"
    return [
        "*" if entry.star else "",
        entry.key[:_SHOWN],
        moment(entry.measured_at),
        entry.model,
        entry.data,
        accuracy,
        "" if entry.size_bytes is None else f"{entry.size_bytes:,.0f}",
        entry.recipe if entry.recipe is not None else "(cannot be read here)",
        " ".join(entry.note.split()),
    ]
