"""What a person types on the page's Discord side becomes what Discord stores."""

from __future__ import annotations

from phantom.dev.discord.typed import typed
from phantom.testing.fake_discord import FakeDiscord


def test_names_become_mentions_outside_code() -> None:
    fake = FakeDiscord()
    role = fake.add_role("Team")
    text = typed(fake, fake.guild, "@phantom ask @Team in #general, not @nobody, a@olivia.example or `@phantom`")
    assert text == (
        f"{fake.mention} ask {role.mention} in {fake.general.mention}, not @nobody, a@olivia.example or `@phantom`"
    )
    assert typed(fake, fake.guild, f"{fake.mention} as it is") == f"{fake.mention} as it is"
