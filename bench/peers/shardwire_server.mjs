// The npm package's own bridge server over a Discord of ours:
//     node shardwire_server.mjs PACKAGE_FOLDER PORT REST_URL TOKEN SECRET
// discord.js takes its REST address, and from there its gateway's, from the options that `@discordjs/rest` starts with.
// There it is also told not to hold itself back to fifty calls a second. Everything else is as it comes.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, port, rest, token, secret] = process.argv.slice(2);
const fromThere = createRequire(join(folder, 'package.json'));
const fromDiscordJs = createRequire(fromThere.resolve('discord.js'));
const { DefaultRestOptions } = fromDiscordJs('@discordjs/rest');
DefaultRestOptions.api = rest;
DefaultRestOptions.globalRequestsPerSecond = 1e9;

const fileOf = (entry) => (typeof entry === 'string' ? entry : fileOf(entry.import ?? entry.node ?? entry.default));
const { exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
const { createBotBridge } = await import(pathToFileURL(join(folder, fileOf(exports['.']))));
const bridge = createBotBridge({
  token,
  intents: [
    'Guilds', 'GuildMembers', 'GuildMessages', 'MessageContent', 'GuildMessageReactions', 'GuildMessageTyping',
    'GuildWebhooks', 'GuildVoiceStates', 'DirectMessages',
  ],
  server: { host: '127.0.0.1', port: Number(port), secrets: [secret] },
});
process.on('SIGTERM', () => bridge.close().finally(() => process.exit(0)));
await bridge.ready();
process.stdout.write('ready\n');
