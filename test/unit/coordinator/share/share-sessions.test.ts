import { describe, expect, test } from 'vitest';
import { type ShareSession, ShareSessions } from '../../../../src/coordinator/share/share-sessions.ts';

const place = (partition: number) => ({ topicId: 'T', partition });
const keys = ({ places }: ShareSession) => [...places.keys()];
const live = () => new AbortController().signal;

function sessionsOf(countMax = 2) {
  const lost: string[] = [];
  return { lost, sessions: new ShareSessions(countMax, ({ memberId }) => void lost.push(memberId)) };
}

describe('share sessions', () => {
  test('remember partitions, add and forget some', () => {
    const { sessions } = sessionsOf();
    expect(keys(sessions.open('g', 'a', [place(0), place(1)], live()))).toEqual(['T/0', 'T/1']);
    const changed = sessions.advance('g', 'a', 1, { add: [place(2), place(1)], remove: [place(0)] });
    expect(keys(changed)).toEqual(['T/1', 'T/2']);
    expect(keys(sessions.advance('g', 'a', 2))).toEqual(['T/1', 'T/2']);
  });

  test('are asked for with the epoch that is due', () => {
    const { sessions } = sessionsOf();
    sessions.open('g', 'a', [], live());
    expect(() => sessions.advance('g', 'a', 2)).toThrow('expected 1');
    expect(() => sessions.advance('g', 'b', 1)).toThrow('no share session');
    expect(() => sessions.require('other', 'a')).toThrow('no share session');
  });

  test('are limited over all groups; a member that opens another one replaces its own', () => {
    const { sessions } = sessionsOf();
    sessions.open('g', 'a', [], live());
    sessions.open('h', 'a', [], live());
    expect(() => sessions.open('g', 'b', [], live())).toThrow('2 share sessions');
    sessions.open('g', 'a', [], live());
    expect(sessions.count).toBe(2);
    expect(sessions.close('g', 'a')).toBeDefined();
    expect(sessions.close('g', 'a')).toBeUndefined();
    expect([sessions.hasAny('g'), sessions.hasAny('h')]).toEqual([false, true]);
    sessions.open('g', 'b', [], live());
  });

  test('end with their connection, but not with one that the member has left', () => {
    const { sessions, lost } = sessionsOf(5);
    const [first, second] = [new AbortController(), new AbortController()];
    sessions.open('g', 'a', [], first.signal);
    sessions.open('g', 'b', [], first.signal);
    sessions.open('g', 'a', [], second.signal);
    first.abort();
    expect(lost).toEqual(['b']);
    second.abort();
    expect(lost).toEqual(['b', 'a']);
    expect(sessions.count).toBe(0);
    sessions.open('g', 'c', [], second.signal);
    expect(lost).toEqual(['b', 'a']);
  });
});
