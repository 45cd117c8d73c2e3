"""When a leader of a whole cluster resigns: failed checks, stalled loops, its operator."""

from __future__ import annotations

from tests.ha.play import Play


def test_a_leader_with_failed_checks_resigns_when_a_standby_is_eligible() -> None:
    play = Play()
    leader = play.start()
    leader.unhealthy_until = play.world.now + 600
    play.pass_time(60)
    assert play.leaders() == play.others(leader)


def test_a_leader_with_failed_checks_continues_when_no_standby_is_eligible() -> None:
    play = Play()
    leader = play.start()
    for machine in play.machines:
        machine.unhealthy_until = play.world.now + 300
    play.pass_time(299)
    assert play.leaders() == [leader]
    assert "no eligible standby" in play.view(leader).why


def test_a_leader_with_a_stalled_loop_loses_the_lease() -> None:
    play = Play()
    leader = play.start()
    leader.wedged_until = play.world.now + 600
    play.pass_time(40)
    assert leader not in play.leaders()
    play.pass_time(30)
    assert play.leaders() == play.others(leader)


def test_a_leader_resigns_when_its_operator_asks() -> None:
    play = Play()
    leader = play.start()
    assert leader.process is not None
    leader.process.member.order_resign()
    play.pass_time(45)
    assert play.leaders() == play.others(leader)


def test_an_agent_that_resigned_after_a_long_drain_holds_back() -> None:
    play = Play()
    leader = play.start()
    leader.drain_seconds = 200.0  # longer than a resigned agent holds back
    assert leader.process is not None
    leader.process.member.order_resign()
    play.pass_time(199)
    assert play.view(leader).role == "draining"
    play.pass_time(20)
    assert play.leaders() == play.others(leader)


def test_a_single_agent_that_resigned_leads_again_after_a_while() -> None:
    play = Play(1)
    leader = play.start()
    assert leader.process is not None
    leader.process.member.order_resign()
    play.pass_time(50)
    assert play.leaders() == []
    play.until_led(60)


def test_an_agent_with_paused_intake_is_not_eligible_and_reports_it() -> None:
    play = Play()
    leader = play.start()
    (other,) = play.others(leader)
    assert other.process is not None
    other.process.member.order_intake(False)
    play.pass_time(40)
    assert (play.record(other).eligible, play.record(other).reasons) == (False, ("its intake is paused",))
    leader.kill()
    play.pass_time(200)
    assert play.leaders() == []
    other.process.member.order_intake(True)
    play.until_led(20)
