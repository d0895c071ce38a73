"""The witness, the checker and the plan can fail: what they must see, they see."""

from __future__ import annotations

from pathlib import Path

from tests.faults.__main__ import plain_name, read_report, table
from tests.faults.checker import meetings
from tests.faults.walkplan import plan
from tests.faults.witness import Witness


def told(folder: Path, *lines: str) -> Witness:
    witness = Witness(folder)
    witness.path.write_text("".join(f"{line}\n" for line in lines))
    return witness


def test_one_script_after_the_other_is_fine(tmp_path):
    witness = told(tmp_path, "start 1 1 50 10.0", "alive 1 1 50 11.0", "start 1 2 60 11.5", "end 1 2 60 12.0")
    assert not list(meetings(witness))
    assert witness.most_at_once() == 1


def test_two_scripts_of_one_run_at_a_time_are_seen(tmp_path):
    witness = told(tmp_path, "start 1 1 50 10.0", "start 1 2 60 10.5", "alive 1 1 50 11.0")
    assert "0.50 s before the end of 1.1" in next(meetings(witness))
    assert witness.most_at_once() == 2


def test_an_attempt_that_starts_twice_is_seen(tmp_path):
    witness = told(tmp_path, "start 1 1 50 10.0", "end 1 1 50 10.1", "start 1 1 51 10.2")
    assert "did not start once" in next(meetings(witness))


def test_a_script_that_meets_an_earlier_one_of_its_run_is_seen(tmp_path):
    witness = told(tmp_path, "start 1 1 50 10.0", "start 1 2 60 10.5", "overlap 1 2 60 10.6")
    assert "found an earlier script of its run alive" in next(meetings(witness))


def test_scripts_of_different_runs_may_meet(tmp_path):
    witness = told(tmp_path, "start 1 1 50 10.0", "start 2 1 60 10.5", "end 1 1 50 11.0", "end 2 1 60 11.0")
    assert not list(meetings(witness))


def test_the_seed_alone_gives_the_walk():
    assert plan(7, 600, has_server=True) == plan(7, 600, has_server=True)
    assert plan(7, 600, has_server=True) != plan(8, 600, has_server=True)


def test_what_the_walk_takes_away_comes_back():
    for seed in range(20):
        steps = plan(seed, 300, has_server=True)
        for away, back in (("kill", "start"), ("freeze", "resume"), ("broker_freeze", "broker_up")):
            last = max((step.at for step in steps if step.action == away), default=0)
            assert any(step.at >= last for step in steps if step.action == back) or not last


def test_a_file_has_no_server_to_take_away():
    assert not [step for step in plan(7, 600, has_server=False) if step.action.startswith("database")]


def test_a_failing_checker_makes_its_test_fail_in_the_table(tmp_path):
    report = tmp_path / "report.xml"
    report.write_text(
        '<testsuites><testsuite><testcase classname="tests.faults.test_a" name="test_it_holds[postgres-4]"/>'
        '<testcase classname="tests.faults.test_a" name="test_it_holds[postgres-4]"><error/></testcase>'
        '<testcase classname="tests.faults.test_a" name="test_left_out"><skipped/></testcase></testsuite></testsuites>'
    )
    assert [verdict for _name, verdict in read_report(report)] == ["passed", "failed", "skipped"]
    assert plain_name("test_it_holds[postgres-4]") == "it holds (4)"
    assert "1 failed" in table({"a: it holds (4)": {"postgres": "failed"}}, ["postgres"])
