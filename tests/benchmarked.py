"""A benchmark's script run for a first try, as its test wants it."""

import json
import subprocess
import sys


def tiny(script, folder):
    """What a script saves and prints with ``--tiny``, run in an empty folder; it leaves and says nothing else."""
    output = folder / "table.json"
    command = [sys.executable, str(script), "--tiny", "--output", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(folder.iterdir()) == [output]
    return json.loads(output.read_text(encoding="utf-8")), done.stdout
