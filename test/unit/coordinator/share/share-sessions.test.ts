import { describe, expect, test } from 'vitest';
import { type ShareSession, ShareSessions } from '../../../../src/coordinator/share/share-sessions.ts';
import type { Journal } from '../../../../src/journal/journal.ts';

const place = (partition: number) => ({ topicId: 'T', partition });
const keys = ({ places }: ShareSession) => [...places.keys()];
const client = (groupId: string, memberId: string, front = 1) => ({ groupId, memberId, front, journal: null });
const live = () => new AbortController().signal;

function sessionsOf(countMax = 2) {
  const lost: string[] = [];
  return { lost, sessions: new ShareSessions(countMax, ({ memberId }) => void lost.push(memberId)) };
}

describe('share sessions', () => {
  test('remember partitions, add and forget some', () => {
    const { sessions } = sessionsOf();
    expect(keys(sessions.open({ ...client('g', 'a'), places: [place(0), place(1)], connection: live() }))).toEqual([
      'T/0',
      'T/1',
    ]);
    const changed = sessions.advance(client('g', 'a'), 1, { add: [place(2), place(1)], remove: [place(0)] });
    expect(keys(changed)).toEqual(['T/1', 'T/2']);
    expect(keys(sessions.advance(client('g', 'a'), 2))).toEqual(['T/1', 'T/2']);
  });

  test('are asked for with the epoch that is due', () => {
    const { sessions } = sessionsOf();
    sessions.open({ ...client('g', 'a'), places: [], connection: live() });
    expect(() => sessions.advance(client('g', 'a'), 2)).toThrow('expected 1');
    expect(() => sessions.advance(client('g', 'b'), 1)).toThrow('no share session');
    expect(() => sessions.require(client('other', 'a'))).toThrow('no share session');
  });

  test('are limited over all groups; a member that opens another one replaces its own', () => {
    const { sessions } = sessionsOf();
    sessions.open({ ...client('g', 'a'), places: [], connection: live() });
    sessions.open({ ...client('h', 'a'), places: [], connection: live() });
    expect(() => sessions.open({ ...client('g', 'b'), places: [], connection: live() })).toThrow('2 share sessions');
    sessions.open({ ...client('g', 'a'), places: [], connection: live() });
    expect(sessions.count).toBe(2);
    expect(sessions.close(client('g', 'a'))).toBeDefined();
    expect(sessions.close(client('g', 'a'))).toBeUndefined();
    expect([sessions.hasAny('g'), sessions.hasAny('h')]).toEqual([false, true]);
    sessions.open({ ...client('g', 'b'), places: [], connection: live() });
  });

  test('end with their connection, but not with one that the member has left', () => {
    const { sessions, lost } = sessionsOf(5);
    const [first, second] = [new AbortController(), new AbortController()];
    sessions.open({ ...client('g', 'a'), places: [], connection: first.signal });
    sessions.open({ ...client('g', 'b'), places: [], connection: first.signal });
    sessions.open({ ...client('g', 'a'), places: [], connection: second.signal });
    first.abort();
    expect(lost).toEqual(['b']);
    second.abort();
    expect(lost).toEqual(['b', 'a']);
    expect(sessions.count).toBe(0);
    sessions.open({ ...client('g', 'c'), places: [], connection: second.signal });
    expect(lost).toEqual(['b', 'a']);
  });

  test('of one member are apart by the brokers that it talks to', () => {
    const { sessions } = sessionsOf();
    sessions.open({ ...client('g', 'a', 1), places: [place(0)], connection: live() });
    sessions.open({ ...client('g', 'a', 2), places: [place(1)], connection: live() });
    expect(keys(sessions.advance(client('g', 'a', 1), 1))).toEqual(['T/0']);
    expect(keys(sessions.advance(client('g', 'a', 2), 1))).toEqual(['T/1']);
    expect(sessions.hasElsewhere(client('g', 'a', 1), place(1))).toBe(true);
    expect(sessions.hasElsewhere(client('g', 'a', 2), place(1))).toBe(false);
  });

  test('end with the leadership of the journal of their group', () => {
    const { sessions, lost } = sessionsOf();
    const journal = {} as Journal;
    sessions.open({ ...client('g', 'a'), journal, places: [], connection: live() });
    sessions.open({ ...client('h', 'a'), places: [], connection: live() });
    sessions.closeAll(journal);
    expect([sessions.hasAny('g'), sessions.hasAny('h'), sessions.count]).toEqual([false, true, 1]);
    expect(lost).toEqual([]);
  });
});
