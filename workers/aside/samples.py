"""Some of a stream of ids, in memory that does not grow with it."""

from random import Random


class Sample:
    """Half of it the first of the stream, half drawn from all the others, each as likely."""

    def __init__(self, size: int, seed: str) -> None:
        """Of one stream the same `seed` draws the same ids."""
        self._first_size = (size + 1) // 2
        self._drawn_size = size - self._first_size
        self._first: list[str] = []
        self._drawn: list[str] = []
        self._others = 0
        self._random = Random(seed)  # noqa: S311 - nobody gains by guessing it

    def add(self, each: str) -> None:
        """Take the next of the stream into account."""
        if len(self._first) < self._first_size:
            self._first.append(each)
            return
        self._others += 1
        if len(self._drawn) < self._drawn_size:
            self._drawn.append(each)
        # Algorithm R (J. S. Vitter, Random Sampling with a Reservoir).
        elif (place := self._random.randrange(self._others)) < self._drawn_size:
            self._drawn[place] = each

    @property
    def ids(self) -> list[str]:
        """What the sample is by now, sorted."""
        return sorted([*self._first, *self._drawn])
