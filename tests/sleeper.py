"""What the tests of the benches measure."""


class Sleeper:
    """A program that says how long its steps take instead of taking it, and notes how many it is asked for."""

    def __init__(self, seconds: float, number: float = 1.0) -> None:
        self.seconds, self.number = seconds, number
        self.asked: list[int] = []

    def losses(self, steps: int) -> list[float]:
        return [self.number] * steps

    def run(self, steps: int) -> dict[str, float]:
        self.asked.append(steps)
        return {"step": self.seconds * steps}
