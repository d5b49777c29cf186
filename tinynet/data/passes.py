"""What happens during one pass over a dataset: shuffling tickets, fetching elements, working ahead."""

import itertools
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinynet.data.elements import Element

DRAWS = 1024
TOLD = 10  # of many errors
WORTH_A_THREAD = 1e-4  # seconds a call: below, starting threads costs more than they save


def shuffled(tickets: Iterator[Any], buffer_size: int, generator: np.random.Generator) -> Iterator[Any]:
    """Yield a random place of the buffer and put the next ticket there; at the end, the rest in random order."""
    buffer = list(itertools.islice(tickets, buffer_size))
    for ticket, place in zip(tickets, _places(len(buffer), generator), strict=False):
        yield buffer[place]
        buffer[place] = ticket
    for place in generator.permutation(len(buffer)).tolist():
        yield buffer[place]


def _places(n: int, generator: np.random.Generator) -> Iterator[int]:
    # Many numbers from one call: a call costs far more than a number.
    while True:
        yield from generator.integers(n, size=DRAWS).tolist()


def itself(element: Element) -> Element:
    """Fetch nothing: for datasets whose tickets are the elements themselves."""
    return element


def fetch_all(fetch: Callable[[Any], Element], tickets: list[Any], threads: int) -> list[Element]:
    """Fetch each ticket's element, in order; if that takes long, each thread takes one stretch of the tickets."""
    start = time.perf_counter()
    elements = [fetch(tickets[0])]
    rest = tickets[1:]
    threads = min(threads, len(rest))
    if threads <= 1 or time.perf_counter() - start < WORTH_A_THREAD:
        return elements + [fetch(ticket) for ticket in rest]
    from concurrent.futures import ThreadPoolExecutor

    stretch = -(-len(rest) // threads)
    stretches = [rest[i : i + stretch] for i in range(0, len(rest), stretch)]
    # A pool for each batch: threads that outlive it would be missing after a fork, and waited for in vain.
    with ThreadPoolExecutor(threads) as pool:
        for part in pool.map(lambda part: [fetch(ticket) for ticket in part], stretches):
            elements += part
    return elements


def fetch_each(fetch: Callable[[Any], Element], tickets: Iterator[Any], threads: int) -> Iterator[Element]:
    """Yield each ticket's element in order; if fetching takes long, so many threads work ahead.

    As many tickets are taken ahead if it does not, so that no order of shuffling hangs on the time.
    """
    if threads > 1:
        for ticket in tickets:
            start = time.perf_counter()
            element = fetch(ticket)
            takes_long = time.perf_counter() - start >= WORTH_A_THREAD
            yield element
            if takes_long:
                yield from run_ahead(fetch, tickets, threads, threads)
                return
            break
        waiting = deque(itertools.islice(tickets, threads))
        for ticket in tickets:
            waiting.append(ticket)
            yield fetch(waiting.popleft())
        tickets = waiting
    for ticket in tickets:
        yield fetch(ticket)


def run_ahead(
    fetch: Callable[[Any], Element], tickets: Iterator[Any], depth: int, threads: int = 1
) -> Iterator[Element]:
    """Yield each ticket's element in order, `depth` of them under way, or as many as there are threads.

    Tickets are taken in the consumer's thread, a fixed number ahead, so that shuffling stays reproducible.
    """
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(threads, "tinynet-prefetch")
    under_way = deque()
    try:
        for ticket in tickets:
            under_way.append(pool.submit(fetch, ticket))
            if len(under_way) > max(depth, threads):
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:  # also when the consumer stops early
        pool.shutdown(cancel_futures=True)


def sound(fetch: Callable[[Any], Element], tickets: Iterator[Any], threads: int, warn: bool) -> list[Any]:
    """Fetch everything once, and return the tickets whose elements can be made.

    Raises
    ------
    ValueError
        If none can.
    """

    def attempt(ticket: Any) -> tuple[Any, Exception | None]:
        try:
            fetch(ticket)
        except (ValueError, OSError) as error:
            return ticket, error
        return ticket, None

    kept, errors = [], []
    for number, (ticket, error) in enumerate(fetch_each(attempt, tickets, threads)):
        if error is None:
            kept.append(ticket)
        else:
            errors.append((number, error))
    if errors and not kept:
        raise ValueError(f"Dataset.ignore_errors: no element can be made. Received: {errors[0][1]}") from errors[0][1]
    if errors and warn:
        warnings.warn(
            f"Dataset.ignore_errors leaves out {len(errors)} of {len(errors) + len(kept)} elements: {_listed(errors)}",
            stacklevel=4,
        )
    return kept


def _listed(errors: list[tuple[int, Exception]]) -> str:
    told = [f"element {number} ({error})" for number, error in errors[:TOLD]]
    return "; ".join(told + [f"and {len(errors) - TOLD} more"] * (len(errors) > TOLD))
