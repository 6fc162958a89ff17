import { createServer } from 'node:net';

import { within15Seconds } from './wait.js';

/**
 * A server whose connections a test accepts one by one and answers as it likes, down to the bytes.
 * Connections that are not accepted wait.
 */
export class FeedServer {
  #server;
  #waiting = [];
  #wanted = [];
  #sockets = new Set();

  static async start() {
    const feed = new FeedServer();
    feed.#server = createServer((socket) => {
      socket.on('error', () => {});
      feed.#sockets.add(socket);
      socket.on('close', () => feed.#sockets.delete(socket));
      const connection = new Connection(socket);
      // Node.js may open a connection, and close it without a request.
      connection.requested.then(() => feed.#admit(connection));
    });
    await new Promise((resolve) => feed.#server.listen(0, '127.0.0.1', resolve));
    return feed;
  }

  get url() {
    return `http://127.0.0.1:${this.#server.address().port}/revocations`;
  }

  /** Returns the next connection, whose request has arrived. */
  async accept() {
    const next = this.#waiting.shift() ?? new Promise((resolve) => this.#wanted.push(resolve));
    return within15Seconds('a request', next);
  }

  #admit(connection) {
    const wanted = this.#wanted.shift();
    if (wanted) wanted(connection);
    else this.#waiting.push(connection);
  }

  stop() {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

class Connection {
  /** Resolves when the client has closed the connection. */
  closed;
  /** Resolves when the request has arrived. */
  requested;
  /** First line of the request, and headers by name in lower case. */
  line;
  headers;
  #socket;

  constructor(socket) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => socket.on('close', resolve));
    socket.on('end', () => socket.end());
    this.requested = new Promise((resolve) => {
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk;
        if (text.includes('\r\n\r\n')) resolve(this.#parse(text));
      });
    });
  }

  #parse(text) {
    const [line, ...headers] = text.split('\r\n\r\n')[0].split('\r\n');
    this.line = line;
    this.headers = Object.fromEntries(headers.map((header) => {
      const colon = header.indexOf(':');
      return [header.slice(0, colon).toLowerCase(), header.slice(colon + 1).trim()];
    }));
  }

  respond(status, headers = { 'Content-Type': 'text/event-stream' }) {
    const lines = Object.entries({ Connection: 'close', ...headers });
    const text = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
    this.#socket.write(`HTTP/1.1 ${status} Answer\r\n${text}\r\n`);
  }

  send(text) {
    this.#socket.write(text);
  }

  close() {
    this.#socket.end();
  }
}
