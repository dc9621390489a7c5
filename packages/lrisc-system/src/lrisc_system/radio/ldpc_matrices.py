"""The 1944-bit LDPC codes of IEEE 802.11 as the standard tabulates them.

A number is the right shift of an identity matrix of 81 x 81, a dash is a matrix of zeros.
Source: IEEE Std 802.11, Table F-3 (Table R.3 of 802.11n-2009).
"""

from fractions import Fraction

import numpy as np

LIFTING = 81  # Z of the standard: side of a block
NO_BLOCK = -1

_HALF = """
57  -  -  - 50  - 11  - 50  - 79  -  1  0  -  -  -  -  -  -  -  -  -  -
 3  - 28  -  0  -  -  - 55  7  -  -  -  0  0  -  -  -  -  -  -  -  -  -
30  -  -  - 24 37  -  - 56 14  -  -  -  -  0  0  -  -  -  -  -  -  -  -
62 53  -  - 53  -  -  3 35  -  -  -  -  -  -  0  0  -  -  -  -  -  -  -
40  -  - 20 66  -  - 22 28  -  -  -  -  -  -  -  0  0  -  -  -  -  -  -
 0  -  -  -  8  - 42  - 50  -  -  8  -  -  -  -  -  0  0  -  -  -  -  -
69 79 79  -  -  - 56  - 52  -  -  -  0  -  -  -  -  -  0  0  -  -  -  -
65  -  -  - 38 57  -  - 72  - 27  -  -  -  -  -  -  -  -  0  0  -  -  -
64  -  -  - 14 52  -  - 30  -  - 32  -  -  -  -  -  -  -  -  0  0  -  -
 - 45  - 70  0  -  -  - 77  9  -  -  -  -  -  -  -  -  -  -  -  0  0  -
 2 56  - 57 35  -  -  -  -  - 12  -  -  -  -  -  -  -  -  -  -  -  0  0
24  - 61  - 60  -  - 27 51  -  - 16  1  -  -  -  -  -  -  -  -  -  -  0
"""

_TWO_THIRDS = """
61 75  4 63 56  -  -  -  -  -  -  8  -  2 17 25  1  0  -  -  -  -  -  -
56 74 77 20  -  -  - 64 24  4 67  -  7  -  -  -  -  0  0  -  -  -  -  -
28 21 68 10  7 14 65  -  -  - 23  -  -  - 75  -  -  -  0  0  -  -  -  -
48 38 43 78 76  -  -  -  -  5 36  - 15 72  -  -  -  -  -  0  0  -  -  -
40  2 53 25  - 52 62  - 20  -  - 44  -  -  -  -  0  -  -  -  0  0  -  -
69 23 64 10 22  - 21  -  -  -  -  - 68 23 29  -  -  -  -  -  -  0  0  -
12  0 68 20 55 61  - 40  -  -  - 52  -  -  - 44  -  -  -  -  -  -  0  0
58  8 34 64 78  -  - 11 78 24  -  -  -  -  - 58  1  -  -  -  -  -  -  0
"""

_THREE_QUARTERS = """
48 29 28 39  9 61  -  -  - 63 45 80  -  -  - 37 32 22  1  0  -  -  -  -
 4 49 42 48 11 30  -  -  - 49 17 41 37 15  - 54  -  -  -  0  0  -  -  -
35 76 78 51 37 35 21  - 17 64  -  -  - 59  7  -  - 32  -  -  0  0  -  -
 9 65 44  9 54 56 73 34 42  -  -  - 35  -  -  - 46 39  0  -  -  0  0  -
 3 62  7 80 68 26  - 80 55  - 36  - 26  -  9  - 72  -  -  -  -  -  0  0
26 75 33 21 69 59  3 38  -  -  - 35  - 62 36 26  -  -  1  -  -  -  -  0
"""

_FIVE_SIXTHS = """
13 48 80 66  4 74  7 30 76 52 37 60  - 49 73 31 74 73 23  -  1  0  -  -
69 63 74 56 64 77 57 65  6 16 51  - 64  - 68  9 48 62 54 27  -  0  0  -
51 15  0 80 24 25 42 54 44 71 71  9 67 35  - 58  - 29  - 53  0  -  0  0
16 29 36 41 44 56 59 37 50 24  - 65  4 65 52  -  4  - 73 52  1  -  -  0
"""


def _parse(table: str) -> np.ndarray:
    rows = [line.split() for line in table.strip().splitlines()]
    return np.array([[NO_BLOCK if cell == "-" else int(cell) for cell in row] for row in rows])


BASE_MATRICES: dict[Fraction, np.ndarray] = {
    Fraction(1, 2): _parse(_HALF),
    Fraction(2, 3): _parse(_TWO_THIRDS),
    Fraction(3, 4): _parse(_THREE_QUARTERS),
    Fraction(5, 6): _parse(_FIVE_SIXTHS),
}
