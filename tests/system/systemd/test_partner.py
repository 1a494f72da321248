"""A partner's account: it drops and takes, and can do nothing else."""

from __future__ import annotations

import pytest

from tests.system.systemd.box import wait
from tests.system.systemd.installation import CONSOLE, Installation

OUT, IN = "/var/lib/sales-orders/out", "/var/lib/sales-orders/in"
PARTNER = "sales_partner_london"
OTHER = "sales_partner_leeds"


def attempt(installation: Installation, command: str, user: str = PARTNER) -> bool:
    """Whether the account can do this."""
    return installation.box.run(command, user=user, check=False).returncode == 0


def status_of(installation: Installation, name: str) -> str:
    """Status and reason of the file that a partner dropped under this name."""
    return installation.value(
        f"select status || ' ' || coalesce(reason, '') from inbound_file"
        f" where partner_name = '{name}'"
    )


def test_takes_its_files(running: Installation) -> None:
    """The partner reads its own published file, may move it away, and cannot change it; that it is
    gone is recorded, and our copy stays.
    """
    running.submit(5)
    box = running.box
    published = "select name from outbound_file where warehouse_id = 'LONDON' and taken_at is null"
    wait(lambda: running.value(published) != "", "a file for LONDON")
    name = running.value(published)
    path, taken = f"{OUT}/LONDON/{name}", f"/srv/london/{name}"
    wait(lambda: attempt(running, f"cat {path} > /dev/null"), "the file to be published")
    assert not attempt(running, f"echo x >> {path}")
    assert not attempt(running, f"chmod 0660 {path}")
    assert not attempt(running, f"cat {path} > /dev/null", OTHER)
    assert not attempt(running, f"ls {OUT}/LONDON", OTHER)
    assert not attempt(running, f"rm -f {path}", OTHER)
    # By copying and removing, as over SFTP: its right to the directory is enough.
    assert attempt(running, f"cat {path} > {taken} && rm -f {path}")
    wait(lambda: running.value(published) != name, "the file to be recorded as taken")
    assert box.root(f"{OUT}/archive/LONDON/{name}").exists()
    # The stand-in is to find it after all, so that nothing stays open.
    assert attempt(running, f"cp {taken} {OUT}/LONDON/{name}")
    running.play(1)


@pytest.mark.parametrize(
    "command",
    [
        f"ls {OUT}",
        f"ls {IN}",
        f"ls {OUT}/work",
        f"ls {OUT}/work/LONDON",
        f"ls {OUT}/archive",
        f"ls {IN}/work",
        f"ls {IN}/archive",
        f"ls {IN}/quarantine",
        f"ls {IN}/LEEDS",
        f"touch {IN}/LEEDS/x.p7m",
        f"touch {IN}/x",
        f"touch {OUT}/x",
        f"mv {IN}/LONDON {IN}/OTHER",
        f"rmdir {OUT}/LONDON",
        f"chmod 777 {IN}/LONDON",
        "cat /etc/credstore/sales-orders.signing.key",
        "cmp-orders status",
        "touch /var/lib/sales-orders/metrics/x",
    ],
)
def test_nothing_else(installed: Installation, command: str) -> None:
    """The account sees neither another partner nor what is ours alone, and changes no directory."""
    assert not attempt(installed, command)


def test_removes_only_its_own(running: Installation) -> None:
    """In the inbound directory the partner takes back what it dropped, and nothing of ours."""
    inbox = f"{IN}/LONDON"
    assert attempt(
        running, f"touch {inbox}/.mine && mv {inbox}/.mine {inbox}/.my && rm {inbox}/.my"
    )
    running.box.run(f"touch {inbox}/.ours", user=CONSOLE)
    assert not attempt(running, f"rm -f {inbox}/.ours")
    running.box.run(f"rm {inbox}/.ours", user=CONSOLE)


AWKWARD = {
    "unreadable": ("echo x > {path}; chmod 0600 {path}", "NOT_READABLE"),
    "nobodys": ("echo x > {path}; chmod 0000 {path}", "NOT_READABLE"),
    "open": ("echo x > {path}; chmod 0666 {path}", "ENVELOPE_REFUSED"),
    "program": ("echo x > {path}; chmod 4777 {path}", "ENVELOPE_REFUSED"),
    "write-only": ("echo x > {path}; chmod 0222 {path}", "NOT_READABLE"),
    "empty": (": > {path}; chmod 0644 {path}", "FILE_EMPTY"),
}


@pytest.mark.parametrize("kind", AWKWARD)
def test_awkward_modes(running: Installation, kind: str) -> None:
    """A file that is dropped with whatever mode is taken up; what cannot be read is in quarantine
    with a reason that says what to mend, where the console can put it back or discard it.
    """
    command, reason = AWKWARD[kind]
    name = f"awkward-{kind}.p7m"
    # As the partners' page asks: under a name with a dot, then renamed.
    path = f"{IN}/LONDON/.{name}"
    assert attempt(running, command.format(path=path) + f"; mv {path} {IN}/LONDON/{name}")
    wait(lambda: status_of(running, name) == f"QUARANTINED {reason}", f"{name}: {reason}")
    claim = running.value(f"select claim_name from inbound_file where partner_name = '{name}'")
    kept = f"{IN}/quarantine/LONDON/{claim}"
    assert running.box.run(f"head -1 {kept}.reason", user=CONSOLE).stdout.strip() == reason
    running.console("file", "discard", claim, "--yes", check=False)


def test_no_files_at_all(running: Installation) -> None:
    """Directories, links and pipes that are dropped do no harm: they stay, and are told of."""
    box, inbox = running.box, f"{IN}/LONDON"
    now = box.now()
    assert attempt(
        running,
        f"cd {inbox}; mkdir d.p7m; mkfifo f.p7m; ln -s /etc/credstore l.p7m",
    )
    # Told of anew as they become more.
    box.wait_for_line("EVENT=STRAY_FILES", "COUNT=3", after=now)
    assert attempt(running, f"cd {inbox}; rmdir d.p7m; rm f.p7m l.p7m")
    running.play(2)
