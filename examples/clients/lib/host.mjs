// A host: a program with a model in it, which calls tools when the model says so. It is signed in to no vendor; its
// model is ours (lib/model.mjs).

import { Model } from './model.mjs';
import { assert } from './trial.mjs';

/**
 * `open(trial, site, model)` answers `{ how, login, prompt, plant }`: the command that signs in and what it is called,
 * a prompt to the end, and the way to plant an id.
 */
export const host = (open) => async (trial, site) => {
  const model = await Model.open(trial);
  const { how, login, prompt, plant } = await open(trial, site, model);
  let known = false;
  return {
    whoami: async () => {
      if (!known) await login();
      known = true;
      const mark = model.mark();
      model.lastTools = [];
      const { code, stdout, stderr } = await prompt();
      const told = await model.told(mark, 1_000).catch(() => {
        if (process.env.DEBUG) console.error(code, stdout, stderr, model.lastTools);
        throw new Error('it offered its model no `whoami`');
      });
      assert(!told.error, `the tool answered ${told.error}`);
      return told;
    },
    again: { how, act: login },
    plant: async (id) => {
      await plant(id);
      known = false;
    },
  };
};

/** A program that must end well. */
export async function well(trial, what, program) {
  const { code, stdout, stderr } = await program;
  // Without what moves a cursor about.
  const plain = `${stderr} ${stdout}`.replaceAll(/\u001b\[[\d;?]*[A-Za-z]/g, '');
  assert(code === 0, `${what}: exit ${code}: ${plain.slice(-400)}`);
  return stdout;
}
