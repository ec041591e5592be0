// A language model for hosts that want one before they call a tool: whatever it is told, it calls `whoami` once, and then
// says that it is done. It speaks as much as is needed of the three dialects that the hosts speak. Nothing here is about
// OAuth: it stands where an account with a vendor would stand.

import http from 'node:http';
import { until } from './trial.mjs';

const isWanted = (name) => /whoami$/.test(name ?? '');

export class Model {
  #answers = [];

  static async open(trial) {
    const model = new Model();
    model.requests = [];
    const server = http.createServer((request, response) => {
      let text = '';
      request.on('data', (data) => (text += data));
      request.on('end', () => model.#answer(request, text, response));
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    model.base = `http://127.0.0.1:${server.address().port}`;
    trial.onEnd(() => new Promise((resolve) => (server.closeAllConnections(), server.close(resolve))));
    return model;
  }

  /** What the tool answered since `mark`, as the host passed it on. */
  async told(mark, ms = 5_000) {
    return until('the host to pass on what the tool said', () => this.#answers[mark], ms);
  }

  mark() {
    return this.#answers.length;
  }

  /** The tool's own JSON, wherever the host's framing has put it. */
  #tells(value) {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    const found = /\{[^{}]*\\*"session\\*"[^{}]*\}/.exec(text);
    if (!found) return void this.#answers.push({ error: text });
    let json = found[0];
    for (let level = 0; level < 4; level += 1) {
      try {
        return void this.#answers.push(JSON.parse(json));
      } catch {
        json = json.replaceAll('\\"', '"').replaceAll('\\\\', '\\');
      }
    }
    this.#answers.push({ error: text });
  }

  #answer(request, text, response) {
    const { pathname } = new URL(request.url, this.base);
    this.requests.push(`${request.method} ${pathname}`);
    const dialects = [[/\/messages$/, messages], [/\/responses$/, responses], [/\/chat\/completions$/, completions]];
    const dialect = request.method === 'POST' && dialects.find(([path]) => path.test(pathname))?.[1];
    if (!dialect) {
      response.setHeader('content-type', 'application/json');
      response.end('{"data":[],"models":[]}');
      return;
    }
    const body = JSON.parse(text);
    const result = dialect.result(body);
    if (result !== undefined) this.#tells(result);
    const tool = result === undefined ? dialect.tool(body) : undefined;
    this.lastTools = dialect.names?.(body) ?? this.lastTools;
    response.setHeader('content-type', 'text/event-stream');
    for (const [event, data] of dialect.events(tool, body)) {
      response.write(`${event ? `event: ${event}\n` : ''}data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`);
    }
    response.end();
  }
}

const messages = {
  names: ({ tools = [] }) => tools.map(({ name }) => name),
  tool: ({ tools = [] }) => tools.find(({ name }) => isWanted(name)),
  result: ({ messages: list }) => {
    const last = list.findLast(({ role }) => role === 'user');
    return Array.isArray(last?.content) ? last.content.find(({ type }) => type === 'tool_result')?.content : undefined;
  },
  events: (tool, { model }) => {
    const block = tool ? { type: 'tool_use', id: 'toolu_1', name: tool.name, input: {} } : { type: 'text', text: '' };
    const delta = tool ? { type: 'input_json_delta', partial_json: '{}' } : { type: 'text_delta', text: 'done' };
    const usage = { input_tokens: 1, output_tokens: 1 };
    const message = { id: 'msg_1', type: 'message', role: 'assistant', model, content: [], stop_reason: null, stop_sequence: null, usage };
    const events = [
      { type: 'message_start', message },
      { type: 'content_block_start', index: 0, content_block: block },
      { type: 'content_block_delta', index: 0, delta },
      { type: 'content_block_stop', index: 0 },
      { type: 'message_delta', delta: { stop_reason: tool ? 'tool_use' : 'end_turn', stop_sequence: null }, usage },
      { type: 'message_stop' },
    ];
    return events.map((event) => [event.type, event]);
  },
};

const responses = {
  names: ({ tools = [] }) => tools.flatMap((tool) => [tool.name ?? tool.type, ...(tool.tools ?? []).map(({ name }) => `${tool.name}/${name}`)]),
  // A tool may be inside a namespace.
  tool: ({ tools = [] }) => {
    for (const tool of tools) {
      if (isWanted(tool.name)) return { name: tool.name };
      const inner = tool.tools?.find(({ name }) => isWanted(name));
      if (inner) return { name: inner.name, namespace: tool.name };
    }
    return undefined;
  },
  result: ({ input }) => (Array.isArray(input) ? input.findLast(({ type }) => type === 'function_call_output')?.output : undefined),
  events: (tool) => {
    const item = tool
      ? { type: 'function_call', id: 'fc_1', call_id: 'call_1', status: 'completed', arguments: '{}', ...tool }
      : { type: 'message', id: 'msg_1', role: 'assistant', status: 'completed', content: [{ type: 'output_text', text: 'done', annotations: [] }] };
    const usage = { input_tokens: 1, input_tokens_details: null, output_tokens: 1, output_tokens_details: null, total_tokens: 2 };
    const events = [
      { type: 'response.created', response: { id: 'resp_1' } },
      { type: 'response.output_item.added', output_index: 0, item },
      { type: 'response.output_item.done', output_index: 0, item },
      { type: 'response.completed', response: { id: 'resp_1', output: [item], usage } },
    ];
    return events.map((event) => [event.type, event]);
  },
};

const completions = {
  names: ({ tools = [] }) => tools.map((tool) => tool.function.name),
  tool: ({ tools = [] }) => tools.map((tool) => tool.function).find(({ name }) => isWanted(name)),
  result: ({ messages: list }) => (list.at(-1)?.role === 'tool' ? list.at(-1).content : undefined),
  events: (tool, { model }) => {
    const call = tool && { index: 0, id: 'call_1', type: 'function', function: { name: tool.name, arguments: '{}' } };
    const chunk = (delta, finish_reason = null) => ['', { id: 'c1', object: 'chat.completion.chunk', created: 0, model, choices: [{ index: 0, delta, finish_reason }] }];
    return [
      chunk({ role: 'assistant', ...(tool ? { tool_calls: [call] } : { content: 'done' }) }),
      chunk({}, tool ? 'tool_calls' : 'stop'),
      ['', '[DONE]'],
    ];
  },
};
