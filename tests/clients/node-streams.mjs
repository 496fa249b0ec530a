// The JavaScript client's streams: exec, cp, port-forward, logs.
import assert from 'node:assert';
import fs from 'node:fs';
import net from 'node:net';
import { PassThrough } from 'node:stream';
import * as k8s from '@kubernetes/client-node';

const config = new k8s.KubeConfig();
config.loadFromDefault();

async function check(name, run) {
  try {
    await run();
    console.log(`ok - ${name}`);
  } catch (error) {
    console.log(`not ok - ${name}`);
    console.log(String(error.stack ?? error).replace(/^/gm, '# '));
  }
}

function collect() {
  const stream = new PassThrough();
  const pieces = [];
  stream.on('data', (piece) => pieces.push(piece));
  return { stream, text: () => Buffer.concat(pieces).toString() };
}

async function until(condition) {
  for (let i = 0; i < 500 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 20));
}

await check('exec', async () => {
  const out = collect();
  const err = collect();
  const status = await new Promise((resolve, reject) => {
    new k8s.Exec(config)
      .exec('default', 'p', 'c', ['sh', '-c', 'echo out; echo err >&2; exit 3'], out.stream, err.stream, null, false, resolve)
      .catch(reject);
  });
  assert.equal(status.status, 'Failure');
  assert.equal(status.reason, 'NonZeroExitCode');
  assert.equal(status.details.causes[0].message, '3');
  assert.equal(out.text(), 'out\n');
  assert.equal(err.text(), 'err\n');
});

// cpFromPod of this client packs with gzip and unpacks without: it works with no server.
await check('cp', async () => {
  fs.mkdirSync('from', { recursive: true });
  fs.mkdirSync('to', { recursive: true });
  fs.writeFileSync('from/file', 'copied');
  await new k8s.Cp(config).cpToPod('default', 'p', 'c', 'from', `${process.cwd()}/to`);
  await until(() => fs.existsSync('to/file') && fs.statSync('to/file').size > 0); // it resolves when the copying begins
  assert.equal(fs.readFileSync('to/file').toString(), 'copied');
});

await check('port-forward', async () => {
  const forward = new k8s.PortForward(config);
  const server = net.createServer((socket) => forward.portForward('default', 'p', [80], socket, null, socket));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = net.connect(server.address().port, '127.0.0.1');
  client.write('through the tunnel');
  const answer = await new Promise((resolve) => client.once('data', resolve));
  assert.equal(answer.toString(), 'through the tunnel');
  client.destroy();
  server.close();
});

await check('logs', async () => {
  const out = collect();
  const done = new Promise((resolve) => out.stream.on('end', resolve));
  await new k8s.Log(config).log('default', 'p', 'c', out.stream, {});
  await done;
  assert.equal(out.text(), 'the log of p/c\n');
});

console.log('done');
process.exit(0);
