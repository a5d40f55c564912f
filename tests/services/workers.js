#!/usr/bin/env node
// node with timers, an HTTP server and its clients over kept connections, a unix socket, and
// workers: all at work while they are saved and restored.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const net = require('net');
const path = require('path');
const { Worker, isMainThread, parentPort } = require('worker_threads');

const dir = process.env.VICTIM_DIR;

// Random bytes of the kernel: the generators in memory are the same in each copy.
function unique() {
  const bytes = Buffer.alloc(8);
  const file = fs.openSync('/dev/urandom');
  fs.readSync(file, bytes);
  fs.closeSync(file);
  return bytes.toString('hex');
}

function announce(name, text) {
  const draft = path.join(dir, `${name}.${unique()}`);
  fs.writeFileSync(draft, text);
  try {
    fs.linkSync(draft, path.join(dir, name));
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  if (name === 'result') fs.renameSync(draft, `${draft}.all`);
  else fs.unlinkSync(draft);
}

function end(text) {
  announce('result', text);
  process.exit(text === 'ok' ? 0 : 1);
}

function expect(condition, what) {
  if (!condition) end(`workers.js: ${what}`);
}

// A worker adds one to what it is sent, by way of some hashing.
if (!isMainThread) {
  parentPort.on('message', ({ number, text }) => {
    const digest = crypto.createHash('sha256').update(text).digest('hex');
    parentPort.postMessage({ number: number + 1, digest });
  });
  return;
}

process.on('uncaughtException', (error) => end(`workers.js: ${error.stack}`));

const steps = { http: 0, unix: 0, worker: 0, timer: 0, file: 0 };
const text = 'x'.repeat(20000);
const digest = crypto.createHash('sha256').update(text).digest('hex');

function ask(agent) {
  http.get({ host: '127.0.0.1', port: 8081, path: `/${steps.http}`, agent }, (response) => {
    const parts = [];
    response.on('data', (part) => parts.push(part));
    response.on('end', () => {
      const [url, body] = Buffer.concat(parts).toString().split('\n');
      expect(url === `/${steps.http}` && body === text, `HTTP: ${url}`);
      steps.http++;
      expect(connections === 1, 'the HTTP client has connected again');
      ask(agent);
    });
  });
}

let connections = 0;
function startHttp() {
  const server = http.createServer((request, response) => response.end(`${request.url}\n${text}`));
  server.on('connection', () => connections++);
  server.keepAliveTimeout = 0;
  server.listen(8081, '127.0.0.1', () => ask(new http.Agent({ keepAlive: true, maxSockets: 1 })));
}

function startUnix() {
  const server = net.createServer((peer) => peer.pipe(peer));
  server.listen('\0workers', () => {
    const client = net.connect('\0workers', () => client.write('0\n'));
    let line = '';
    client.on('data', (data) => {
      line += data;
      if (!line.endsWith('\n')) return;
      expect(line === `${steps.unix}\n`, `unix socket: ${line}`);
      line = '';
      steps.unix++;
      client.write(`${steps.unix}\n`);
    });
  });
}

function startWorkers() {
  for (let n = 0; n < 2; n++) {
    const worker = new Worker(__filename);
    let number = 0;
    worker.on('message', (answer) => {
      expect(answer.number === number + 1 && answer.digest === digest, 'a worker is wrong');
      number = answer.number;
      steps.worker++;
      worker.postMessage({ number, text });
    });
    worker.postMessage({ number, text });
  }
}

async function writeFiles() {
  const file = path.join(process.env.SERVICE_DATA || path.join(dir, 'data'), 'numbers');
  for (;;) {
    await fs.promises.writeFile(file, String(steps.file));
    const got = await fs.promises.readFile(file, 'utf8');
    expect(got === String(steps.file), `file: ${got}`);
    steps.file++;
    await new Promise((done) => setTimeout(done, 2));
  }
}

startHttp();
startUnix();
startWorkers();
writeFiles();
setInterval(() => steps.timer++, 3);

let before;
setInterval(() => {
  const least = Math.min(...Object.values(steps));
  if (least > 3) announceOnce();
  if (!fs.existsSync(path.join(dir, 'go'))) return;
  if (!before) before = { ...steps };
  else if (Object.keys(steps).every((key) => steps[key] > before[key] + 3)) end('ok');
}, 10);

let announced = false;
function announceOnce() {
  if (announced) return;
  announced = true;
  announce('ready', '');
}
