"""cmp-orders reconcile: do tables and trees agree, and what to do when the files are newer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from console.exits import Exit
from console.session import ADOPT_ROLE, Session, as_json, pass_session

if TYPE_CHECKING:
    from console.reconcile.adopting import Adoption
    from console.reconcile.kinds import Disagreement


@click.command()
@click.option("--adopt", is_flag=True, help="Take over what the files know and the database lost.")
@click.option("--dry-run", is_flag=True, help="With --adopt: tell what it would do, and no more.")
@click.option(
    "--go-on", is_flag=True, help="With --adopt: leave out the orders that cannot be marked sent."
)
@as_json
@pass_session
def reconcile(session: Session, adopt: bool, dry_run: bool, go_on: bool, as_json: bool) -> Exit:
    """Print every disagreement of tables and trees; exit 1 if there is any.

    What the first look finds is looked at again with the daemons' work on it locked out, so that
    nothing is told that was just under way. The daemons may run meanwhile.

    --adopt is for a database that has lost commits: restored from a backup, or failed over. The
    daemons hold the warehouses concerned (DATABASE_OLDER_THAN_FILES). The orders in files that the
    database does not know are marked sent, unknown inbound files are loaded again, counters move
    past the files, and the hold ends. A warehouse with an order that cannot be marked sent is left
    as it is: mend that and say --adopt again, or --go-on without those orders, if you know what
    becomes of them. Exit 1 while a warehouse is left so. It works as the role sales_order_adopt,
    which alone may do this; --dry-run is for every operator.

    \b
    Examples:
      cmp-orders reconcile
      cmp-orders reconcile --adopt --dry-run
      sudo -u sales_order_adopt cmp-orders reconcile --adopt
    """
    if (dry_run or go_on) and not adopt:
        raise click.UsageError("--dry-run and --go-on belong to --adopt")
    from console.reconcile.adopting import adopt as adopt_files  # noqa: PLC0415
    from console.reconcile.looking import disagreements  # noqa: PLC0415
    from console.reconcile.trees import Trees  # noqa: PLC0415

    trees = Trees(session.outbound, session.inbound)
    with session.connection(user=ADOPT_ROLE if adopt and not dry_run else None) as conn:
        if adopt:
            return _told(adopt_files(conn, trees, dry_run=dry_run, go_on=go_on), as_json=as_json)
        return _shown(disagreements(conn, trees), as_json=as_json)


def _shown(found: list[Disagreement], *, as_json: bool) -> Exit:
    from console import show  # noqa: PLC0415

    if as_json:
        show.print_json(
            [
                {
                    "kind": one.kind,
                    "warehouse": one.warehouse or None,
                    "subject": one.subject,
                    "detail": one.detail,
                    "meaning": one.kind.meaning,
                    "what_to_do": one.kind.remedy,
                }
                for one in found
            ]
        )
        return Exit.REFUSED if found else Exit.DONE
    if not found:
        show.note("tables and trees agree")
        return Exit.DONE
    terminal = show.terminal()
    for kind in dict.fromkeys(one.kind for one in found):
        those = [one for one in found if one.kind is kind]
        terminal.print(f"[bold]{kind}[/] {show.marked(kind.meaning)}")
        terminal.print(f"  {show.marked(kind.remedy)}")
        rows = [(one.warehouse, one.subject, one.detail) for one in those]
        terminal.print(show.table(("warehouse", "about", "what"), rows))
        terminal.print()
    show.note(f"{len(found)} disagreements")
    return Exit.REFUSED


def _told(adoptions: list[Adoption], *, as_json: bool) -> Exit:
    from dataclasses import asdict  # noqa: PLC0415

    from console import show  # noqa: PLC0415

    left = [one for one in adoptions if one.obstacles and not one.done]
    if as_json:
        show.print_json([asdict(one) for one in adoptions])
        return Exit.REFUSED if left else Exit.DONE
    if not adoptions:
        show.note("no warehouse's files are ahead of the database")
    for one in adoptions:
        _tell(one)
    return Exit.REFUSED if left else Exit.DONE


def _tell(one: Adoption) -> None:
    from console import show  # noqa: PLC0415

    verb = "adopted" if one.done else "to adopt"
    show.note(
        f"{one.warehouse}: {verb} {len(one.files)} request files with {one.orders} orders, "
        f"{len(one.put_back)} inbound files to load again"
        + ("; the hold has ended" if one.released else "")
    )
    for title, names in (
        ("request file", one.files),
        ("acknowledgement", one.acknowledgements),
        ("to load again", one.put_back),
        ("never published, removed" if one.done else "never published", one.removed),
    ):
        for name in names:
            show.note(f"  {title}: {name}")
    for obstacle in one.obstacles:
        out = "left out" if one.done else "in the way"
        show.note(f"  {out}: order {obstacle.order_id} in {obstacle.file}: {obstacle.why}")
