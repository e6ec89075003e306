#!/usr/bin/env python3
"""Reads a spool that is not in use, from docs/spool-format.md alone.

read_spool.py SPOOL OUT writes every message with an unfinished recipient to OUT as ID.eml, and
prints a line of JSON for each: id, recipients that are not finished, bytes. A message whose body
is damaged has no file, and "damaged" in its line.
"""

import json
import struct
import sys
from pathlib import Path

ENDS = {"delivered", "bounced", "dropped", "expanded"}
ENDED = {"Delivered", "Bounced", "Dropped"}

TABLE = []
for byte in range(256):
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    TABLE.append(byte)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def record_at(data, at, spool, segment):
    """A record with a good line: kind, batch, line, body, its end. A body that is not what it was
    is None: so is a message told from what is no record at all."""
    head = data[at : at + 40]
    if len(head) < 40 or head[:4] != b"TDR1" or crc32c(head[:36]) != struct.unpack("<I", head[36:])[0]:
        return None
    kind, _, _ = struct.unpack("<BBH", head[4:8])
    owner, number, batch, line_length, body_length, line_crc, body_crc = struct.unpack("<7I", head[8:36])
    if (owner, number) != (spool, segment) or line_length > 4 * 1024 * 1024:
        return None
    line = data[at + 40 : at + 40 + line_length]
    body = data[at + 40 + line_length : at + 40 + line_length + body_length]
    if crc32c(line) != line_crc:
        return None
    end = at + 40 + line_length + body_length
    if len(body) < body_length or crc32c(body) != body_crc:
        if kind != 2:
            return None
        body = None
    return kind, batch, line, body, end + -end % 8


def good_behind(data, place, spool, segment, closed, least):
    """The next record from there on, if what is before it had been synced."""
    first = None
    while (place := data.find(b"TDR1", place)) >= 0:
        found = place % 8 == 0 and record_at(data, place, spool, segment)
        if found:
            first = place if first is None else first
            if closed or found[1] >= least:
                return first
            place = found[4]
        else:
            place += 1
    return None


def records(data, spool, segment, newest):
    """The good records of a segment, in order. In the newest one, when it was not closed, what is
    behind the last good record counts only if it had been synced."""
    closed = not newest or any(data[-64:])
    at, last_batch = 0, 0
    while at < len(data):
        found = record_at(data, at, spool, segment)
        if found and found[3] is None and not closed:
            # Torn, unless a later batch shows that it had been synced.
            if good_behind(data, found[4], spool, segment, closed, found[1] + 1) is None:
                found = None
        if not found:
            at = good_behind(data, at + 8, spool, segment, closed, last_batch + 2)
            if at is None:
                return
            continue
        kind, last_batch, line, body, at = found
        yield kind, line, body


def read(folder):
    uuid = json.loads((folder / "spool.json").read_text())["uuid"]
    spool = int(uuid[:8], 16)
    messages = {}
    segments = sorted((folder / "log").glob("*.seg"))
    for path in segments:
        data = path.read_bytes()
        for kind, line, body in records(data, spool, int(path.stem), path == segments[-1]):
            if kind not in (2, 3):
                continue
            entry = json.loads(line)
            if kind == 2:
                count = len(entry["envelope"]["recipients"])
                carried = entry.get("carried")
                states = carried["states"] if carried else [{"Queued": {}}] * count
                finished = [next(iter(state)) in ENDED for state in states]
                messages[entry["id"]] = (entry, body, finished)
            elif entry["id"] in messages:
                event = entry["event"]
                name = event if isinstance(event, str) else next(iter(event))
                if name in ENDS:
                    for number in entry["recipients"]:
                        messages[entry["id"]][2][number] = True
    return messages


def main(folder, out):
    for name, (entry, body, finished) in sorted(read(folder).items()):
        if all(finished):
            continue
        large = entry.get("file")
        if large:
            body = (folder / "big" / f"{name}.eml").read_bytes()
            if (len(body), crc32c(body)) != (large["size"], large["crc32c"]):
                body = None
        recipients = [one["address"] for one in entry["envelope"]["recipients"]]
        waiting = [one for one, over in zip(recipients, finished) if not over]
        if body is None:
            print(json.dumps({"id": name, "waiting": waiting, "damaged": True}))
            continue
        (out / f"{name}.eml").write_bytes(body)
        print(json.dumps({"id": name, "waiting": waiting, "size": len(body)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
