/** The types of Node.js that the declarations name. An app has them from `@types/node`. */
declare module 'node:http' {
  export class IncomingMessage {
    method?: string;
  }
  export class ServerResponse {
    statusCode: number;
    end(body?: string): void;
  }
  export function createServer(
    listener: (request: IncomingMessage, response: ServerResponse) => void,
  ): { listen(port: number): void };
}
