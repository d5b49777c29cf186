from benchmarks import gpu
from benchmarks.__main__ import parse


def test_parts_follow_one_another_below_their_titles(monkeypatch):
    monkeypatch.setattr(gpu, "find", lambda options: (["tinynet", "torch"], ["GPU 0", "tinynet 1.0"]))
    asked = []

    class Part:
        def __init__(self, name):
            self.name = name

        def measure(self, names, options, facts):
            asked.append((self.name, names))
            facts.append(f"{self.name}: measured")
            return {f"{self.name} 1": "| a |", f"{self.name} 2": "| b |"}

    monkeypatch.setattr(gpu, "PARTS", {name: Part(name) for name in gpu.PARTS})
    facts = ["a processor"]
    text = gpu.run(parse(["gpu", "--parts", "memory,steps"]), facts)
    assert text == "### memory 1\n\n| a |\n\n### memory 2\n\n| b |\n\n### steps 1\n\n| a |\n\n### steps 2\n\n| b |"
    assert facts == ["a processor", "GPU 0", "tinynet 1.0", "memory: measured", "steps: measured"]
    assert asked == [("memory", ["tinynet", "torch"]), ("steps", ["tinynet", "torch"])]


def test_all_parts_and_precisions_are_measured_by_default(monkeypatch):
    monkeypatch.setenv("TINYNET_DATA", "data")
    options = parse(["gpu"])
    assert options.parts == ["steps", "layers", "memory", "scripts"]
    assert options.precisions == ["highest", "high"]
    assert options.peers == ["torch", "compiled"]
    assert (options.data_dir, options.seeds, options.repeats) == ("data", 10, 9)
