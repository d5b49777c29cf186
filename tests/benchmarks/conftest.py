import sys
from pathlib import Path

# The benchmarks are no installed package; behind everything else, so that tinynet stays the installed one.
sys.path.append(str(Path(__file__).resolve().parents[2]))
