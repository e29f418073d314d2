"""Makes Ogg files reproducible: replaces the random serial number of a stream by a chosen one."""

import struct

_POLYNOMIAL = 0x04C11DB7


def _crc_of_byte(value: int) -> int:
    crc = value << 24
    for _ in range(8):
        crc = (crc << 1) ^ (_POLYNOMIAL if crc & 0x80000000 else 0)
    return crc & 0xFFFFFFFF


_CRC = tuple(_crc_of_byte(value) for value in range(256))


def with_serial(data: bytes, serial: int) -> bytes:
    """An Ogg stream with its serial number replaced by `serial`, 0 to 2**32 - 1.

    Encoders draw the number at random, so equal audio gives unequal files. Each page's checksum covers it and is
    computed again.

    Source: RFC 3533, section 6 (page layout and checksum).
    """
    pages = []
    while data:
        n_segments = data[26]
        length = 27 + n_segments + sum(data[27 : 27 + n_segments])
        page = bytearray(data[:length])
        struct.pack_into("<I", page, 14, serial)
        struct.pack_into("<I", page, 22, 0)
        struct.pack_into("<I", page, 22, _crc(page))
        pages.append(bytes(page))
        data = data[length:]
    return b"".join(pages)


def _crc(page: bytes | bytearray) -> int:
    crc = 0
    for byte in page:
        crc = ((crc << 8) & 0xFFFFFFFF) ^ _CRC[(crc >> 24) ^ byte]
    return crc
