// The life of one client with one server: the rows of the matrix. What the client itself says is checked against what
// went over the wire.

import { Site } from './site.mjs';
import { assert, equal } from './trial.mjs';

export const ROWS = [
  'discovery',
  'registration',
  'sign-in',
  'tool call',
  'refresh',
  'revocation',
  'lost database',
  'lost secret',
  'stale id',
];

/** The client came with an id that it kept elsewhere: a program of it that was still ending has put that back. */
class NotPlanted extends Error {}

const PERSON = { name: 'Ada Example', email: 'ada@dev.example', oid: '3b0e5a4e-5d0f-4b62-8f1c-a7a1d9e00001' };

/**
 * `client`: `{ name, document?, env?, cannot?, open(trial, site) }`. `open` answers
 *
 * - `whoami()`: calls the tool with what the client keeps, signing in if the client sees fit, and answers what it said;
 * - `again()`: what a person does when the client has given up, and its name: `{ how, act }`;
 * - `plant(id)`: makes the client one that keeps this id and no tokens.
 *
 * `cannot` says of a row why it cannot be tried.
 */
export async function live(trial, client) {
  const site = await Site.open(trial, client.env);
  const hand = await client.open(trial, site);
  const cell = async (row, act) => {
    const why = client.cannot?.[row];
    if (why) return trial.skip(row, `not tried: ${why}`);
    return trial.check(row, act);
  };

  const mark = site.wire.mark();
  let me;
  let failure;
  // What came of it is reported by the rows below.
  await trial.within(async () => (me = await hand.whoami())).catch((error) => (failure = error));
  const first = site.wire.since(mark);
  const [registered] = first.registrations();
  await cell('discovery', () => {
    const resource = first.documents('oauth-protected-resource');
    const server = first.documents('oauth-authorization-server') + first.documents('openid-configuration');
    assert(resource > 0 && server > 0, `${resource} and ${server} documents (${failure ?? first})`);
  });
  await cell('registration', () => {
    const [presented] = first.presented();
    if (client.document) {
      equal(presented, client.document, 'the id at the consent page');
      equal(first.registrations().length, 0, 'registrations');
      return 'a metadata document';
    }
    assert(registered, `none: ${failure ?? first}`);
    equal(first.presented().at(-1), first.registrations().at(-1).client_id, 'the id at the consent page');
    return `${registered.token_endpoint_auth_method}${first.registrations().length > 1 ? `, ${first.registrations().length} times` : ''}`;
  });
  await cell('sign-in', () => {
    first.one(first.codes(), `codes redeemed (${failure ?? ''})`);
    first.one(first.approvals(), 'approvals');
  });
  await cell('tool call', () => {
    if (failure) throw failure;
    for (const [name, value] of Object.entries(PERSON)) equal(me[name], value, name);
    equal(me.client_id, first.presented().at(-1), 'client_id');
    first.some(first.calls('whoami'), 'call of whoami');
  });
  if (!me) {
    for (const row of ROWS.slice(4)) await cell(row, () => assert(false, 'there was no sign-in to go on from'));
    return;
  }

  await cell('refresh', async () => {
    const before = site.wire.mark();
    await site.lapse();
    const now = await hand.whoami();
    const seen = site.wire.since(before);
    seen.some(seen.refreshes(), 'refresh');
    equal(seen.approvals(), 0, 'further sign-ins');
    equal(JSON.stringify(now), JSON.stringify(me), 'whoami');
    me = now;
  });

  /** Something is taken from the client, and it calls again, by whatever way it has. */
  const recovers = async (take, check) => {
    // A client with an open stream may notice before it is asked to do anything.
    const before = site.wire.mark();
    await take();
    let how = '';
    let now = await hand.whoami().catch((error) => {
      if (!hand.again) throw new Error(`${error.message} (${site.wire.since(before)})`);
      how = `after ${hand.again.how} (${error.message.slice(0, 160)})`;
      if (process.env.DEBUG) console.error(error, String(site.wire.since(before)));
    });
    if (how) {
      await hand.again.act();
      now = await hand.whoami();
    }
    const seen = site.wire.since(before);
    seen.some(seen.approvals(), 'sign-in');
    assert(now.session !== me.session, 'the session is still the old one');
    equal(now.oid, PERSON.oid, 'oid');
    const note = check(seen, now);
    me = now;
    return [seen.refusals().join(', '), note, how].filter(Boolean).join('; ');
  };
  const sameId = (seen, now) => {
    if (seen.registrations().length > 0) return 'registered again';
    equal(now.client_id, me.client_id, 'client_id');
    return 'same id';
  };

  await cell('revocation', async () => {
    const revoke = async () => {
      await site.revoke('session', me.session);
      await site.lapse();
    };
    return recovers(revoke, (seen, now) => {
      assert(seen.refusals().length > 0, `the client was told nothing: ${seen}`);
      equal(now.connection, me.connection, 'connection');
      return sameId(seen, now);
    });
  });
  // Its access token would still be good for a while: the signature is, the session is not.
  await cell('lost database', () => recovers(() => site.lose({ secret: false }), sameId));
  const loseAll = async () => {
    await site.lose({ secret: true });
    await site.lapse();
  };
  await cell('lost secret', () => recovers(loseAll, sameId));
  await cell('stale id', async () => {
    assert(hand.plant, 'the driver has no way to plant an id');
    const id = 'an-id-from-another-life';
    const attempt = () =>
      recovers(() => hand.plant(id), (seen, now) => {
        const presented = seen.presented().at(-1);
        if (presented !== id && seen.registrations().length === 0) throw new NotPlanted(`the client presented ${presented}`);
        equal(now.client_id, id, 'client_id');
        equal(seen.registrations().length, 0, 'registrations');
        return 'kept, for this person only';
      });
    return attempt().catch(async (error) => {
      if (!(error instanceof NotPlanted)) throw error;
      return `${await attempt()}; planted twice`;
    });
  });
  await hand.close?.();
}

/** A run of the matrix for `client`; one that is `slow` begins early. */
export const lives = (client) => ({ name: client.name, slow: client.slow, drive: (trial) => live(trial, client) });
