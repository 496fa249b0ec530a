// A server of gRPC's health protocol, for test-probe. Says its port on standard output; ends with its standard input.
'use strict';
const http2 = require('http2');

const FRAME_HEADER = 5;
const SERVING = 1;
const NOT_SERVING = 2;

function service(body) {
  // HealthCheckRequest {1: string}, none when it is empty
  return body.length > FRAME_HEADER ? body.subarray(FRAME_HEADER + 2).toString() : '';
}

function answer(stream, status, serving, message) {
  stream.respond({':status': 200, 'content-type': 'application/grpc'}, {waitForTrailers: true});
  stream.on('wantTrailers', () => stream.sendTrailers({'grpc-status': String(status), 'grpc-message': message || ''}));
  stream.end(serving ? Buffer.from([0, 0, 0, 0, 2, 8, serving]) : undefined);
}

const server = http2.createServer();
server.on('stream', (stream, headers) => {
  const parts = [];
  stream.on('data', (part) => parts.push(part));
  stream.on('end', () => {
    const body = Buffer.concat(parts);
    const name = service(body);
    const right = headers[':path'] === '/grpc.health.v1.Health/Check' && headers.te === 'trailers' &&
      headers['user-agent'].startsWith('kube-probe/') && body.readUInt32BE(1) === body.length - FRAME_HEADER;
    if (!right) answer(stream, 3, 0, 'no such call');
    else if (name === '' || name === 'well') answer(stream, 0, SERVING);
    else if (name === 'sick') answer(stream, 0, NOT_SERVING);
    else if (name === 'old') answer(stream, 12, 0, 'unknown service');
    else if (name !== 'slow') answer(stream, 5, 0, 'unknown%20service');
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.on('end', () => process.exit(0)).resume();
