// A container runtime's CRI, as far as its events go, for test-cri: one container, c1 of the sandbox s1, which runs until
// it is told otherwise. MODE `events`: it tells of what happens; `silent`: it does not know that call. Commands come as
// lines on standard input: exit, drop (ends the connections). Usage: cri-server.js SOCKET MODE
'use strict';
const http2 = require('http2');
const readline = require('readline');

const [socket, mode] = process.argv.slice(2);
const RUNNING = 1, EXITED = 2, STOPPED_EVENT = 2;
const listeners = new Set(), sessions = new Set();
let state = RUNNING;

const varint = (number, value) => Buffer.from([number << 3, value]);
const bytes = (number, value) => Buffer.concat([Buffer.from([(number << 3) | 2, value.length]), Buffer.from(value)]);

function frame(message) {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function answer(stream, message, status, text) {
  stream.respond({':status': 200, 'content-type': 'application/grpc'}, {waitForTrailers: true});
  stream.on('wantTrailers', () => stream.sendTrailers({'grpc-status': String(status || 0), 'grpc-message': text || ''}));
  stream.end(message && frame(message));
}

const event = () => frame(Buffer.concat([bytes(1, 'c1'), varint(2, STOPPED_EVENT)]));

const methods = {
  ListContainers: (stream) => answer(stream, bytes(1, Buffer.concat([bytes(1, 'c1'), bytes(2, 's1'), varint(6, state)]))),
  GetContainerEvents: (stream) => {
    if (mode === 'silent') return answer(stream, null, 12, 'unknown method GetContainerEvents');
    stream.respond({':status': 200, 'content-type': 'application/grpc'});
    listeners.add(stream);
    stream.on('close', () => listeners.delete(stream));
    console.log('subscribed');
  },
  Large: (stream) => answer(stream, Buffer.alloc(100)),
  Refuse: (stream) => answer(stream, null, 5, 'no such%20thing'),
  Hang: () => {},
};

const server = http2.createServer();
server.on('session', (session) => {
  sessions.add(session);
  session.on('close', () => sessions.delete(session));
});
server.on('stream', (stream, headers) => {
  stream.on('error', () => {});
  const method = methods[headers[':path'].split('/').pop()];
  stream.resume().on('end', () => (method ? method(stream) : answer(stream, null, 12, 'unknown method')));
});
server.listen(socket, () => console.log('ready'));
readline.createInterface({input: process.stdin}).on('line', (line) => {
  if (line === 'exit') {
    state = EXITED;
    for (const stream of listeners) stream.write(event());
  } else if (line === 'drop') {
    for (const session of sessions) session.destroy();
  }
}).on('close', () => process.exit(0));
