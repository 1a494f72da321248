"""The stand-in's work on files: take, answer, drop. Made to be stopped at any moment."""

from __future__ import annotations

import errno
import shutil
import time
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from console.standin.ledger import Ledger
from console.standin.plan import Plan, answer, cancelled, draw
from console.standin.post import SENDER, Post
from core.directory import durable
from core.envelope import Keyring, Profile
from core.errors import Reject

CLAIMED = ".taking."
"""What a file's name begins with from when it is ours until it is removed from where it lay."""
LARGEST_COMPLETION = 5000
"""Records in a file that completes back-orders."""


@dataclass(slots=True)
class Counts:
    """What was done; `problems` are sentences on files that no partner should ever see."""

    files: int = 0
    """Request files with an identifier that is new."""
    orders: int = 0
    repeated: int = 0
    """Request files with an identifier that had come before: not answered again."""
    refused: int = 0
    """Request files that could not be opened, or do not match their schema."""
    answers: int = 0
    """Answer files, repeats left out."""
    records: int = 0
    completed: int = 0
    """Records that complete a back-order."""
    told: int = 0
    """Acknowledgements of answer files."""
    repeats: int = 0
    """Files and records sent once more."""
    problems: list[str] = field(default_factory=list)

    def add(self, other: Counts) -> None:
        """Add up two passes."""
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))


class StandIn:
    """One warehouse's partner, from `with` to its end.

    `folder` is its own: what it remembers, and the files it took, in `taken` until they are
    answered and then in `done`, or in `refused` with a `.reason`. It takes from `take`, which is
    out/<warehouse>, and drops into `drop`, which is in/<warehouse>. `keys` are its own; in its
    trust store the folder `sender` holds our certificates. With `acknowledge` it acknowledges each
    request file; acknowledgements of its own files are taken whether or not.
    """

    def __init__(  # noqa: PLR0913  # what makes a partner, each once
        self,
        folder: Path,
        warehouse: str,
        keys: Keyring,
        *,
        take: Path,
        drop: Path,
        plan: Plan,
        seed: int = 0,
        sender: str = SENDER,
        profile: Profile = Profile.CMS_GCM,
        acknowledge: bool = False,
    ) -> None:
        self.warehouse = warehouse
        self._post = Post(warehouse, keys, sender, profile)
        self._folder = folder
        self._take = take
        self._drop = drop
        self._plan = plan
        self._seed = seed
        self._acknowledges = acknowledge
        for name in ("taken", "done", "refused"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self._ledger = Ledger(folder / "ledger.sqlite3")
        self._ledger.done(but=self._taken())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of its memory; a new one of the same folder goes on where this one stood."""
        self._ledger.close()

    def pass_once(self, *, settle: bool = False, restock: float | None = None) -> Counts:
        """Take and answer every file that is there; what was done.

        With `restock`, what has been back-ordered for that many seconds is completed too; with
        `settle`, all that is, and records that are to be repeated in a next file are sent.
        """
        counts = Counts()
        self._deliver()
        # What an earlier run left comes first, so that no new file takes its place.
        for take in (False, True):
            if take:
                self._take_over()
            for name in self._taken():
                self._work_on(name, counts)
                self._deliver()
        if settle or restock is not None:
            self._complete(time.time() - (0.0 if settle else restock or 0.0), counts)
        if settle and self._ledger.repeats():
            with self._ledger.transaction():
                self._send([], counts)
        self._deliver()
        return counts

    def seen(self) -> dict[int, int]:
        """How often each identifier of a request file has come; a right sender makes it 1 each."""
        return self._ledger.seen()

    def told(self) -> list[tuple[str, str, int]]:
        """(file, verdict, refused records) of each acknowledgement of our files."""
        return self._ledger.told()

    def missing(self) -> list[int]:
        """The file sequences, from 1 to the highest that came, of which no file has come."""
        come = self._ledger.sequences()
        return sorted(set(range(1, max(come, default=0) + 1)) - set(come))

    def owes(self) -> int:
        """How many back-orders are not completed yet."""
        return self._ledger.owes()

    def _take_over(self) -> None:
        """Move what lies there to our own folder, each file once, wherever it is interrupted.

        The folder may be on another file system, where a move is a copy and a removal: a file is
        claimed by a rename first, so that one which is copied and could not be removed is not
        taken for another file.
        """
        for claimed in sorted(self._take.glob(f"{CLAIMED}*")):
            if self._has(claimed.name.removeprefix(CLAIMED)):
                claimed.unlink(missing_ok=True)
            else:
                self._fetch(claimed)
        for path in sorted(self._take.iterdir()):
            # A dot marks what is not finished; a partner never reads it.
            if not path.name.startswith(".") and path.is_file():
                claimed = path.with_name(f"{CLAIMED}{path.name}")
                path.rename(claimed)
                self._fetch(claimed)

    def _fetch(self, claimed: Path) -> None:
        _move(claimed, self._folder / "taken" / claimed.name.removeprefix(CLAIMED))

    def _has(self, name: str) -> bool:
        return any((self._folder / place / name).exists() for place in ("taken", "done", "refused"))

    def _taken(self) -> list[str]:
        names = (path.name for path in (self._folder / "taken").iterdir())
        return sorted(name for name in names if not name.startswith("."))

    def _work_on(self, name: str, counts: Counts) -> None:
        path = self._folder / "taken" / name
        try:
            request, sha256 = self._post.open(path.read_bytes())
        except Reject as refusal:
            counts.refused += 1
            counts.problems.append(f"{name} is refused: {refusal}")
            (self._folder / "refused" / f"{name}.reason").write_text(f"{refusal}\n")
            _move(path, self._folder / "refused" / name)
            return
        if request["interfaceType"] == "Acknowledgement":
            self._hear(name, request, counts)
            _move(path, self._folder / "done" / name)
            return
        identifier = request["identifier"]
        sequence = request["wareHouse"]["fileSequence"]
        with self._ledger.transaction():
            times, new = self._ledger.saw(identifier, sequence, name, request["recordCount"])
            if self._acknowledges:
                self._acknowledge(name, identifier, sha256)
            if new:
                self._answer(request["orders"], counts)
        if times > 1:
            counts.repeated += 1
            counts.problems.append(f"{name} repeats identifier {identifier}, file number {times}")
        _move(path, self._folder / "done" / (name if times == 1 else f"{name}.{times}"))
        self._ledger.done()

    def _hear(self, name: str, said: dict[str, Any], counts: Counts) -> None:
        """Take in what we are told of a file of ours; a refusal is a problem."""
        file, verdict, refused = said["file"]["name"], said["verdict"], said["recordCount"]
        with self._ledger.transaction():
            self._ledger.hear(name, file, verdict, said.get("reason"), refused)
        counts.told += 1
        if verdict == "REJECTED" or refused:
            why = said.get("reason") or f"{refused} records refused"
            counts.problems.append(f"{name} says of our {file}: {verdict}, {why}")

    def _acknowledge(self, name: str, identifier: int, sha256: bytes) -> None:
        number = self._ledger.next_acknowledgement()
        payload = self._post.acknowledgement(number, name, identifier, sha256)
        name = f"{self.warehouse}-acknowledgement-{number:08}.p7m"
        self._ledger.send(name, self._post.seal(payload))

    def _answer(self, orders: list[dict[str, Any]], counts: Counts) -> None:
        counts.files += 1
        counts.orders += len(orders)
        if orders[0]["action"] == "CANCEL":
            self._cancel(orders, counts)
        else:
            self._dispatch(orders, counts)

    def _cancel(self, orders: list[dict[str, Any]], counts: Counts) -> None:
        """Give up what is not delivered yet; the rest has left, or never was to."""
        self._send(
            [
                cancelled(
                    order,
                    owed=self._ledger.forget(order["id"]),
                    warehouse=self.warehouse,
                    times=self._ledger.to_cancel(order["id"]),
                )
                for order in orders
            ],
            counts,
        )

    def _dispatch(self, orders: list[dict[str, Any]], counts: Counts) -> None:
        times = self._ledger.requested(order["id"] for order in orders)
        seed, place = self._seed, self.warehouse
        answers = [
            answer(order, self._plan, seed=seed, warehouse=place, times=times[order["id"]])
            for order in orders
        ]
        self._send([one.now for one in answers], counts)
        # After the file, so that the one after it repeats them.
        self._ledger.repeat(one.now for one in answers if one.again)
        self._ledger.owe((one.later for one in answers if one.later is not None), time.time())

    def _complete(self, since: float, counts: Counts) -> None:
        while owed := self._ledger.owed(LARGEST_COMPLETION, since):
            with self._ledger.transaction():
                self._ledger.delivered(one for one, _ in owed)
                self._send([record for _, record in owed], counts)
            counts.completed += len(owed)

    def _send(self, records: list[dict[str, Any]], counts: Counts) -> None:
        """Seal these records, and those that wait to be repeated, and remember them as outgoing."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
        for record in records:
            record["dispatchDateTime"] = now
        again = self._ledger.take_repeats()
        sequence = self._ledger.next_sequence()
        payload = self._post.document([*records, *again], sequence, now)
        sealed = self._post.seal(payload)
        name = f"{self.warehouse}-dispatch-{sequence:08}"
        self._ledger.send(f"{name}.p7m", sealed)
        counts.answers += 1
        counts.records += len(records)
        counts.repeats += len(again)
        if self._happens("file_again", sequence):
            self._ledger.send(f"{name}-again.p7m", sealed)
            counts.repeats += 1
        if self._happens("file_resealed", sequence):
            self._ledger.send(f"{name}-resealed.p7m", self._post.seal(payload))
            counts.repeats += 1

    def _happens(self, chance: str, sequence: int) -> bool:
        limit: float = getattr(self._plan, chance)
        return draw(chance, self._seed, self.warehouse, sequence) < limit

    def _deliver(self) -> None:
        """Drop what is outgoing: under a dot name, synced, and renamed.

        Stopped between the rename and the note of it, it drops the same file again: a repeat, which
        the receiver recognises.
        """
        while (waiting := self._ledger.outgoing()) is not None:
            name, data = waiting
            unfinished = self._drop / f".{name}"
            durable.create_anew(unfinished, data)
            durable.rename(unfinished, self._drop / name)
            self._ledger.sent(name)


def _move(source: Path, target: Path) -> None:
    """Move a file, also to another file system; the target is there whole or not at all."""
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        unfinished = target.with_name(f".{target.name}")
        shutil.copyfile(source, unfinished)
        durable.rename(unfinished, target)
        source.unlink(missing_ok=True)
