"""A turn that waits for a person gives its place to others, however few places there are."""

from __future__ import annotations

from pathlib import Path

from tests.scenario.daemon_kit import world


async def test_a_question_that_nobody_answers_holds_up_no_other_turn(tmp_path: Path) -> None:
    async with world(tmp_path, env={"PHANTOM_TURN_CONCURRENCY": "1"}) as here:
        risky = await here.ask("approve deploying")
        question = await here.until(lambda: next((one for one in here.slack.replies(risky) if one.blocks), None))
        plain = await here.ask("meanwhile")
        await here.answered(plain, "heard: meanwhile", within=30)
        assert question.blocks
