"""`workbench doctor`: what it prints for people and for programs."""

from __future__ import annotations

from workbench.cli.exits import Exit

DIGITS = ("digits-mlp", "--data", "digits")


def test_doctor_prints_times_and_causes(workbench) -> None:
    outcome = workbench("doctor", *DIGITS, "--weight-bits", "bits=8,method=nearest")
    assert outcome.code == Exit.OK, outcome.err
    lines = outcome.out.splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["torch", "onnx", "onnx-int8"]
    assert "yardstick" in lines[4]
    assert any("torch computes in float32" in line for line in lines)
    assert sum(line.startswith("   What to do: ") for line in lines) >= 1


def test_doctor_prints_one_object(workbench, tmp_path) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"format": 1, "steps": [{"step": "magnitude", "ratio": 0.5, "score": "magnitude"}]}')
    outcome = workbench("doctor", *DIGITS, "--against", str(other), "--batch", "8", "--json")
    assert outcome.code == Exit.OK, outcome.err
    found = outcome.json
    assert found["status"] == "ok"
    assert found["batch"] == 8
    assert found["recipe"]["steps"] == []
    assert [step["step"] for step in found["against"]["steps"]] == ["magnitude"]
    torch, onnx = found["runtimes"]
    assert (torch["name"], onnx["name"]) == ("torch", "onnx")
    assert torch["base"]["low"] <= torch["base"]["value"] <= torch["base"]["high"]
    assert torch["base"]["how"] == "measured"
    assert {"fc1", "fc2", "fc3"} <= set(found["layers"])


def test_a_batch_that_there_are_no_images_for_is_refused(workbench) -> None:
    outcome = workbench("doctor", *DIGITS, "--batch", "100000", "--json")
    assert outcome.code == Exit.REFUSED
    assert outcome.json["message"] == "the batch must be in [1, 600], the number of test images, got 100000"
