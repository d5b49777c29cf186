"""Measure the table of README.md: run every example with several seeds, and gather what it reached.

Looked for are the printed lines that hold a number against its figure, `test accuracy 0.8793 (tutorial: 0.8793)`.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

EXAMPLES = Path(__file__).parent
NEEDS_A_PHOTO = "classify_photo"
LINE = re.compile(r"^(.+) (-?\d+\.\d+) \((?:tutorial|expected): (.+)\)$", re.MULTILINE)

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("scripts", nargs="*", help="names such as quickstart; all that stand in README.md if there is none")
parser.add_argument("--seeds", type=int, default=5, help="seeds 0 to so many less one (5)")
parser.add_argument("--data-dir", help="folder of the data sets, instead of a download")
options = parser.parse_args()

environment = os.environ | ({"TINYNET_DATA": options.data_dir} if options.data_dir else {})
names = options.scripts or re.findall(r"^\| `(\w+)\.py` \|", (EXAMPLES / "README.md").read_text("utf-8"), re.MULTILINE)
print("| script | figure | tutorial | mean | lowest | highest |\n| --- | --- | --- | --- | --- | --- |")
for name in dict.fromkeys(name for name in names if name != NEEDS_A_PHOTO):
    found: dict[tuple[str, str], list[float]] = {}
    for seed in range(options.seeds):
        with tempfile.TemporaryDirectory() as pictures:
            command = [sys.executable, EXAMPLES / f"{name}.py", "--seed", str(seed), "--output-dir", pictures]
            printed = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, text=True).stdout
        for figure, value, tutorial in LINE.findall(printed):
            found.setdefault((figure, tutorial), []).append(float(value))
    for (figure, tutorial), values in found.items():
        cells = [statistics.mean(values), min(values), max(values)]
        print(f"| `{name}.py` | {figure} | {tutorial} | {' | '.join(f'{cell:.4f}' for cell in cells)} |", flush=True)
