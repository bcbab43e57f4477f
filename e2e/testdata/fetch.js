// Fetches a URL through a proxy, https by CONNECT.
//
// Arguments: proxy (host:port), URL, file of the authority to trust, SHA-256 of the server's
// certificate in hex. The content goes to standard output; what went wrong to standard error.
'use strict';
const fs = require('fs');
const http = require('http');
const https = require('https');
const tls = require('tls');

const [proxy, url, authority, leaf] = process.argv.slice(2);
const [host, port] = proxy.split(':');
const target = new URL(url);

function fail(why) {
  console.error(why);
  process.exit(1);
}

function take(answer) {
  const pieces = [];
  answer.on('data', (piece) => pieces.push(piece));
  answer.on('end', () => {
    const content = Buffer.concat(pieces);
    if (answer.statusCode !== 200) {
      fail(`${answer.statusCode} ${answer.headers['proxy-status']}\n${content}`);
    }
    process.stdout.write(content);
  });
}

function fetchInside(socket) {
  const secure = tls.connect({ socket, servername: target.hostname, ca: fs.readFileSync(authority) }, () => {
    const found = secure.getPeerCertificate().fingerprint256.replaceAll(':', '').toLowerCase();
    if (found !== leaf) {
      fail('the certificate is not the pinned one');
    }
    https.get(url, { createConnection: () => secure }, take).on('error', fail);
  });
  secure.on('error', fail);
}

if (target.protocol === 'https:') {
  const authorityForm = `${target.hostname}:443`;
  const request = http.request({ host, port, method: 'CONNECT', path: authorityForm, headers: { Host: authorityForm } });
  request.on('connect', (answer, socket, head) => {
    if (answer.statusCode === 200) {
      fetchInside(socket);
      return;
    }
    const pieces = [head];
    socket.on('data', (piece) => pieces.push(piece));
    socket.on('end', () => fail(`${answer.statusCode} ${answer.headers['proxy-status']}\n${Buffer.concat(pieces)}`));
  });
  request.on('error', fail);
  request.end();
} else {
  http.get({ host, port, path: url, headers: { Host: target.host } }, take).on('error', fail);
}
