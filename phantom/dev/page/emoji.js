// The few emoji that a workspace with an agent needs, by their Slack names. Unknown names stay as they were written.

const NAMES = {
  "+1": "👍", thumbsup: "👍", "-1": "👎", thumbsdown: "👎", eyes: "👀", white_check_mark: "✅", heavy_check_mark: "✔️", x: "❌",
  heart: "❤️", tada: "🎉", joy: "😂", smile: "😄", slightly_smiling_face: "🙂", thinking_face: "🤔", wave: "👋",
  hourglass: "⌛", hourglass_flowing_sand: "⏳", gear: "⚙️", hammer_and_wrench: "🛠️", wrench: "🔧", brain: "🧠",
  warning: "⚠️", information_source: "ℹ️", octagonal_sign: "🛑", no_entry: "⛔", rotating_light: "🚨", zap: "⚡",
  turtle: "🐢", snail: "🐌", zzz: "💤", inbox_tray: "📥", envelope: "✉️", speech_balloon: "💬", memo: "📝", mag: "🔍",
  robot_face: "🤖", ghost: "👻", fire: "🔥", rocket: "🚀", bulb: "💡", lock: "🔒", star: "⭐", clock1: "🕐", stopwatch: "⏱️",
  arrows_counterclockwise: "🔄", cry: "😢", pray: "🙏", ok_hand: "👌", raised_hand: "✋", question: "❓", exclamation: "❗",
};

export const emoji = (name) => NAMES[name.split("::")[0]] ?? null;

/** The Slack name of a character: what to call it where there is no other name. */
export const EMOJI = Object.fromEntries(Object.entries(NAMES).map(([name, char]) => [char, name]));

/** What Slack's reaction picker offers. */
export const PICK = ["+1", "-1", "white_check_mark", "eyes", "heart", "tada", "joy", "thinking_face"];
