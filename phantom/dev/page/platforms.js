// The two adapters: what Slack and Discord do differently. Everything else on the page asks `platform()` and does not
// know which one it is.
//
// A platform has words: label, title(team), transports, place(channel) (the sign before its name), about(channel, names,
// me), welcome(channel, me, bot), badge(user), plain(text) (as typed, for editing), notice(message), spoken(message);
// messages: content, above, tools, emoji(name), reactionName(name), pick, threadsBeside, isDirect(channel),
// groups(places); the box: complete(text), send(what), commandStart, shortcut; and switches, connected, connections(),
// isActive(armed, controls), start().

import { discord } from "./discord.js";
import { slack } from "./slack.js";
import { state } from "./store.js";

const PLATFORMS = { slack, discord };

/** That of a side, by default of the one that is shown. */
export const platform = (name = state.side) => PLATFORMS[name] ?? slack;

export const all = Object.values(PLATFORMS);
