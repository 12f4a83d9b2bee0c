import { describe, expect, it } from 'vitest';
import { fileName, remotePath } from '../../../src/extension/chat/remoteFile.ts';

describe('files of another machine', () => {
  it('are found by what an agent wrote there', () => {
    expect(remotePath('/etc/hosts', '/srv', null)).toBe('/etc/hosts');
    expect(remotePath('src/a.ts', '/srv/web', null)).toBe('/srv/web/src/a.ts');
    expect(remotePath('./src/a.ts', '/srv/web', null)).toBe('/srv/web/src/a.ts');
    expect(remotePath('../b.ts', '/srv/web', null)).toBe('/srv/web/../b.ts');
    expect(remotePath('~/notes.md', '/srv/web', '/home/ada')).toBe('/home/ada/notes.md');
    expect(remotePath('src\\a.ts', 'C:\\work', null)).toBe('C:\\work\\src\\a.ts');
    expect(remotePath('D:/x.ts', '', null)).toBe('D:/x.ts');
    for (const [written, folder] of [['a.ts', ''], ['~/a.ts', '/srv']] as const) expect(() => remotePath(written, folder, null)).toThrowError(expect.objectContaining({ code: 'not_found' }) as Error);
    expect(() => remotePath('/a\u0000b', '/srv', null)).toThrowError(expect.objectContaining({ code: 'invalid_argument' }) as Error);
  });

  it('are named by their last part', () => {
    expect([fileName('/srv/web/a.ts'), fileName('C:\\x\\b.ts'), fileName('/')]).toEqual(['a.ts', 'b.ts', '/']);
  });
});
