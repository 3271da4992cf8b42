"""Which addresses a process and its descendants listen on, from /proc: nothing else tells it of every process."""

import socket
from pathlib import Path

LISTEN = "0A"


def addresses(pid: int) -> set[tuple[str, int]]:
    """(address, port) of all listening TCP sockets of the process and its descendants."""
    listening = {}
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            _, local, _, state, *fields = line.split()
            if state == LISTEN:
                listening[f"socket:[{fields[5]}]"] = (_address(local.partition(":")[0], family), int(local[-4:], 16))
    return {listening[name] for each in descendants(pid) for name in _open(each) if name in listening}


def descendants(pid: int) -> list[int]:
    """The process and all that come from it."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has just ended
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def _address(hexadecimal: str, family: socket.AddressFamily) -> str:
    """The kernel writes words of four bytes in the machine's order, here taken to be little endian."""
    raw = bytes.fromhex(hexadecimal)
    return socket.inet_ntop(family, b"".join(raw[i : i + 4][::-1] for i in range(0, len(raw), 4)))


def _open(pid: int) -> set[str]:
    try:
        return {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
    except OSError:  # it has just ended, or closed one
        return set()
