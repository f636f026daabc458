// What Discord's message box understands: commands as they are registered, with their options and the app's suggestions
// (`/phantom ask question: why? conversation: …`), @people, @roles and #channels, replies, posts in a forum.

import { request } from "./act.js";
import { opened } from "./discord_form.js";
import { goTo, state } from "./store.js";

const chosen = new Map(); // what a suggestion shows -> what it stands for

const typedCommands = () => state.commands.filter((one) => one.type === 1);

/** The command, word and options in `text`; null when it names none that is registered. */
function parse(text) {
  const [, name, rest] = /^\/([\w-]+)\s*([^]*)$/.exec(text) ?? [];
  const command = typedCommands().find((one) => one.name === name);
  if (!command) return null;
  const word = command.words.find((one) => one.name === /^\S*/.exec(rest)[0]);
  return { command, word, rest: word ? rest.slice(word.name.length).trim() : rest.trim() };
}

/** `question: why? conversation: x` as values; text without a name is the first option's. */
function optionsIn(text, word) {
  const names = word.options.map((option) => option.name);
  if (!names.length) return {};
  const values = {};
  const parts = text.split(new RegExp(`(?:^|\\s)(${names.join("|")}):`));
  if (parts[0].trim()) values[names[0]] = parts[0].trim();
  for (let at = 1; at < parts.length; at += 2) values[parts[at]] = chosen.get(parts[at + 1].trim()) ?? parts[at + 1].trim();
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value));
}

/** Offers for the text before the cursor: a list, or a promise of one; null where none is meant. */
export function complete(value) {
  if (!value.startsWith("/")) return null;
  const option = /(?:^|\s)([\w-]+):\s?([^:]*)$/.exec(value);
  const found = parse(value);
  const asked = option && found?.word?.options.find((one) => one.name === option[1] && one.suggests);
  if (asked) return suggested(found, asked.name, option[2], value.length - option[2].length);
  if (found?.word) return unnamed(found, value);
  return typedCommands()
    .flatMap((one) => one.words.map((word) => ({ text: `/${one.name} ${word.name}${word.options.length ? " " : ""}`, about: word.about, from: 0 })))
    .filter(({ text }) => text.startsWith(value) && text.trim() !== value);
}

/** The options that are not there yet, once something stands for the first. */
function unnamed({ word, rest }, value) {
  const given = optionsIn(rest, word);
  if (!rest || !value.endsWith(" ")) return [];
  return word.options.filter((one) => !(one.name in given)).map((one) => ({ text: `${one.name}: `, about: one.about, from: value.length }));
}

async function suggested({ command, word }, option, value, from) {
  const { choices } = await request("suggest", { channel: state.place, name: command.name, word: word.name, option, value });
  for (const choice of choices) chosen.set(choice.name, String(choice.value));
  return choices.filter((choice) => choice.name !== value).map((choice) => ({ text: choice.name, about: "", from }));
}

/** Send what stands in the box. */
export function send({ text, files, answering, ping, title }) {
  const channel = state.place;
  if (title !== null) return request("forum_post", { channel, title, text }).then(({ place }) => goTo(place));
  if (text.startsWith("/") && !files.length) return command(text);
  return request("post", { channel, text, answers: answering?.id ?? null, ping, files: files.map((file) => file.id) });
}

function command(text) {
  const found = parse(text);
  const known = typedCommands().map((one) => `/${one.name}`).join(", ");
  if (!known) throw new Error("The daemon has not registered its commands yet: press Enter again in a moment.");
  if (!found) throw new Error(`${text.split(/\s/)[0]} is not installed here; ${known} is.`);
  const { command: one, word, rest } = found;
  if (!word) throw new Error(`/${one.name} needs one of: ${one.words.map((each) => each.name).join(", ")}`);
  return request("command", { channel: state.place, name: one.name, word: word.name, options: optionsIn(rest, word) }).then(opened);
}
