// A driver in another language: it gets a JSON object a line on standard input and answers with one on standard output.
//
//   in:  {"do": "whoami"}  {"do": "plant", "id": "…"}  {"landed": "https://…"}
//   out: {"visit": "https://…"}, answered by `landed`; {"answer": …}; {"error": "…"}

import { createInterface } from 'node:readline';
import { Person, textOf } from './person.mjs';
import { assert } from './trial.mjs';

export class Driver {
  #lines;

  constructor(trial, command, args, options) {
    this.program = trial.start(command, args, options);
    this.#lines = createInterface({ input: this.program.child.stdout })[Symbol.asyncIterator]();
  }

  async #ask(command) {
    this.#say(command);
    for (;;) {
      const { value: line, done } = await this.#lines.next();
      assert(!done, `the driver ended with ${this.program.code}: ${this.program.stderr.slice(-1_500)}`);
      if (!line.startsWith('{')) continue;
      const { visit, answer, error } = JSON.parse(line);
      if (error) throw new Error(`${error} ${process.env.DEBUG ? this.program.stderr.slice(-3_000) : ''}`);
      if (!visit) return answer;
      this.#say({ landed: await land(visit) });
    }
  }

  #say(line) {
    this.program.child.stdin.write(`${JSON.stringify(line)}\n`);
  }

  whoami = () => this.#ask({ do: 'whoami' });
  plant = (id) => this.#ask({ do: 'plant', id });
  close = () => this.program.stop();
}

/** A person follows `url` as far as the client's redirect URI; answers the whole of that. */
export async function land(url, options) {
  const redirect = new URL(url).searchParams.get('redirect_uri');
  const end = await new Person(options).visit(url, { stop: ({ href }) => href.startsWith(redirect) });
  assert(end.url.href.startsWith(redirect), `the browser ended at ${end.url.origin}${end.url.pathname}: ${textOf(end.page)}`);
  return end.url.href;
}
