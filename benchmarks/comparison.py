"""How the time of nbtolerance's comparison grows with the length of hostile text: 5 MB against a quarter of it.

Each text is compared with itself but for one character at its end, under a tolerance. What counts is the growth: 4 for
four times as much text is linear, 16 is the square.
"""

import argparse
import statistics
import time

from nbtolerance import compare_outputs

PIECES = {
    "digits in lines": "0123456789" * 8 + "\n",
    "floats in lines": "-1.5 -2.5\n",
    "thousands": "1,234,567.5\n",
    "exponents": "1e+05\n",
    "arrays": "[1.5 2.5]\n",
    "opened brackets": "[",
    "opened parentheses": "(0.5 ",
    "nan": "nan ",
    "minus": "-",
    "colours": "\x1b[92m1.5\x1b[0m ",
    "escapes": "\x1b[",
    "erasures": "a\x1b[2K",
    "carriage returns": "10%\r",
    "backspaces": "a\b",
    "<style>": "<style>",
    "<script>": "<script>",
    "opened tags": "<",
    "table": "<tr><td>1.5</td></tr>",
    "prose": "a line of words without a number\n",
}
BOUND = {"nbtolerance": {"atol": 0.1, "lines": {"Epoch 0": {"atol": 0.5}}}}


def seconds(text, mime):
    """Processor time of one comparison."""
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": shown}
        if mime == "text/plain"
        else {"output_type": "display_data", "metadata": {}, "data": {mime: shown}}
        for shown in (text, f"{text}x")
    ]
    begin = time.process_time()
    assert compare_outputs("", outputs[:1], outputs[1:], BOUND), "the difference at the end is found"
    return time.process_time() - begin


def main(tiny=False):
    """Print a row for each text."""
    size, rounds = (50_000, 1) if tiny else (5_000_000, 3)
    print(f"{'text':20} {'as':6} {'a quarter':>10} {size / 1e6:>8g} MB  growth")
    for name, piece in PIECES.items():
        for mime in ("text/plain", "text/html"):
            lengths = (size // 4 // len(piece), size // len(piece))
            quarter, whole = (
                statistics.median(seconds("0.5" + piece * n, mime) for _ in range(rounds)) for n in lengths
            )
            row = f"{name:20} {mime[5:]:6} {quarter:9.2f}s {whole:10.2f}s  {whole / max(quarter, 1e-3):5.1f}"
            print(row, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="50 kB, once: for a first try")
    main(parser.parse_args().tiny)
