import subprocess
import sys

import pytest
from nbformat import v4, write

from nbtolerance import compare_outputs
from nbtolerance.sanitizing import read_patterns, sanitized


def test_texts_are_gone_over_and_the_structure_stays():
    outputs = [
        v4.new_output("stream", name="stdout", text="commit ffff\n"),
        v4.new_output("display_data", {"text/plain": "dada", "image/png": "abcd"}),
        v4.new_output("error", ename="dad", evalue="beef", traceback=["feed"]),
    ]
    cleaned = sanitized(outputs, {"[0-9a-f]{2,}": "HASH"})
    assert [output.output_type for output in cleaned] == ["stream", "display_data", "error"]
    assert cleaned[0].name == "stdout" and cleaned[0].text == "commit HASH\n"
    assert cleaned[1].data == {"text/plain": "HASH", "image/png": "abcd"}
    assert (cleaned[2].ename, cleaned[2].evalue, cleaned[2].traceback) == ("HASH", "HASH", ["feed"])
    assert outputs[0].text == "commit ffff\n" and sanitized(outputs, {}) is outputs


def test_a_warning_does_not_name_the_process():
    warning = "/tmp/ipykernel_{}/{}.py:2: UserWarning: careful\n"
    old, new = ([v4.new_output("stream", name="stderr", text=warning.format(*pair))] for pair in ((7, 26), (471, 9)))
    assert compare_outputs("x", old, new) == []
    other = [v4.new_output("stream", name="stderr", text=warning.format(7, 26).replace(":2:", ":3:"))]
    assert compare_outputs("x", old, other)


@pytest.mark.parametrize(
    "text, why", [("regex: a", "got none"), ("regex: (\nreplace: b\n", "unterminated"), (None, "No such")]
)
def test_a_file_that_is_no_list_of_patterns_is_named(tmp_path, text, why):
    if text is not None:
        (tmp_path / "clean.cfg").write_text(text)
    with pytest.raises(ValueError, match=f"expected .*(clean.cfg.*{why}|{why}.*clean.cfg)"):
        read_patterns(tmp_path / "clean.cfg")


def test_the_command_takes_a_file(tmp_path):
    for name, when in (("a", "10:11:12"), ("b", "22:23:24")):
        cell = v4.new_code_cell(
            "now()", outputs=[v4.new_output("stream", text=f"at {when}\x1b]0;title\x07")], execution_count=1
        )
        cell.id = "cell"
        write(v4.new_notebook(cells=[cell]), tmp_path / f"{name}.ipynb")
    (tmp_path / "clean.cfg").write_text("[time]\nregex: [0-9:]{8}\nreplace: TIME\n")

    def compare(*options):
        command = [sys.executable, "-m", "nbtolerance", "compare", *options, "a.ipynb", "b.ipynb"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    assert compare("--sanitize-with", "clean.cfg").stdout == "no differences\n"
    plain = compare()
    assert plain.returncode == 1 and "at 10:11:12\\x1b]0;title\\x07" in plain.stdout and "\x1b" not in plain.stdout
