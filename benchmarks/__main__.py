"""`python -m benchmarks COMMAND`: measure, print a markdown table, and keep it where --output says."""

import argparse
import sys
from pathlib import Path

from benchmarks import fit, gpu, growth, kernels, machine, memory, pipeline, report, start, train, transfer
from benchmarks.processes import WorkerError

COMMANDS = {
    "train": train,
    "memory": memory,
    "kernels": kernels,
    "growth": growth,
    "fit": fit,
    "pipeline": pipeline,
    "start": start,
    "transfer": transfer,
    "gpu": gpu,
}


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line; `options.module` is the chosen command's."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, module in COMMANDS.items():
        command = commands.add_parser(name, help=module.__doc__, description=module.__doc__)
        command.add_argument("--threads", type=int, default=2, help="cores and threads of each framework; default 2")
        command.add_argument("--output", type=Path, help="a markdown file that the table is put behind")
        module.add_options(command)
        command.set_defaults(module=module)
    return parser.parse_args(arguments)


def main() -> int:
    options = parse()
    machine.pin(options.threads)
    try:
        facts = machine.describe(options.threads)
        other_work = machine.OtherWork()
        table = options.module.run(options, facts)
    except WorkerError as error:
        print(error, file=sys.stderr)
        return 1
    share = other_work.share()
    if share is not None:
        judged = ": too much, measure again" if share > machine.BUSY else ""
        facts.append(f"other programs took {share:.0%} of the processor during the run{judged}")
    text = report.section(options.module.TITLE, facts, table)
    print(text)
    if options.output:
        report.append(options.output, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
