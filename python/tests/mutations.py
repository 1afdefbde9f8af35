"""How indexes are mutated: by accident, and on purpose (`quick_mutations.py` reads them)."""

from binascii import crc32

MEMORY = 64 << 20
SECONDS = 1.0


# ---- by accident


def damaged(whole, choose):
    for _ in range(choose.choice((1, 1, 1, 2, 8))):
        at, length = choose.randrange(len(whole) + 1), choose.choice((1, 1, 2, 4, 16, 64, 512))
        there = whole[at : at + length]
        what = choose.randrange(7)
        if what == 0:
            new = bytes([byte ^ 1 << choose.randrange(8) for byte in there[:1]]) + there[1:]
        elif what == 1:
            new = bytes(len(there))
        elif what == 2:
            new = bytes([choose.randrange(256) for _ in there])
        elif what == 3:
            new = b""
        elif what == 4:
            new = there + there
        elif what == 5:
            start = choose.randrange(len(whole))
            new = whole[start : start + len(there)]
        else:
            return whole[:at]
        whole = whole[:at] + new + whole[at + length :]
    return whole


# ---- on purpose


def word(data, at):
    return int.from_bytes(data[at : at + 4], "little")


def fields(whole):
    """Where numbers stand that say where something is, how long it is, or how many there are."""
    body = 64 + 4 * word(whole, 24)
    directories, records = word(whole, 28), word(whole, 32)
    found = list(range(20, 60, 4))
    found += [body + 16 * row + at for row in range(directories) for at in (0, 4, 8)]
    for record in range(records):
        row = body + 16 * directories + 56 * record
        found += [row + at for at in range(0, 52, 4)]
        segment = body + word(whole, row)
        for size, rows in ((64, 16), (8, 16), (16, 20), (16, 24), (8, 24), (24, 28), (8, 48)):
            count = word(whole, row + rows)
            # A few rows of a long table stand for all.
            for number in list(range(min(count, 6))) + [count - 1] * (count > 6):
                found += [segment + number * size + at for at in range(0, size, 4)]
            segment += size * count
    return found


def lied(whole, places, choose):
    lie = bytearray(whole)
    for _ in range(choose.choice((1, 1, 2, 3, 6))):
        if choose.random() < 0.1:
            at = choose.randrange(64, len(lie))
            lie[at] = choose.choice((0, 0x2E, 0x2F, 0x80, 0xFF, choose.randrange(256)))
            continue
        at = choose.choice(places)
        here = word(whole, at)
        value = choose.choice(
            (0, 1, here + 1, here - 1, 2 * here, len(whole), 4096, 4097, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
            + (word(whole, choose.choice(places)), choose.getrandbits(32), choose.randrange(len(whole)))
        )
        lie[at : at + 4] = (value & 0xFFFFFFFF).to_bytes(4, "little")
    return repaired(lie, word(whole, 24))


def repaired(lie, blocks):
    """The same with right checksums, for so many blocks."""
    start = 64 + 4 * blocks
    for number in range(blocks):
        block = lie[start + 4096 * number : start + 4096 * (number + 1)]
        lie[64 + 4 * number : 68 + 4 * number] = crc32(block).to_bytes(4, "little")
    lie[16:20] = crc32(bytes(lie[20:64])).to_bytes(4, "little")
    return bytes(lie)


def too_long(*_):
    raise AssertionError("took more than a second of processor time")
