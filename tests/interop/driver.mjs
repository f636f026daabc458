// Drives the npm client `shardwire` for the interop tests: commands come as JSON lines on stdin, answers and events go
// as JSON lines to stdout. One process holds any number of clients; each command names the `app` that it is for.
//
//     node driver.mjs PACKAGE_FOLDER
//
// In:   {id, app, op, ...}: open {options} · on {event, filter?, handler?} · off {event, handler?} · ready {options?}
//       · act {action, params, options?} · raw {method, args?} · preflight {desired?} · explain {kind, name} · state
//       · catalog · scope {manifest} · diagnose {manifest, negotiated, options} · close
// Out:  {id, value} or {id, error: {name, message, code?, details?, report?}} · {app, event, handler, data} for each
//       call of a handler · {app, log, message} for what the client logs.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const home = resolve(process.argv[2]);
const described = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'));
const fromThere = createRequire(join(home, 'package.json'));

function fileOf(entry) {
  if (typeof entry === 'string') return entry;
  const next = entry.import ?? entry.node ?? entry.default;
  if (next === undefined) throw new Error('shardwire/client has no ES module');
  return fileOf(next);
}

if (typeof globalThis.WebSocket !== 'function') globalThis.WebSocket = fromThere('ws').WebSocket;
const client = await import(pathToFileURL(join(home, fileOf(described.exports['./client']))));

const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const apps = new Map();

class App {
  constructor(name, options) {
    this.name = name;
    this.handlers = new Map();
    const logger = {};
    for (const level of ['debug', 'info', 'warn', 'error']) {
      logger[level] = (message) => print({ app: name, log: level, message: String(message) });
    }
    this.client = client.connectBotBridge({ logger, ...options });
  }

  handler(event, label) {
    const key = label ?? event;
    if (!this.handlers.has(key)) {
      this.handlers.set(key, (data) => print({ app: this.name, event, handler: key, data }));
    }
    return this.handlers.get(key);
  }
}

const one = (command) => {
  const app = apps.get(command.app);
  if (app === undefined) throw new Error(`no app ${command.app}`);
  return app;
};
const manifestOf = (options) =>
  options?.manifest ? { ...options, manifest: client.defineShardwireApp(options.manifest) } : options;

const operations = {
  open: (c) => void apps.set(c.app, new App(c.app, c.options)),
  on: (c) => void one(c).client.on(c.event, one(c).handler(c.event, c.handler), c.filter),
  off: (c) => void one(c).client.off(c.event, one(c).handler(c.event, c.handler)),
  ready: (c) => one(c).client.ready(manifestOf(c.options)),
  act: (c) => one(c).client.actions[c.action](c.params, c.options),
  raw: (c) => one(c).client.raw(c.method, c.args),
  preflight: (c) => one(c).client.preflight(c.desired),
  explain: (c) => one(c).client.explainCapability({ kind: c.kind, name: c.name }),
  state: (c) => ({
    connected: one(c).client.connected(),
    connectionId: one(c).client.connectionId(),
    capabilities: one(c).client.capabilities(),
  }),
  catalog: (c) => one(c).client.catalog(),
  scope: (c) => client.generateSecretScope(client.defineShardwireApp(c.manifest)),
  diagnose: (c) => client.diagnoseShardwireApp(c.manifest, c.negotiated, c.options),
  close: (c) => one(c).client.close(),
};

async function perform(command) {
  try {
    const value = await operations[command.op](command);
    print({ id: command.id, value: value ?? null });
  } catch (error) {
    const { code, details, report } = error;
    print({ id: command.id, error: { name: error.name, message: error.message, code, details, report } });
  }
}

print({ version: described.version });
createInterface({ input: process.stdin })
  .on('line', (line) => perform(JSON.parse(line)))
  .on('close', () => process.exit(0));
